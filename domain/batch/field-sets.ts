/** Where a list of fields leads, field by field. */
interface Node {
  id: number;
  readonly next: Map<string, Node>;
}

/** Sets of field names as small numbers: few distinct sets occur among very many requests, so each is kept once. */
export class FieldSets {
  private readonly lists: (readonly string[])[] = [];
  private readonly sizes: number[] = [];
  private readonly ids = new Map<string, number>();
  private readonly root: Node = { id: -1, next: new Map() };
  private readonly unions = new Map<number, number>();

  /** The number of a set, given as any list of its fields. */
  intern(fields: readonly string[]): number {
    // Lists as they are given are found field by field: nothing is made for those that are known.
    let node = this.root;
    for (const field of fields) {
      let next = node.next.get(field);
      if (next === undefined) node.next.set(field, (next = { id: -1, next: new Map() }));
      node = next;
    }
    if (node.id === -1) {
      const sorted = [...new Set(fields)].sort();
      const key = sorted.join('\0');
      node.id = this.ids.get(key) ?? this.lists.push(sorted) - 1;
      this.ids.set(key, node.id);
      this.sizes[node.id] = sorted.length;
    }
    return node.id;
  }

  union(a: number, b: number): number {
    if (a === b) return a;
    const pair = a < b ? a * 2 ** 26 + b : b * 2 ** 26 + a;
    let id = this.unions.get(pair);
    if (id === undefined) {
      id = this.intern([...this.lists[a], ...this.lists[b]]);
      this.unions.set(pair, id);
    }
    return id;
  }

  /** The fields of a set, sorted. */
  list(id: number): readonly string[] {
    return this.lists[id];
  }

  size(id: number): number {
    return this.sizes[id];
  }
}
