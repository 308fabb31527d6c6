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
  /** The first of the others, as those that are not among the first know them. */
  others: readonly string[] | null;
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
function othersOf(index: number, sharers: Sharers, nameOf: (index: number) => string): readonly string[] {
  const isFirst = sharers.first.includes(index);
  if (!isFirst && sharers.others !== null) return sharers.others;
  const others = sharers.first
    .filter((other) => other !== index)
    .slice(0, NAMED_MAX)
    .map(nameOf);
  if (!isFirst) sharers.others = others;
  return others;
}

function shareOf(
  { bytes, cost }: Grant,
  index: number,
  sharers: Sharers,
  nameOf: (index: number) => string,
): ReadShare {
  const { read, source, count, scan } = sharers;
  const charged = cost[`bytes:${source}`] as number | undefined;
  const savedBytes = charged === undefined ? null : Math.max(0, bytes - charged);
  return { read, with: othersOf(index, sharers, nameOf), sharers: count - 1, besides: scan - count, savedBytes };
}

/** The sentence on what a grant shares. Put into words when it is told: a record of 10,000 grants holds the figures. */
export function readReason({ with: names, sharers, besides, savedBytes }: ReadShare, bytes: number): string {
  const more = sharers - names.length;
  const saved =
    savedBytes === null || savedBytes < 0.5
      ? ''
      : `, which saves it ${formatBytes(savedBytes)} of ${formatBytes(bytes)}`;
  const together =
    sharers === 0 ? [] : [`one read with ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}${saved}`];
  const beside = besides === 0 ? [] : [`one scan with ${besides} of other rows`];
  return [...together, ...beside].join('; ');
}
