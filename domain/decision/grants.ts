/** A model's share of what is scarce, handed to its own items by priority. */
import { classQuotas } from './class-quotas.js';
import type { BatchInputs } from './batch.js';
import type { CostedItem } from './costs.js';
import type { WaitReason, WorkItem } from './work.js';

export interface Grant {
  readonly itemId: string;
  readonly rows: number;
  /** Rows asked for, before anything was scarce. */
  readonly asked: number;
  readonly aheadRows: number;
  readonly bytes: number;
  readonly served: 'read' | 'cache';
  /** Rows by class; null: no mix to keep. */
  readonly quotas: Readonly<Record<string, number>> | null;
  readonly weights: Readonly<Record<string, number>> | null;
  readonly shortfall: Readonly<Record<string, number>> | null;
  readonly cost: Readonly<Record<string, number>>;
  readonly score: number;
  readonly reason: string;
}

/** Seconds of waiting, or of nearness to the deadline, that count as much as one priority level. */
const SECONDS_PER_LEVEL = 60;
/** Blockers named in a reason: the most urgent ones; a list of thousands explains nothing. */
const BLOCKERS_MAX = 8;

/** Higher goes first: declared priority, criticality, waiting time, nearness of the deadline. Waiting grows without bound, so nothing starves. */
export function itemScore(item: WorkItem, criticality: number, nowMs: number): number {
  const waited = Math.max(0, nowMs - item.createdMs) / 1000 / SECONDS_PER_LEVEL;
  const slack = item.deadlineMs === null ? Infinity : Math.max(0, item.deadlineMs - nowMs) / 1000 / SECONDS_PER_LEVEL;
  return 5 - item.priority + criticality + waited + 1 / (1 + slack);
}

/**
 * Grants items in order of score until the share is used up. Standing needs take what is left (they are due again in
 * the next cycle); one-off requests are whole or wait. A request waits at most until the shares of the cycles that it
 * waited add up to its cost: then it is granted, and the bucket goes into debt.
 */
export function grantWithinShare(
  flow: { readonly id: string; readonly items: readonly CostedItem[] },
  allotted: Readonly<Record<string, number>>,
  inputs: BatchInputs,
): { grants: Grant[]; waiting: WaitReason[] } {
  const left: Record<string, number> = { ...allotted };
  const facts = new Map(inputs.facts.map((fact) => [fact.itemId, fact]));
  const score = (costed: CostedItem) => itemScore(costed.item, inputs.criticality[costed.item.id] ?? 0, inputs.nowMs);
  const ranked = flow.items.map((costed) => ({ costed, score: score(costed) })).sort((a, b) => b.score - a.score || (a.costed.item.id < b.costed.item.id ? -1 : 1));
  const grants: Grant[] = [];
  const waiting: WaitReason[] = [];
  for (const { costed, score } of ranked) {
    const { resource, fraction } = tightest(costed.cost, left);
    const { item } = costed;
    const patient = item.kind === 'request' && fraction < 1 && waitedForItsShare(costed, allotted, inputs);
    const part = patient ? 1 : item.kind === 'request' && fraction < 1 ? 0 : fraction;
    const rows = Math.floor(costed.rows * part + 1e-9);
    if (part === 0 || (rows < costed.rows && rows < item.minRows) || (rows === 0 && costed.rows > 0)) {
      waiting.push(waitReason(costed, resource, fraction, grants, allotted, inputs));
      continue;
    }
    const used = costed.rows === 0 ? 0 : rows / costed.rows;
    const cost = Object.fromEntries(Object.entries(costed.cost).map(([name, amount]) => [name, amount * used]));
    for (const [name, amount] of Object.entries(cost)) left[name] = Math.max(0, (left[name] ?? 0) - amount);
    grants.push(grantOf(costed, rows, cost, score, resource, facts.get(item.id)!.classCounts));
  }
  return { grants, waiting };
}

function grantOf(costed: CostedItem, rows: number, cost: Readonly<Record<string, number>>, score: number, resource: string | null, counts: Readonly<Record<string, number>> | null): Grant {
  const mix = costed.shares === null || counts === null ? null : classQuotas(counts, costed.shares, rows, costed.item.maxClassGap);
  const granted = mix?.rows ?? rows;
  const short = rows < costed.rows ? `${rows} of ${costed.rows} rows: ${resource ?? 'its share'} is used up` : `all ${granted} rows`;
  return {
    itemId: costed.item.id,
    rows: granted,
    asked: costed.item.rows ?? costed.rows,
    aheadRows: Math.min(costed.aheadRows, granted),
    bytes: granted * costed.bytesPerRow,
    served: costed.cached ? 'cache' : 'read',
    quotas: mix?.quotas ?? null,
    weights: mix?.weights ?? null,
    shortfall: mix?.shortfall ?? null,
    cost,
    score,
    reason: costed.cached ? `${short}, from the shared cache` : short,
  };
}

/** The resource of which the least share of the cost is left, and that share (at most 1). */
function tightest(cost: Readonly<Record<string, number>>, left: Readonly<Record<string, number>>): { resource: string | null; fraction: number } {
  let resource: string | null = null;
  let fraction = 1;
  for (const name of Object.keys(cost).sort()) {
    if (cost[name]! <= 0) continue;
    const part = (left[name] ?? 0) / cost[name]!;
    // Rounding in the allocator must not cost a row.
    if (part < fraction - 1e-9) {
      fraction = Math.max(0, part);
      resource = name;
    }
  }
  return { resource, fraction };
}

function waitedForItsShare({ item, cost }: CostedItem, allotted: Readonly<Record<string, number>>, inputs: BatchInputs): boolean {
  const attempts = inputs.attempts[item.id] ?? 1;
  return attempts > 1 && Object.entries(cost).every(([name, amount]) => amount <= 0 || (allotted[name] ?? 0) * attempts >= amount);
}

function waitReason(
  { item, cost, rows }: CostedItem,
  resource: string | null,
  fraction: number,
  before: readonly Grant[],
  allotted: Readonly<Record<string, number>>,
  inputs: BatchInputs,
): WaitReason {
  const name = resource ?? Object.keys(cost)[0] ?? 'rows';
  const need = cost[name] ?? 0;
  const shortfall = need * (1 - fraction);
  const limit = inputs.limits.find((one) => one.resource === name);
  const attempts = inputs.attempts[item.id] ?? 1;
  const cycles = Math.max(1, Math.ceil(need / Math.max(allotted[name] ?? 0, 1e-9)) - attempts);
  const refillMs = limit === undefined || limit.perSecond === 0 ? inputs.windowMs : Math.min((shortfall / limit.perSecond) * 1000, inputs.windowMs * Math.min(cycles, 1_000));
  const earliestMs = Math.ceil(inputs.nowMs + Math.max(250, refillMs));
  const blockers: string[] = [];
  for (let index = 0; index < before.length && blockers.length < BLOCKERS_MAX; index++) {
    if ((before[index]!.cost[name] ?? 0) > 0) blockers.push(before[index]!.itemId);
  }
  return {
    itemId: item.id,
    tier: limit !== undefined && need > limit.burst * 1_000 ? 'misconfigured' : 'over-quota',
    resource: name,
    blockers,
    shortfall,
    earliestMs,
    reason: `${rows} rows need ${Math.round(need)} of ${name}, ${Math.round(need * fraction)} of ${item.model}'s share are left; ${Math.round(shortfall)} short`,
  };
}
