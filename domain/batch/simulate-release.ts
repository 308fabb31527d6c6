/** Runs a release policy over a list of arrivals: an event loop with no look ahead. */
import { createReleasePolicy, type ReleaseOptions } from './release-policy.js';

/** One request of a trace; the deadline is absolute. */
export interface Arrival {
  readonly atMs: number;
  readonly items: number;
  readonly deadlineMs: number | null;
}

/** What became of a request. `releaseMs`, `batch` and `doneMs` are null when it was dropped. */
export interface Outcome {
  readonly releaseMs: number | null;
  readonly batch: number | null;
  readonly doneMs: number | null;
  readonly dropped: boolean;
}

export interface SimulationSummary {
  readonly policy: string;
  readonly requests: number;
  /** Done by the deadline; a request without one is on time. */
  readonly onTime: number;
  /** Done after the deadline. */
  readonly late: number;
  readonly dropped: number;
  readonly batches: number;
  /** From arrival to release, of what was released; null when nothing was. */
  readonly waitMs: {
    readonly mean: number | null;
    readonly p50: number | null;
    readonly p95: number | null;
    readonly p99: number | null;
  };
  /** Without a server: batchCost per batch + total waiting, in seconds. Null with one. */
  readonly cost: number | null;
}

export interface Simulation {
  readonly summary: SimulationSummary;
  /** One per arrival, in order. */
  readonly outcomes: readonly Outcome[];
}

/** The smallest value that at least `share` of the sorted values do not exceed (nearest rank). */
function quantile(sorted: readonly number[], share: number): number | null {
  return sorted.length === 0 ? null : sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

function summarise(
  arrivals: readonly Arrival[],
  outcomes: readonly Outcome[],
  batches: number,
  options: ReleaseOptions,
) {
  const waits: number[] = [];
  let [onTime, late, dropped] = [0, 0, 0];
  outcomes.forEach(({ releaseMs, doneMs }, index) => {
    const { atMs, deadlineMs } = arrivals[index];
    if (releaseMs === null || doneMs === null) dropped++;
    else {
      waits.push(releaseMs - atMs);
      if (deadlineMs === null || doneMs <= deadlineMs) onTime++;
      else late++;
    }
  });
  waits.sort((a, b) => a - b);
  const total = waits.reduce((sum, wait) => sum + wait, 0);
  return {
    policy: options.policy,
    requests: arrivals.length,
    onTime,
    late,
    dropped,
    batches,
    waitMs: {
      mean: waits.length === 0 ? null : total / waits.length,
      p50: quantile(waits, 0.5),
      p95: quantile(waits, 0.95),
      p99: quantile(waits, 0.99),
    },
    cost: options.service === null ? (options.batchCost ?? 0) * batches + total / 1000 : null,
  };
}

/**
 * Simulates `arrivals` (in order of time). At one instant a finished batch comes first, then arrivals, then decisions.
 * After the last arrival the policy's own timers run on; what it would hold for ever is released.
 */
export function simulateRelease(arrivals: readonly Arrival[], options: ReleaseOptions): Simulation {
  const policy = createReleasePolicy(options);
  const outcomes: Outcome[] = arrivals.map(() => ({ releaseMs: null, batch: null, doneMs: null, dropped: false }));
  let [next, batches, open] = [0, 0, 0];
  let doneMs: number | null = null;
  let nowMs = 0;
  while (next < arrivals.length || doneMs !== null || open > 0) {
    const arrivalMs = next < arrivals.length ? arrivals[next].atMs : Infinity;
    const wakeMs = policy.nextWakeMs() ?? Infinity;
    if (doneMs !== null && doneMs <= arrivalMs) {
      nowMs = doneMs;
      policy.onServiceDone(nowMs);
      doneMs = null;
      continue;
    }
    if (arrivalMs <= wakeMs && arrivalMs < Infinity) {
      const { atMs, items, deadlineMs } = arrivals[next++];
      nowMs = atMs;
      policy.onArrival(atMs, items, deadlineMs);
      open++;
      continue;
    }
    if (wakeMs === Infinity) policy.drain(nowMs);
    else nowMs = wakeMs;
    const release = policy.onWake(nowMs);
    if (release === null) continue;
    open -= release.requests.length + release.dropped.length;
    for (const request of release.dropped) outcomes[request] = { ...outcomes[request], dropped: true };
    if (release.batch === null) continue;
    batches++;
    const { service } = options;
    const items = release.requests.reduce((sum, request) => sum + arrivals[request].items, 0);
    const finishMs = service === null ? nowMs : nowMs + service.setupMs + service.perItemMs * items;
    if (service !== null) doneMs = finishMs;
    for (const request of release.requests) {
      outcomes[request] = { releaseMs: nowMs, batch: release.batch, doneMs: finishMs, dropped: false };
    }
  }
  return { summary: summarise(arrivals, outcomes, batches, options), outcomes };
}
