/**
 * Gangs: requests of one model that are of use only together, such as the datasets of one training job. They are granted
 * in one cycle or wait together, as the pods of a group do in Kueue, Volcano and Kubernetes: who asks declares the size,
 * nothing runs before all members are there, and the whole gang waits when one of them must.
 */
import type { GangRef, Refusal, WaitReason, WorkItem } from './work.js';

export interface Gang extends GangRef {
  readonly model: string;
  /** Those that this cycle looks at, by id. */
  readonly members: readonly WorkItem[];
}

/** The gangs of these items, by model and name. */
export function gangsOf(items: readonly WorkItem[]): Gang[] {
  const members = new Map<string, WorkItem[]>();
  for (const item of items) {
    if (item.gang === undefined) continue;
    const key = `${item.model}\0${item.gang.name}`;
    const known = members.get(key);
    if (known === undefined) members.set(key, [item]);
    else known.push(item);
  }
  return [...members.keys()].sort().map((key) => {
    const found = members.get(key)!.sort((a, b) => (a.id < b.id ? -1 : 1));
    return { ...found[0].gang!, model: found[0].model, members: found };
  });
}

/** Gangs that not all of have come look again after this long: a member that comes brings them into its cycle at once. */
const INCOMPLETE_MS = 3_600_000;

/** Why the members wait that have come, while others are missing; null: all are there. */
export function waitForMembers({ name, size, members }: Gang, nowMs: number): WaitReason[] | null {
  const missing = size - members.length;
  if (missing <= 0) return null;
  const deadlineMs = Math.min(...members.map((one) => one.deadlineMs ?? Infinity));
  const until = deadlineMs < Infinity ? ` by ${new Date(deadlineMs).toISOString()}` : '';
  return members.map(({ id }) => ({
    ...{ itemId: id, tier: 'waiting', resource: `gang:${name}`, blockers: [], shortfall: missing },
    earliestMs: nowMs + INCOMPLETE_MS,
    reason: `gang ${name} has ${members.length} of its ${size} members: ${missing} more must come${until}`,
  }));
}

/** What all members wait for when some of them do: what the one waits for that waits longest. */
export function waitTogether({ name, size, members }: Gang, waits: readonly WaitReason[]): WaitReason[] {
  const [cause] = [...waits].sort((a, b) => b.earliestMs - a.earliestMs || (a.itemId < b.itemId ? -1 : 1));
  const own = new Map(waits.map(({ itemId, reason }) => [itemId, reason]));
  return members.map(({ id }) => {
    // In one queue all wait for what the gang costs, and none for another.
    const because = own.get(id) === cause.reason ? '' : ` (for ${cause.itemId})`;
    return { ...cause, itemId: id, reason: `gang ${name} of ${size} waits together${because}: ${cause.reason}` };
  });
}

/** A gang of which one can never be served is answered as a whole: these refusals, and those of the others. */
export function refuseTogether(items: readonly WorkItem[], refusals: readonly Refusal[]): readonly Refusal[] {
  const gangs = refusals.length === 0 ? [] : gangsOf(items);
  if (gangs.length === 0) return refusals;
  const refused = new Map(refusals.map((refusal) => [refusal.itemId, refusal]));
  const others = gangs.flatMap(({ name, size, members }): Refusal[] => {
    const cause = members.map(({ id }) => refused.get(id)).find((refusal) => refusal !== undefined);
    if (cause === undefined) return [];
    const rest = members.filter(({ id }) => !refused.has(id));
    if (cause.type !== 'DeadlinePassed') {
      const reason = `gang ${name}: its request ${cause.itemId} was refused: ${cause.reason}`;
      const hint = 'Mend what the reason names, then send the whole gang again.';
      const bound = { resource: `gang:${name}`, shortfall: 1, blockers: [cause.itemId] };
      return rest.map(({ id }) => ({ itemId: id, type: 'GangBroken', reason, hint, ...bound }));
    }
    const came =
      members.length < size ? `${members.length} of its ${size} members had come` : 'all its members had come';
    refused.set(cause.itemId, { ...cause, reason: `${cause.reason}; of gang ${name} ${came}` });
    const reason = `gang ${name}: the deadline of its request ${cause.itemId} passed before all could be served; ${came}`;
    const missing = Math.max(0, size - members.length);
    const bound = { resource: cause.resource ?? 'deadline', shortfall: cause.shortfall ?? missing };
    const hint = 'Send the whole gang again with a later deadline.';
    return rest.map(({ id }) => ({ itemId: id, type: cause.type, reason, hint, ...bound, blockers: [cause.itemId] }));
  });
  return [...refused.values(), ...others];
}

/** The same waits, with the others of each gang of which a member waits. */
export function waitingTogether(items: readonly WorkItem[], waits: readonly WaitReason[]): readonly WaitReason[] {
  const gangs = waits.length === 0 ? [] : gangsOf(items);
  if (gangs.length === 0) return waits;
  const byItem = new Map(waits.map((wait) => [wait.itemId, wait]));
  for (const gang of gangs) {
    const own = gang.members.flatMap(({ id }) => byItem.get(id) ?? []);
    const told = own.every(({ reason }) => reason.startsWith(`gang ${gang.name} `));
    if (!told || (own.length > 0 && own.length < gang.members.length))
      for (const wait of waitTogether(gang, own)) byItem.set(wait.itemId, wait);
  }
  return [...byItem.values()];
}
