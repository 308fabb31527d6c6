/** What the checks of a configuration have in common. */

export interface ConfigIssue {
  readonly path: readonly string[];
  readonly expected: string;
  readonly got: string;
}

export function unknown(path: readonly string[], got: string, known: readonly string[], what: string): ConfigIssue {
  return {
    path,
    expected: `a declared ${what}: ${known.length === 0 ? 'none is declared' : known.join(', ')}`,
    got: JSON.stringify(got),
  };
}

/** Circles of a graph, each as its members in order, the first again at the end. */
export function circlesOf(next: ReadonlyMap<string, readonly string[]>): string[][] {
  const done = new Set<string>();
  const circles: string[][] = [];
  const visit = (id: string, trail: readonly string[]): void => {
    const start = trail.indexOf(id);
    if (start !== -1) {
      circles.push([...trail.slice(start), id]);
      return;
    }
    if (done.has(id)) return;
    for (const after of next.get(id) ?? []) visit(after, [...trail, id]);
    done.add(id);
  };
  for (const id of next.keys()) visit(id, []);
  return circles;
}
