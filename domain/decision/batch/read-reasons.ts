/** Why what is granted is in the read that it is in: with whom, and what that saves it. */
import { formatBytes } from '../../types/units.js';
import type { MergedDemand } from './costs.js';
import type { Grant, ReadShare } from './grants.js';
import type { PlannedRead } from './reads.js';

/** Others named beside a request; more would hide the sentence. */
const NAMED_MAX = 3;

/** The grants, those that share a read with what they share. O(grants). */
export function tellReads(grants: readonly Grant[], reads: readonly PlannedRead[], demand: MergedDemand): Grant[] {
  const { items, reads: merged } = demand;
  const indexOf = new Map(items.map(({ item, index }) => [item.id, index]));
  const mergedOf = new Int32Array(items.length).fill(-1);
  for (const [m, { members }] of merged.entries()) for (const index of members) mergedOf[index] = m;
  const shares = new Map<string, (grant: Grant) => ReadShare>();
  for (const { ordinal, source, slices } of reads) {
    if (slices.length === 1) continue;
    const groups = new Map<number, string[]>();
    for (const { id } of slices) {
      const m = mergedOf[indexOf.get(id)!];
      const known = groups.get(m);
      if (known === undefined) groups.set(m, [id]);
      else known.push(id);
    }
    for (const ids of groups.values()) {
      const first = ids.slice(0, NAMED_MAX + 1);
      const besides = slices.length - ids.length;
      for (const id of ids)
        shares.set(id, (grant) => {
          const others = first.filter((other) => other !== id).slice(0, NAMED_MAX);
          const names = others.map((other) => items[indexOf.get(other)!].item.needId ?? other);
          return shareOf(grant, { read: ordinal, with: names, sharers: ids.length - 1, besides }, source);
        });
    }
  }
  return grants.map((grant) => {
    const share = shares.get(grant.itemId);
    return share === undefined ? grant : { ...grant, share: share(grant) };
  });
}

function shareOf({ bytes, cost }: Grant, share: Omit<ReadShare, 'savedBytes' | 'reason'>, source: string): ReadShare {
  const charged = cost[`bytes:${source}`] as number | undefined;
  const savedBytes = charged === undefined ? null : Math.max(0, bytes - charged);
  const more = share.sharers - share.with.length;
  const named = share.with.join(', ') + (more > 0 ? ` and ${more} more` : '');
  const saved =
    savedBytes === null || savedBytes < 0.5
      ? ''
      : `, which saves it ${formatBytes(savedBytes)} of ${formatBytes(bytes)}`;
  const parts = [
    ...(share.sharers === 0 ? [] : [`one read with ${named}${saved}`]),
    ...(share.besides === 0 ? [] : [`one scan with ${share.besides} of other rows`]),
  ];
  return { ...share, savedBytes, reason: parts.join('; ') };
}
