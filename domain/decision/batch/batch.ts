/**
 * Stage 3, batch: which requests can be one read, and who gets how much of what is scarce?
 *
 * Costs first (merged reads are charged once, split over their members), then weighted dominant-resource fairness
 * between models, then each model's share over its own items by priority. Pure: the same inputs give the same plan.
 */
import type { AllocationResult } from '../../scheduler/allocation-instance.js';
import type { PriorityWeights } from '../../scheduler/priority.js';
import { forecastUses, type ForecastUse } from '../forecast-use.js';
import { gangsOf, waitingTogether } from '../gangs.js';
import { creditsAfterRound } from './balances.js';
import { gangsApart, partedGangs, type Apart } from './whole-gangs.js';
import { isQuota, mergeDemand } from './costs.js';
import { tellRound } from './grant-reasons.js';
import type { Grant } from './grants.js';
import { ITEM_WEIGHTS, OVERTAKE_MS_MAX } from './item-priority.js';
import { tellReads } from './read-reasons.js';
import { planReads, type PlannedRead } from './reads.js';
import { shareInRounds } from './sharing.js';
import type { BatchInputs } from './batch-inputs.js';
import type { CohortAccount } from './cohorts.js';
import { bytesAhead, forecastAhead } from './bytes-ahead.js';
import { levelOverTime } from './levelling.js';
import { planPrefetch, type Prefetch } from './prefetch.js';
import { nameReads, waitsForReads } from './under-way.js';
import { openIntervals } from './source-windows.js';
import type { Refusal, WaitReason } from '../work.js';

export interface BatchOutcome {
  readonly grants: readonly Grant[];
  readonly waiting: readonly WaitReason[];
  readonly refusals: readonly Refusal[];
  readonly reads: readonly PlannedRead[];
  readonly allocation: AllocationResult | null;
  /** What cohorts lend and borrow; absent where none are declared. */
  readonly cohorts?: readonly CohortAccount[];
  /** What is taken of each resource, in its unit. */
  readonly charges: Readonly<Record<string, number>>;
  /** What each model is owed on each source from now on; only of those that something was short for. */
  readonly credits: Readonly<Record<string, number>>;
  /** Weights of the terms of every score, and how much later than an item another must come not to be before it. */
  readonly priority: { readonly weights: PriorityWeights; readonly overtakeMsMax: number };
  readonly ahead: { readonly factor: number; readonly reason: string };
  /** The forecasts that work ahead and what is put off rest on. */
  readonly forecastsUsed?: readonly ForecastUse[];
  /** What is read for nobody yet. */
  readonly prefetch: Prefetch;
  readonly asked: { readonly rows: number; readonly bytes: number };
  readonly planned: { readonly rows: number; readonly bytes: number };
}

/** At most this share of a need is delivered ahead, so that the next cycle always has something to deliver. */
const AHEAD_FRACTION_MAX = 0.5;

export function planBatch(given: BatchInputs): BatchOutcome {
  // Sums are rounded in the order of their parts: one order, so that the items' order changes no digit.
  const inputs = { ...given, items: [...given.items].sort((a, b) => (a.id < b.id ? -1 : 1)) };
  const gangs = gangsOf(inputs.items);
  const apart = gangsApart(gangs, inputs);
  const aside = new Set(apart.waiting.map(({ itemId }) => itemId));
  const behind = waitsForReads(inputs).filter(({ itemId }) => !aside.has(itemId));
  apart.waiting.push(...waitingTogether(inputs.items, behind));
  for (;;) {
    const plan = planOpen(inputs, apart);
    if (gangs.length === 0) return plan;
    const parted = partedGangs(gangs, plan, apart);
    if (parted === null) return { ...plan, waiting: [...waitingTogether(inputs.items, plan.waiting)].sort(byItem) };
    apart.waiting.push(...parted.waiting);
    apart.refusals.push(...parted.refusals);
    for (const id of parted.aside) apart.aside.add(id);
  }
}

/** The plan without what is answered apart from it, and without shares for gangs that those would part. */
function planOpen(inputs: BatchInputs, apart: Apart): BatchOutcome {
  const shut = shutItems(inputs);
  const ahead = workAhead(inputs);
  const answered = [...apart.waiting, ...apart.refusals].map(({ itemId }) => itemId);
  const out = new Set([...inputs.refused, ...shut.keys(), ...answered]);
  for (const id of answered) shut.delete(id);
  const whole = mergeDemand(inputs, out, ahead.factor);
  const { putOff, forecasts } = levelOverTime(inputs, whole);
  for (const { itemId } of putOff) out.add(itemId);
  const demand = putOff.length === 0 ? whole : mergeDemand(inputs, out, ahead.factor);
  const round = shareInRounds(demand, apart.aside, inputs);
  const told = tellRound(round, demand.items.length, inputs);
  const fromRead = told.grants.map((grant) => (grant?.served === 'read' ? grant : undefined));
  const planned = planReads(demand, fromRead, inputs);
  const { reads, closed } = planned;
  tellReads(told.grants, planned, demand);
  const grants = told.grants.filter((grant) => grant !== undefined && !closed.has(grant.itemId)) as Grant[];
  const waiting = nameReads(
    told.waiting.filter((wait) => wait !== undefined),
    inputs,
  );
  const late = [...shut, ...closed];
  const sourceOf = late.length === 0 ? new Map<string, string>() : sourcesOf(inputs);
  const closedWaits = late.map(([id, opensMs]) =>
    windowReason(id, sourceOf.get(id)!, opensMs, closed.has(id), inputs.nowMs),
  );
  const charges: Record<string, number> = {};
  for (const { cost } of grants)
    for (const resource in cost) charges[resource] = (charges[resource] ?? 0) + cost[resource];
  return {
    grants,
    waiting:
      late.length + putOff.length + answered.length === 0
        ? waiting
        : [...waiting, ...closedWaits, ...putOff, ...apart.waiting].sort(byItem),
    refusals: answered.length === 0 ? demand.refusals : [...demand.refusals, ...apart.refusals].sort(byItem),
    reads,
    allocation: round.allocation,
    ...(inputs.cohorts === undefined ? {} : { cohorts: round.cohorts }),
    charges,
    credits: creditsAfterRound(round.flows, round.handed.rows, new Set(closed.keys()), inputs),
    priority: { weights: ITEM_WEIGHTS, overtakeMsMax: OVERTAKE_MS_MAX },
    ahead: { factor: ahead.factor, reason: ahead.reason },
    ...(inputs.namesForecasts === undefined ? {} : { forecastsUsed: forecastUses([...ahead.forecasts, ...forecasts]) }),
    prefetch: planPrefetch(openNow(inputs), charges, reservedBytes(inputs)),
    asked: { rows: sum(demand.items, ({ rows }) => rows), bytes: sum(demand.items, ({ ownBytes }) => ownBytes) },
    planned: { rows: sum(grants, ({ rows }) => rows), bytes: sum(grants, ({ bytes }) => bytes) },
  };
}

/** Milliseconds until each closed source opens. */
function shutSources(inputs: BatchInputs): ReadonlyMap<string, number> {
  return new Map(
    Object.entries(inputs.sources).flatMap(([id, { windows }]) => {
      const opensMs = windows === null ? 0 : openIntervals(windows, inputs.nowMs)[0][0];
      return opensMs > 0 ? [[id, opensMs] as const] : [];
    }),
  );
}

/** Items whose source is closed now, with the milliseconds until it opens. What the cache answers needs no source. */
function shutItems(inputs: BatchInputs): Map<string, number> {
  const opens = shutSources(inputs);
  if (opens.size === 0) return new Map();
  const source = sourcesOf(inputs);
  const out = new Set([...inputs.hits, ...inputs.refused]);
  return new Map(
    inputs.items.flatMap(({ id }) => {
      const opensMs = opens.get(source.get(id) ?? '') ?? 0;
      return opensMs > 0 && !out.has(id) ? [[id, opensMs] as const] : [];
    }),
  );
}

/** The inputs without questions to sources that are closed, or have a quota (it is for who asks): nothing is read ahead of them. */
function openNow(inputs: BatchInputs): BatchInputs {
  const quotas = inputs.limits.flatMap(({ resource, source }) => (isQuota(resource) ? [source!] : []));
  const shut = new Set([...shutSources(inputs).keys(), ...quotas]);
  const open = new Set(inputs.datasets.filter(({ source }) => !shut.has(source)).map(({ id }) => id));
  return shut.size === 0 ? inputs : { ...inputs, expected: inputs.expected.filter(({ dataset }) => open.has(dataset)) };
}

/** The source of each item whose dataset is known. */
function sourcesOf({ items, datasets }: BatchInputs): ReadonlyMap<string, string> {
  const source = new Map(datasets.map((dataset) => [dataset.id, dataset.source]));
  return new Map(
    items.flatMap(({ id, dataset }) => (source.has(dataset) ? [[id, source.get(dataset)!] as const] : [])),
  );
}

function windowReason(itemId: string, source: string, opensMs: number, tooLong: boolean, nowMs: number): WaitReason {
  return {
    itemId,
    tier: 'waiting',
    resource: `window:${source}`,
    blockers: [],
    shortfall: opensMs,
    earliestMs: nowMs + opensMs,
    reason: tooLong
      ? `its read would not end before ${source} closes`
      : `${source} is closed: it may be read only in its windows`,
  };
}

/**
 * Work ahead of a predicted peak: when the forecast's upper end for the next step exceeds what a limited source can
 * give in one cycle, and this cycle has capacity to spare, fixed-size needs take up to half of their next rows now.
 */
function workAhead(inputs: BatchInputs): BatchOutcome['ahead'] & { readonly forecasts: readonly ForecastUse[] } {
  for (const limit of inputs.limits) {
    if (limit.source === null || !limit.resource.startsWith('bytes:')) continue;
    const next = bytesAhead(inputs, limit.source, 'likely').at(0);
    const bytesNext = next?.bytes ?? 0;
    const capacity = limit.burst * inputs.windowsPerStep;
    if (next !== undefined && bytesNext > capacity && limit.available > 0) {
      const factor = Math.min(AHEAD_FRACTION_MAX, (bytesNext - capacity) / bytesNext);
      return {
        factor,
        reason: `demand on ${limit.source} may reach ${Math.round(bytesNext)} bytes next step, ${Math.round(capacity)} can be read: needs take up to ${Math.round(factor * 100)} % of their next rows now`,
        forecasts: [forecastAhead(inputs, limit.source, 'work-ahead', next)],
      };
    }
  }
  return { factor: 0, reason: 'no reliable forecast exceeds what a source can give next step', forecasts: [] };
}

/**
 * What demand may take of each source's bytes until its budget has refilled: one window's part of the next step. Declared
 * runs are left out: what is read ahead for them must not wait for what is set aside for them.
 */
function reservedBytes(inputs: BatchInputs): Record<string, number> {
  return Object.fromEntries(
    inputs.limits
      .filter(({ source, resource }) => source !== null && resource.startsWith('bytes:'))
      .map((limit) => [
        limit.resource,
        (bytesAhead(inputs, limit.source!, 'undeclared').at(0)?.bytes ?? 0) / inputs.windowsPerStep,
      ]),
  );
}

function sum<T>(values: readonly T[], value: (item: T) => number): number {
  return values.reduce((total, item) => total + value(item), 0);
}
function byItem(a: { readonly itemId: string }, b: { readonly itemId: string }): number {
  return a.itemId < b.itemId ? -1 : 1;
}
