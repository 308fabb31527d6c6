/** Why what is granted is in the read that it is in: with whom, and what that saves it. */
import { formatBytes } from '../../types/units.js';
import type { CostedItem, MergedDemand } from './costs.js';
import type { Grant, ReadShare } from './grants.js';
import type { ReadPlan } from './reads.js';

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

/**
 * Tells the grants that share a read what they share. O(grants).
 * @param granted by the items' indices; changed in place
 */
export function tellReads(
  granted: readonly (Mutable<Grant> | undefined)[],
  { reads, members }: Pick<ReadPlan, 'reads' | 'members'>,
  { items, reads: merged }: MergedDemand,
): void {
  const mergedOf = new Int32Array(items.length).fill(-1);
  for (let m = 0; m < merged.length; m++) for (const index of merged[m].members) mergedOf[index] = m;
  /** By the merged read: its grants in the read that is told. */
  const sharers: (Sharers | undefined)[] = merged.map(() => undefined);
  for (let r = 0; r < reads.length; r++) {
    const { ordinal: read, source } = reads[r];
    const scan = members[r].length;
    if (scan === 1) continue;
    for (const index of members[r]) {
      const m = mergedOf[index];
      let group = sharers[m];
      if (group?.read !== read) sharers[m] = group = { read, source, first: [], count: 0, scan, others: null };
      if (group.count++ <= NAMED_MAX) group.first.push(index);
    }
    for (const index of members[r])
      granted[index]!.share = shareOf(granted[index]!, index, sharers[mergedOf[index]]!, items);
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A need by its name, a request by its id. */
function nameOf({ item }: CostedItem): string {
  return item.needId ?? item.id;
}

/** Who is named to one of them: of very many, the same to all that are not among the first. */
function othersOf(index: number, sharers: Sharers, items: readonly CostedItem[]): readonly string[] {
  const isFirst = sharers.first.includes(index);
  if (!isFirst && sharers.others !== null) return sharers.others;
  const others: string[] = [];
  for (const other of sharers.first)
    if (other !== index && others.length < NAMED_MAX) others.push(nameOf(items[other]));
  if (!isFirst) sharers.others = others;
  return others;
}

function shareOf({ bytes, cost }: Grant, index: number, sharers: Sharers, items: readonly CostedItem[]): ReadShare {
  const { read, source, count, scan } = sharers;
  const charged = cost[`bytes:${source}`] as number | undefined;
  const savedBytes = charged === undefined ? null : Math.max(0, bytes - charged);
  return { read, with: othersOf(index, sharers, items), sharers: count - 1, besides: scan - count, savedBytes };
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
