/**
 * Samples of one read: members with the same predicate, seed and mix draw nested ones (the pick is by hash), so that their
 * union is the largest of them.
 */
import { numberOf, PairIds } from '../../batch/pair-ids.js';
import { independentUnion } from '../../batch/sample-union.js';

/** Which samples of one read are parts of each other, and which are of the same rows. */
export interface NestedSamples {
  /** Of each item, its group (members of one read with the same rows, seed and mix) and its set (with the same rows). */
  readonly groupOf: Int32Array;
  readonly setOf: Int32Array;
  readonly groups: number;
  /** Rows that match the predicate of each set. */
  readonly setMost: Float64Array;
}

/** An item, as far as its sample goes: what matches it, by which seed it draws, and the mix that it keeps. */
interface Sampled {
  readonly index: number;
  readonly item: { readonly seed: number };
  readonly shares: Readonly<Record<string, number>> | null;
  readonly facts: { readonly rows: number };
}

/** @param reads members are indices of items; rowSets the read's distinct predicates, of each member */
export function nestedSamples(
  items: readonly Sampled[],
  reads: readonly { readonly members: Uint32Array; readonly rowSets: Uint32Array }[],
): NestedSamples {
  const [groupOf, setOf] = [new Int32Array(items.length), new Int32Array(items.length)];
  const [rowSets, picks, groups] = [new PairIds(), new PairIds(), new PairIds()];
  const seeds = new Map<number, number>();
  const mixes = new Map<string, number>();
  const setMost: number[] = [];
  for (const [r, read] of reads.entries())
    for (let m = 0; m < read.members.length; m++) {
      const { item, shares, index, facts } = items[read.members[m]];
      const mix = shares === null ? -1 : numberOf(mixes, JSON.stringify(shares));
      const pick = picks.idOf(numberOf(seeds, item.seed), mix);
      const set = rowSets.idOf(r, read.rowSets[m]);
      [setOf[index], groupOf[index]] = [set, groups.idOf(set, pick)];
      // Facts of one predicate are alike, but where only a bound is known.
      setMost[set] = Math.max(setMost[set] ?? 0, facts.rows);
    }
  return { groupOf, setOf, groups: groups.size, setMost: Float64Array.from(setMost) };
}

/**
 * Rows that a read of these members is expected to hand out, each of them once: of samples of the same rows by other
 * seeds, which are independent, N(1 - prod(1 - r/N)) of the N that match (inclusion and exclusion); of other predicates
 * the sum, and of all no more than the dataset has.
 */
export function expectedRows(
  members: readonly { readonly index: number; readonly rows: number }[],
  { groupOf, setOf, setMost }: NestedSamples,
  rowsMax: number,
): number {
  const largest = new Map<number, { readonly set: number; rows: number }>();
  for (const { index, rows } of members) {
    const known = largest.get(groupOf[index]);
    if (known === undefined) largest.set(groupOf[index], { set: setOf[index], rows });
    else known.rows = Math.max(known.rows, rows);
  }
  const union = new Map<number, number>();
  for (const { set, rows } of largest.values()) {
    const most = setMost[set];
    union.set(set, independentUnion(union.get(set) ?? 0, Math.min(rows, most), most));
  }
  const sum = [...union.values()].reduce((all, rows) => all + rows, 0);
  return Math.min(sum, rowsMax);
}
