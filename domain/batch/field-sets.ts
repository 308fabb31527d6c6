import { numberOf, PairIds } from './pair-ids.js';

/** Fields in one word of a set. */
const WORD = 32;

/** Sets of field names as small numbers: few distinct sets occur among very many requests, so each is kept once, as bits. */
export class FieldSets {
  /** Held for its shape, as that of `PairIds`. */
  static readonly held = new FieldSets();

  private readonly names: string[] = [];
  private readonly fields = new Map<string, number>();
  /** Bits of each set, without words of zeros at the end; its fields, once they were asked for. */
  private readonly words: (readonly number[])[] = [];
  private readonly lists: (readonly string[] | undefined)[] = [];
  private readonly sizes: number[] = [];
  /** Words, one after the other; the sets by the pair of their last word, -1 for none. */
  private readonly wordIds = new PairIds();
  private readonly setOfWords: number[] = [];
  private empty = -1;
  /** Lists as they are given, field by field: nothing is made for those that are known. Their sets, by the last field's pair. */
  private readonly prefixes = new PairIds();
  private readonly setOfList: number[] = [];
  private readonly unions = new PairIds();
  private readonly setOfUnion: number[] = [];

  /** The number of a set, given as any list of its fields. */
  intern(fields: readonly string[]): number {
    let prefix = -1;
    for (const field of fields) prefix = this.prefixes.idOf(prefix, this.fieldOf(field));
    if (prefix < 0) return this.setOf([]);
    while (this.setOfList.length <= prefix) this.setOfList.push(-1);
    if (this.setOfList[prefix] < 0) {
      const words: number[] = [];
      for (const field of fields) {
        const bit = this.fieldOf(field);
        const at = Math.floor(bit / WORD);
        while (words.length <= at) words.push(0);
        words[at] |= 1 << (bit % WORD);
      }
      this.setOfList[prefix] = this.setOf(words);
    }
    return this.setOfList[prefix];
  }

  private fieldOf(field: string): number {
    const id = numberOf(this.fields, field);
    if (id === this.names.length) this.names.push(field);
    return id;
  }

  private setOf(words: readonly number[]): number {
    if (words.length === 0) return this.empty < 0 ? (this.empty = this.newSet(words)) : this.empty;
    const last = words.reduce((prefix, word) => this.wordIds.idOf(prefix, word), -1);
    while (this.setOfWords.length <= last) this.setOfWords.push(-1);
    if (this.setOfWords[last] < 0) this.setOfWords[last] = this.newSet(words);
    return this.setOfWords[last];
  }

  private newSet(words: readonly number[]): number {
    let size = 0;
    for (const word of words) for (let rest = word; rest !== 0; rest &= rest - 1) size++;
    this.sizes.push(size);
    this.lists.push(undefined);
    return this.words.push(words) - 1;
  }

  union(a: number, b: number): number {
    if (a === b) return a;
    const pair = a < b ? this.unions.idOf(a, b) : this.unions.idOf(b, a);
    if (pair === this.setOfUnion.length) {
      const [shorter, longer] =
        this.words[a].length < this.words[b].length ? [this.words[a], this.words[b]] : [this.words[b], this.words[a]];
      this.setOfUnion.push(this.setOf(longer.map((word, at) => word | (at < shorter.length ? shorter[at] : 0))));
    }
    return this.setOfUnion[pair];
  }

  /** The fields of a set, sorted. */
  list(id: number): readonly string[] {
    return (this.lists[id] ??= this.names
      .filter((_, field) => ((this.words[id][Math.floor(field / WORD)] ?? 0) & (1 << (field % WORD))) !== 0)
      .sort());
  }

  size(id: number): number {
    return this.sizes[id];
  }
}
