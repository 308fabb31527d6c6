import { PairIds } from './pair-ids.js';

/** Sets of field names as small numbers: few distinct sets occur among very many requests, so each is kept once. */
export class FieldSets {
  private readonly lists: (readonly string[])[] = [];
  private readonly sizes: number[] = [];
  private readonly ids = new Map<string, number>();
  private readonly fields = new Map<string, number>();
  /** Lists as they are given, field by field: nothing is made for those that are known. Their sets, by the last field's pair. */
  private readonly prefixes = new PairIds();
  private readonly setOf: number[] = [];
  private empty = -1;
  private readonly unions = new PairIds();
  private readonly unionOf: number[] = [];

  /** The number of a set, given as any list of its fields. */
  intern(fields: readonly string[]): number {
    if (fields.length === 0) return this.empty < 0 ? (this.empty = this.known(fields)) : this.empty;
    let prefix = -1;
    for (const field of fields) {
      let id = this.fields.get(field);
      if (id === undefined) this.fields.set(field, (id = this.fields.size));
      prefix = this.prefixes.idOf(prefix, id);
    }
    while (this.setOf.length <= prefix) this.setOf.push(-1);
    if (this.setOf[prefix] < 0) this.setOf[prefix] = this.known(fields);
    return this.setOf[prefix];
  }

  private known(fields: readonly string[]): number {
    const sorted = [...new Set(fields)].sort();
    const key = sorted.join('\0');
    let id = this.ids.get(key);
    if (id === undefined) {
      id = this.lists.push(sorted) - 1;
      this.ids.set(key, id);
      this.sizes.push(sorted.length);
    }
    return id;
  }

  union(a: number, b: number): number {
    if (a === b) return a;
    const pair = a < b ? this.unions.idOf(a, b) : this.unions.idOf(b, a);
    if (pair === this.unionOf.length) this.unionOf.push(this.known([...this.lists[a], ...this.lists[b]]));
    return this.unionOf[pair];
  }

  /** The fields of a set, sorted. */
  list(id: number): readonly string[] {
    return this.lists[id];
  }

  size(id: number): number {
    return this.sizes[id];
  }
}
