/** Why what is granted is in the read that it is in: with whom, and what that saves it. */
import { formatBytes } from '../../types/units.js';
import type { MergedDemand } from './costs.js';
import type { Grant, ReadShare } from './grants.js';
import type { PlannedRead } from './reads.js';

/** Others named beside a request; more would hide the sentence. */
const NAMED_MAX = 3;

/** Grants of one scan that ask for rows in common, and what is told to all of them but the first few alike. */
interface Sharers {
  readonly read: number;
  readonly source: string;
  /** Indices of the first of them; how many they are; how many of other rows are in the scan. */
  readonly first: number[];
  count: number;
  readonly scan: number;
  others: Others | null;
}

/** The first of the others, and their names in one text. */
interface Others {
  readonly with: readonly string[];
  readonly named: string;
}

/** The grants, those that share a read with what they share. O(grants). */
export function tellReads(grants: readonly Grant[], reads: readonly PlannedRead[], demand: MergedDemand): Grant[] {
  const { items, reads: merged } = demand;
  const indexOf = new Map<string, number>();
  for (const { item, index } of items) indexOf.set(item.id, index);
  const mergedOf = new Int32Array(items.length).fill(-1);
  for (const [m, { members }] of merged.entries()) for (const index of members) mergedOf[index] = m;
  const sharersOf: (Sharers | undefined)[] = new Array<undefined>(items.length).fill(undefined);
  for (const { ordinal: read, source, slices } of reads) {
    if (slices.length === 1) continue;
    const groups = new Map<number, Sharers>();
    for (const { id } of slices) {
      const index = indexOf.get(id)!;
      let group = groups.get(mergedOf[index]);
      if (group === undefined) {
        group = { read, source, first: [], count: 0, scan: slices.length, others: null };
        groups.set(mergedOf[index], group);
      }
      if (group.count++ <= NAMED_MAX) group.first.push(index);
      sharersOf[index] = group;
    }
  }
  const nameOf = (index: number): string => items[index].item.needId ?? items[index].item.id;
  return grants.map((grant) => {
    const index = indexOf.get(grant.itemId)!;
    const sharers = sharersOf[index];
    return sharers === undefined ? grant : { ...grant, share: shareOf(grant, index, sharers, nameOf) };
  });
}

/** Who is named to one of them: of very many, the same to all that are not among the first. */
function othersOf(index: number, sharers: Sharers, nameOf: (index: number) => string): Others {
  const isFirst = sharers.first.includes(index);
  if (!isFirst && sharers.others !== null) return sharers.others;
  const others = sharers.first.filter((other) => other !== index).slice(0, NAMED_MAX);
  const names = others.map(nameOf);
  const more = sharers.count - 1 - names.length;
  const told = { with: names, named: names.join(', ') + (more > 0 ? ` and ${more} more` : '') };
  if (!isFirst) sharers.others = told;
  return told;
}

function shareOf(
  { bytes, cost }: Grant,
  index: number,
  sharers: Sharers,
  nameOf: (index: number) => string,
): ReadShare {
  const { read, source, count, scan } = sharers;
  const others = othersOf(index, sharers, nameOf);
  const charged = cost[`bytes:${source}`] as number | undefined;
  const savedBytes = charged === undefined ? null : Math.max(0, bytes - charged);
  const saved =
    savedBytes === null || savedBytes < 0.5
      ? ''
      : `, which saves it ${formatBytes(savedBytes)} of ${formatBytes(bytes)}`;
  const together = count === 1 ? '' : `one read with ${others.named}${saved}`;
  const beside = count === scan ? '' : `one scan with ${scan - count} of other rows`;
  const reason = together + (together !== '' && beside !== '' ? '; ' : '') + beside;
  return { read, with: others.with, sharers: count - 1, besides: scan - count, savedBytes, reason };
}
