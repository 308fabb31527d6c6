/** Sets of field names as small numbers: few distinct sets occur among very many requests, so each is kept once. */
export class FieldSets {
  private readonly lists: (readonly string[])[] = [];
  private readonly ids = new Map<string, number>();
  private readonly unions = new Map<number, number>();

  /** The number of a set, given as any list of its fields. */
  intern(fields: readonly string[]): number {
    const asGiven = fields.join('\0');
    let id = this.ids.get(asGiven);
    if (id === undefined) {
      const sorted = [...new Set(fields)].sort();
      const key = sorted.join('\0');
      id = this.ids.get(key) ?? this.lists.push(sorted) - 1;
      this.ids.set(key, id).set(asGiven, id);
    }
    return id;
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
    return this.lists[id].length;
  }
}
