/**
 * When a cycle begins for the requests that wait: at once, or a little later, so that others which are likely to come
 * share its reads. The decision is the release policy's (`batch/release-policy.ts`, which `balance simulate` runs too);
 * here its figures are taken from what the pool has measured, and nobody is held who must not be.
 */
import { releasePolicyAfter } from '../batch/release-policy.js';
import { formatDuration } from '../types/units.js';

/** A request that waits for a cycle. */
export interface WaitingRequest {
  readonly id: string;
  readonly atMs: number;
  readonly deadlineMs: number | null;
  /** 1 (urgent) to 5. */
  readonly priority: number;
  /** An earlier cycle has looked at it: it has waited long enough. */
  readonly tried: boolean;
}
export interface ReleaseInputs {
  readonly nowMs: number;
  /** Those that wait, the oldest first; at most `WAITING_MAX`. Not empty. */
  readonly waiting: readonly WaitingRequest[];
  /** When the latest requests came that wait no more, ascending; none after the first that waits. */
  readonly earlierMs: readonly number[];
  /** When each of those was answered; null: it is not yet. Absent in records of older versions. */
  readonly answeredMs?: readonly (number | null)[];
  /** How long the latest cycles of this kind took, from opening to closing. */
  readonly cycleMs: readonly number[];
  /** When the last cycle of the pool ended; null: none has. What came before had to wait for it. */
  readonly idleSinceMs: number | null;
  /** The most that a request is held. */
  readonly waitMsMax: number;
  /** Requests that one cycle takes. */
  readonly requestsMax: number;
}
/** What ended the wait, or will: the policy itself, or a bound that it keeps to. */
export type ReleaseCause =
  'balance' | 'full' | 'deadline' | 'priority' | 'tried' | 'longest wait' | 'unmeasured' | 'off';
export interface ReleaseOutcome {
  readonly due: boolean;
  /** When to ask again, if nothing comes before; not after `nowMs` when due. */
  readonly wakeMs: number;
  readonly cause: ReleaseCause;
  /** What a cycle that begins too early costs, in seconds of waiting. */
  readonly batchCost: number;
  /** Arrivals a second of late; null before two have come. */
  readonly perSecond: number | null;
  readonly reason: string;
}

/** As many as the learned waiting times know (`batch/release-cost.ts`): who is held longer would gain nothing. */
export const WAITING_MAX = 64;
/** Arrivals that are looked back on: enough for a distribution of gaps, little enough to be kept with every decision. */
export const EARLIER_MAX = 256;
/** Cycles that the cost of one is measured by: enough that one slow cycle does not tell. */
export const CYCLES_MAX = 16;
/** How long a pool holds requests that declares nothing: within a second a person's thought is not interrupted (Nielsen 1993); half of it is left for the cycle. */
export const WAIT_MS_MAX = 500;
/** Late arrivals that the rate told with a decision is taken over. */
const RATE_MAX = 32;
/** Bounds that hold nobody at all. */
const AT_ONCE: ReadonlySet<ReleaseCause> = new Set(['off', 'tried', 'priority', 'unmeasured']);
/** A request with a deadline is held only while so many of the longest late cycles fit before it: one may be running, one is its own. */
const CYCLES_BEFORE_DEADLINE = 2;

/** One reason why a request is not held beyond a time. */
interface Bound {
  readonly untilMs: number;
  readonly cause: ReleaseCause;
  readonly request: WaitingRequest;
}

/** Whether a cycle is to begin now for what waits, and if not, when to ask again. */
export function decideRelease(asked: ReleaseInputs): ReleaseOutcome {
  const { nowMs, earlierMs, cycleMs } = asked;
  // Senders' clocks differ: what comes from one that is ahead has come by now.
  const waiting = asked.waiting.map((request) => ({ ...request, atMs: Math.min(request.atMs, nowMs) }));
  const inputs = { ...asked, waiting };
  const batchCost = median(cycleMs) / 2 / 1000;
  const maxBatch = Math.min(WAITING_MAX, inputs.requestsMax);
  const bound = tightestBound(inputs);
  const ownMs = policyWakeMs(inputs, { batchCost, maxBatch }, null);
  const wakeMs = policyWakeMs(inputs, { batchCost, maxBatch }, bound.untilMs);
  const bounded = AT_ONCE.has(bound.cause) || wakeMs < ownMs;
  const cause = bounded ? bound.cause : waiting.length >= maxBatch ? 'full' : 'balance';
  const perSecond = rateOf([...earlierMs, ...waiting.map(({ atMs }) => atMs)].slice(-RATE_MAX));
  const figures = { due: wakeMs <= nowMs, wakeMs, cause, batchCost, perSecond };
  return { ...figures, reason: reasonOf(inputs, figures, bound.request) };
}

/** Longer than anything is held. */
const SILENCE_MS = 86_400_000;

/**
 * Arrivals as the policy is to learn from them. One that comes when the one before it has been answered may have waited for
 * the answer (a closed loop): it would not have come while that one was held. So it says only that none came meanwhile: what
 * was before it is moved back by a long silence. One that needs no answer to come loses little by that: its gap is longer
 * than a cycle, and a wait for it seldom pays.
 */
function learnable({ earlierMs, answeredMs = [], waiting }: ReleaseInputs): number[] {
  const times = [...earlierMs];
  let backMs = 0;
  for (let index = times.length - 1; index >= 0; index--) {
    const nextMs = earlierMs[index + 1] ?? waiting[0].atMs;
    if ((answeredMs[index] ?? Infinity) <= nextMs) backMs += SILENCE_MS;
    times[index] -= backMs;
  }
  return times;
}

/** When the policy lets go what waits, with `boundMs` as the latest time for all of it. */
function policyWakeMs(
  inputs: ReleaseInputs,
  figures: { readonly batchCost: number; readonly maxBatch: number },
  boundMs: number | null,
): number {
  const policy = releasePolicyAfter(learnable(inputs), { policy: 'balance', service: null, eager: true, ...figures });
  for (const { atMs } of inputs.waiting) policy.onArrival(atMs, 1, boundMs);
  // In whole milliseconds, as clocks are told; what is a rounding of seconds above one is that one.
  return Math.ceil(policy.nextWakeMs()! - 1e-3);
}

/** Until when what waits may be held, and by whom that is bounded; the earliest bound, of equal ones the first. */
function tightestBound({ waiting, cycleMs, waitMsMax }: ReleaseInputs): Bound {
  const reserveMs = CYCLES_BEFORE_DEADLINE * Math.max(0, ...cycleMs);
  const bounds = waiting.flatMap((request): Bound[] => {
    const { atMs, deadlineMs, priority, tried } = request;
    const bound = (untilMs: number, cause: ReleaseCause): Bound => ({ untilMs, cause, request });
    return [
      ...(waitMsMax === 0 ? [bound(atMs, 'off')] : []),
      ...(tried ? [bound(atMs, 'tried')] : []),
      ...(priority === 1 ? [bound(atMs, 'priority')] : []),
      ...(cycleMs.length === 0 ? [bound(atMs, 'unmeasured')] : []),
      ...(deadlineMs === null ? [] : [bound(deadlineMs - reserveMs, 'deadline')]),
      bound(atMs + waitMsMax, 'longest wait'),
    ];
  });
  return bounds.reduce((least, one) => (one.untilMs < least.untilMs ? one : least));
}

/** Arrivals a second, over the time from the first of `times` to the last. */
function rateOf(times: readonly number[]): number | null {
  const spanMs = times.length < 2 ? 0 : times[times.length - 1] - times[0];
  return spanMs > 0 ? ((times.length - 1) / spanMs) * 1000 : null;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? 0 : sorted[(sorted.length - 1) >> 1];
}

/** One sentence with the figures that it rests on. */
function reasonOf(
  { nowMs, waiting, earlierMs, cycleMs, waitMsMax, idleSinceMs }: ReleaseInputs,
  { due, wakeMs, cause, batchCost, perSecond }: Omit<ReleaseOutcome, 'reason'>,
  { id, deadlineMs }: WaitingRequest,
): string {
  const oldestMs = waiting[0].atMs;
  const waited = formatDuration(Math.max(0, nowMs - oldestMs));
  const before = Math.min(nowMs, idleSinceMs ?? -Infinity) - oldestMs;
  const who = waiting.length === 1 ? '1 request' : `${waiting.length} requests`;
  const held = `${who} waited ${waited}${before > 0 ? `, ${formatDuration(before)} of it for the cycle before` : ''}`;
  const cost = `a cycle too early costs ${batchCost.toPrecision(2)} s of waiting (half the median of the last ${cycleMs.length})`;
  const rate = perSecond === null ? 'no other has come' : `${perSecond.toPrecision(2)} a second came of late`;
  const until = due ? '' : `; held until ${new Date(wakeMs).toISOString()}`;
  return `${held}: ${whys()}${until}`;

  function whys(): string {
    switch (cause) {
      case 'off':
        return 'the pool holds nothing (release.maxWait is 0)';
      case 'tried':
        return `${id} was looked at by an earlier cycle`;
      case 'priority':
        return `${id} has priority 1 and is not held`;
      case 'unmeasured':
        return 'no cycle for waiting requests has been measured yet: nothing is held';
      case 'deadline':
        return `the deadline of ${id}, ${new Date(deadlineMs!).toISOString()}, leaves time for ${CYCLES_BEFORE_DEADLINE} of the longest late cycles (${formatDuration(Math.max(...cycleMs))}) and no more`;
      case 'longest wait':
        return `the pool holds a request ${formatDuration(waitMsMax)} at most`;
      case 'full':
        return 'more need not be waited for';
      case 'balance':
        return due
          ? `the next is not worth waiting for: ${rate}, ${cost}, ${earlierMs.length} arrivals are known`
          : `the next is likely to come soon: ${rate}, ${cost}`;
    }
  }
}
