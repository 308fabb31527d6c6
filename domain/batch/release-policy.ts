/**
 * When to release which waiting requests as a batch, step by step on anybody's clock: the production batcher and
 * `balance simulate` run this code. A caller tells arrivals and finished batches, asks when to wake, and wakes it; a
 * decision uses nothing but what was told before. State is plain JSON.
 */
import { usageError } from '../types/errors.js';
import { costStateAfter, emptyCostState, noteArrival, noteSent, sendAt, type CostState } from './release-cost.js';
import { firstBatch, type PlanItem, type ServiceCurve } from './release-deadline.js';

export type PolicyName = 'balance' | 'fixed' | 'immediate' | 'timer' | 'aimd';

export interface ReleaseOptions {
  readonly policy: PolicyName;
  /** Most items in a batch; a larger single request goes alone. */
  readonly maxBatch: number;
  /** One server: a batch takes setup + perItem * items, the next is released when it is done. Null: no server. */
  readonly service: ServiceCurve | null;
  /** Without a server: the cost of a batch, in seconds of waiting. */
  readonly batchCost?: number;
  /**
   * `balance` without a server: what was learned of arrivals decides alone. Before anything is learned nothing waits, and
   * the bound on the cost is given up. For who serves one batch at a time, where what comes meanwhile is gathered anyway.
   */
  readonly eager?: boolean;
  /** `fixed`: items per batch. */
  readonly size?: number;
  /** `timer`: longest wait of the oldest request. */
  readonly delayMs?: number;
  /** `aimd`: added to the size after a batch on time, factor after one with a late request. Default 1 and 0.5. */
  readonly increase?: number;
  readonly decrease?: number;
  /** Drop requests whose deadline has passed, as a queue timeout does. `balance` always drops what is hopeless. */
  readonly dropLate?: boolean;
}

/** What a wake-up decides. Numbers are those that `onArrival` gave. */
export interface Release {
  /** Counts from 0; null when only drops were decided. */
  readonly batch: number | null;
  readonly requests: readonly number[];
  /** Requests that can no longer finish by their deadline; they are not served. */
  readonly dropped: readonly number[];
}

interface Waiting {
  readonly request: number;
  readonly atMs: number;
  readonly items: number;
  readonly deadlineMs: number | null;
}

interface ReleaseState {
  nowMs: number | null;
  requests: number;
  batches: number;
  busy: boolean;
  /** No more arrivals will come. */
  draining: boolean;
  waiting: Waiting[];
  /** Deadlines of the batch in service, for `aimd`. */
  inService: (number | null)[];
  /** Current size of `aimd`. */
  limit: number;
  /** The latest arrivals, for the forecast. */
  recent: Waiting[];
  cost: CostState;
}

/** Everything a policy knows; plain JSON. */
export interface ReleaseSnapshot {
  readonly options: ReleaseOptions;
  readonly state: ReleaseState;
}

/** A decision in force until the next event: release the first `take` of `order` at `atMs`. */
interface Decision {
  readonly atMs: number;
  readonly order: readonly Waiting[];
  readonly take: number;
}

export interface ReleasePolicy {
  /** A request of `items` (default 1) arrives; its deadline is absolute. Gives its number, counted from 0. */
  onArrival(nowMs: number, items?: number, deadlineMs?: number | null): number;
  /** When `onWake` is due: now or later, null for nothing to do until the next arrival or finished batch. */
  nextWakeMs(): number | null;
  /** Decides; null when there is nothing to do yet. After a batch with a server, wait for `onServiceDone`. */
  onWake(nowMs: number): Release | null;
  /** The batch in service is done. */
  onServiceDone(nowMs: number): void;
  /** No more arrivals will come: what a policy still holds back becomes due at once. */
  drain(nowMs: number): void;
  snapshot(): ReleaseSnapshot;
}

/** Arrivals that the forecast looks back on: a second or two of dense traffic, so that it follows bursts. */
const RECENT_MAX = 32;
/** Requests in one rolling plan, which bounds a decision to some milliseconds; the most urgent come first. */
const PLAN_ITEMS_MAX = 192;

const itemsOf = (waiting: readonly Waiting[]): number => waiting.reduce((sum, { items }) => sum + items, 0);
const dueMs = ({ deadlineMs }: Waiting): number => deadlineMs ?? Infinity;

/** Most leading requests whose items fit; at least one. */
function fitting(waiting: readonly Waiting[], items: number): number {
  let sum = 0;
  let count = 0;
  while (count < waiting.length && (count === 0 || sum + waiting[count].items <= items)) sum += waiting[count++].items;
  return count;
}

function check(options: ReleaseOptions): void {
  const fail = (name: string, expected: string, got: unknown) =>
    usageError({
      ...{ type: 'InvalidPolicy', message: `${options.policy}: ${name}`, expected, got: String(got) },
      hint: 'Give it, or correct it: `balance simulate --help` has the options of each policy.',
    });
  const { policy, maxBatch, service, batchCost, size, delayMs, increase = 1, decrease = 0.5 } = options;
  if (!(maxBatch >= 1)) throw fail('maxBatch', 'at least 1', maxBatch);
  if (service !== null && !(service.setupMs >= 0 && service.perItemMs >= 0)) {
    throw fail('service', 'setupMs and perItemMs of zero or more', JSON.stringify(service));
  }
  if (service === null && policy === 'balance' && !(batchCost !== undefined && batchCost >= 0)) {
    throw fail('batchCost', 'seconds of waiting that a batch is worth, zero or more', batchCost);
  }
  if (policy === 'fixed' && !(size !== undefined && size >= 1)) throw fail('size', 'at least 1', size);
  if (policy === 'timer' && !(delayMs !== undefined && delayMs >= 0)) throw fail('delayMs', 'zero or more', delayMs);
  if (!(increase > 0)) throw fail('increase', 'above 0', increase);
  if (!(decrease > 0 && decrease < 1)) throw fail('decrease', 'between 0 and 1', decrease);
}

class Policy implements ReleasePolicy {
  private decision: Decision | null | undefined;

  constructor(
    private readonly options: ReleaseOptions,
    private readonly state: ReleaseState,
  ) {
    check(options);
  }

  private advance(nowMs: number): void {
    const { state } = this;
    if (!Number.isFinite(nowMs) || nowMs < (state.nowMs ?? -Infinity)) {
      throw new Error(`release policy: time must not run backwards: expected ${state.nowMs} or later, got ${nowMs}`);
    }
    state.nowMs = nowMs;
    this.decision = undefined;
  }

  onArrival(nowMs: number, items = 1, deadlineMs: number | null = null): number {
    this.advance(nowMs);
    const { state, options } = this;
    if (!(items > 0)) throw new Error(`release policy: expected items above 0, got ${items}`);
    const request = state.requests++;
    const arrival = { request, atMs: nowMs, items, deadlineMs };
    state.waiting.push(arrival);
    state.recent.push(arrival);
    if (state.recent.length > RECENT_MAX) state.recent.shift();
    if (options.policy === 'balance' && options.service === null) {
      noteArrival(state.cost, nowMs / 1000, options.batchCost!, options.maxBatch);
    }
    return request;
  }

  nextWakeMs(): number | null {
    const { state } = this;
    if (state.nowMs === null || state.busy || state.waiting.length === 0) return null;
    this.decision ??= this.decide(state.nowMs);
    return this.decision === null ? null : Math.max(this.decision.atMs, state.nowMs);
  }

  onWake(nowMs: number): Release | null {
    this.advance(nowMs);
    const { state, options } = this;
    if (state.busy || state.waiting.length === 0) return null;
    const dropped = this.dropHopeless(nowMs);
    const decision = state.waiting.length === 0 ? null : this.decide(nowMs);
    this.decision = decision;
    if (decision === null || decision.atMs > nowMs) {
      return dropped.length === 0 ? null : { batch: null, requests: [], dropped };
    }
    const taken = decision.order.slice(0, decision.take);
    const numbers = new Set(taken.map(({ request }) => request));
    state.waiting = state.waiting.filter(({ request }) => !numbers.has(request));
    if (options.service === null) {
      const times = taken.map(({ atMs }) => atMs / 1000);
      if (options.policy === 'balance') noteSent(state.cost, times, nowMs / 1000, options.batchCost!);
    } else {
      state.busy = true;
      state.inService = taken.map(({ deadlineMs }) => deadlineMs);
    }
    this.decision = undefined;
    return { batch: state.batches++, requests: [...numbers].sort((a, b) => a - b), dropped };
  }

  onServiceDone(nowMs: number): void {
    this.advance(nowMs);
    const { state, options } = this;
    if (!state.busy) throw new Error('release policy: onServiceDone without a batch in service');
    const onTime = state.inService.every((deadlineMs) => deadlineMs === null || nowMs <= deadlineMs);
    const { increase = 1, decrease = 0.5 } = options;
    state.limit = onTime ? Math.min(options.maxBatch, state.limit + increase) : Math.max(1, state.limit * decrease);
    state.busy = false;
    state.inService = [];
  }

  drain(nowMs: number): void {
    this.advance(nowMs);
    this.state.draining = true;
  }

  snapshot(): ReleaseSnapshot {
    return structuredClone({ options: this.options, state: this.state });
  }

  private all(items = this.options.maxBatch): Pick<Decision, 'order' | 'take'> {
    const { waiting } = this.state;
    return { order: waiting, take: fitting(waiting, items) };
  }

  private decide(nowMs: number): Decision | null {
    const { options, state } = this;
    const { waiting } = state;
    const full = itemsOf(waiting) >= options.maxBatch;
    switch (options.policy) {
      case 'immediate':
        return { atMs: nowMs, ...this.all() };
      case 'fixed': {
        const size = Math.min(options.size!, options.maxBatch);
        return itemsOf(waiting) >= size || state.draining ? { atMs: nowMs, ...this.all(size) } : null;
      }
      case 'timer':
        return { atMs: full ? nowMs : waiting[0].atMs + options.delayMs!, ...this.all() };
      case 'aimd':
        return { atMs: nowMs, ...this.all(Math.max(1, Math.floor(state.limit))) };
      case 'balance':
        if (options.service === null) return { atMs: full ? nowMs : this.costWake(), ...this.all() };
        // Without deadlines an idle server serves all that waits: batches grow by themselves under load.
        if (waiting.every(({ deadlineMs }) => deadlineMs === null)) return { atMs: nowMs, ...this.all() };
        return this.decideByDeadline(nowMs, options.service);
    }
  }

  /** The balance of waiting and batching, but never past a deadline. */
  private costWake(): number {
    const { waiting, cost } = this.state;
    const times = waiting.map(({ atMs }) => atMs / 1000);
    const wakeMs = sendAt(cost, times, this.options.batchCost!, this.options.eager === true) * 1000;
    return waiting.reduce((least, request) => Math.min(least, dueMs(request)), wakeMs);
  }

  /** Takes out what cannot be on time: for `balance` even if served alone at once, else with `dropLate` once it is late. */
  private dropHopeless(nowMs: number): number[] {
    const { options, state } = this;
    const { service, policy, dropLate = false } = options;
    if (service === null || (policy !== 'balance' && !dropLate)) return [];
    const least = (items: number) => (policy === 'balance' ? service.setupMs + service.perItemMs * items : 0);
    const hopeless = (request: Waiting) => nowMs + least(request.items) > dueMs(request);
    const dropped = state.waiting.filter(hopeless).map(({ request }) => request);
    if (dropped.length > 0) state.waiting = state.waiting.filter((request) => !hopeless(request));
    return dropped;
  }

  private decideByDeadline(nowMs: number, service: ServiceCurve): Decision | null {
    const order = [...this.state.waiting].sort((a, b) => dueMs(a) - dueMs(b) || a.request - b.request);
    const known = order.slice(0, PLAN_ITEMS_MAX);
    const plan = known.map(({ atMs, items, deadlineMs }): PlanItem => ({
      releaseMs: atMs,
      deadlineMs: deadlineMs ?? Infinity,
      items,
    }));
    const items = [...plan, ...this.forecast(nowMs, PLAN_ITEMS_MAX - plan.length)];
    const batch = firstBatch(items, nowMs, service, this.options.maxBatch);
    if (batch === null || batch.first >= known.length)
      return { atMs: nowMs, order, take: fitting(order, this.options.maxBatch) };
    const chosen = known.slice(batch.first, batch.last + 1);
    return { atMs: batch.startMs, order: chosen, take: chosen.length };
  }

  /** Arrivals to be expected within one typical deadline, evenly spaced at the recent rate. */
  private forecast(nowMs: number, countMax: number): PlanItem[] {
    const { recent } = this.state;
    const slacks = recent.filter(({ deadlineMs }) => deadlineMs !== null).map((r) => r.deadlineMs! - r.atMs);
    if (recent.length < 2 || slacks.length === 0) return [];
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const gapMs = (nowMs - recent[0].atMs) / recent.length;
    const [slackMs, items] = [mean(slacks), mean(recent.map((request) => request.items))];
    const count = Math.min(countMax, Math.floor(gapMs > 0 ? slackMs / gapMs : 0));
    return Array.from({ length: count }, (_, i) => {
      const releaseMs = nowMs + (i + 1) * gapMs;
      return { releaseMs, deadlineMs: releaseMs + slackMs, items };
    });
  }
}

/**
 * A new policy. With a server, requests released together are served together; without one (`service: null`,
 * `batchCost` K) the balance policy minimises K per batch + total waiting in seconds.
 * @throws usage error `InvalidPolicy` for options out of range.
 */
export function createReleasePolicy(options: ReleaseOptions): ReleasePolicy {
  return new Policy(options, emptyState());
}

/**
 * A policy that has seen single requests at `servedMs` (ascending) come and go: it knows the gaps between them, and
 * nothing waits. For who keeps arrivals anyway, and no snapshots.
 */
export function releasePolicyAfter(servedMs: readonly number[], options: ReleaseOptions): ReleasePolicy {
  const state = emptyState();
  state.nowMs = servedMs.at(-1) ?? null;
  state.recent = servedMs
    .slice(-RECENT_MAX)
    .map((atMs): Waiting => ({ request: -1, atMs, items: 1, deadlineMs: null }));
  const times = servedMs.map((atMs) => atMs / 1000);
  if (options.policy === 'balance' && options.service === null)
    state.cost = costStateAfter(times, options.batchCost!, options.maxBatch);
  return new Policy(options, state);
}

function emptyState(): ReleaseState {
  return {
    nowMs: null,
    requests: 0,
    batches: 0,
    busy: false,
    draining: false,
    waiting: [],
    inService: [],
    limit: 1,
    recent: [],
    cost: emptyCostState(),
  };
}

/** Continues from a snapshot, exactly as if it had never stopped. */
export function restoreReleasePolicy(snapshot: ReleaseSnapshot): ReleasePolicy {
  const { options, state } = structuredClone(snapshot);
  return new Policy(options, state);
}
