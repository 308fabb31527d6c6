/** Timeouts, retries and non-retryable error types of every stage, in one place. */
import type { ActivityOptions, LocalActivityOptions } from '@temporalio/workflow';

/**
 * Errors that no retry mends: the caller, the configuration or the data must change. Activities also mark every
 * error of kind `usage` or `refused` as non-retryable themselves (activities/failure.ts).
 */
export const NON_RETRYABLE = [
  'UnknownPool',
  'UnknownDataset',
  'UnknownColumn',
  'TypeMismatch',
  'VersionGone',
  'Paused',
  'TooManyQueued',
];

const MINUTE_MS = 60_000;

const retry = {
  initialInterval: '250ms',
  backoffCoefficient: 2,
  maximumInterval: '10s',
  nonRetryableErrorTypes: NON_RETRYABLE,
} satisfies ActivityOptions['retry'];

/** Stages that read and write Postgres and scan metadata: retried through an outage of about ten minutes. */
export const stageOptions = {
  heartbeatTimeout: '15s',
  startToCloseTimeout: 2 * MINUTE_MS,
  scheduleToCloseTimeout: 15 * MINUTE_MS,
  retry,
} satisfies ActivityOptions;

/** A merged read: heartbeats, may take long, a worker that died is noticed after the heartbeat timeout. */
export const readOptions = {
  startToCloseTimeout: 10 * MINUTE_MS,
  scheduleToCloseTimeout: 30 * MINUTE_MS,
  heartbeatTimeout: '15s',
  retry: { ...retry, maximumAttempts: 8 },
} satisfies ActivityOptions;

/**
 * The same for an activity that reads under the limits of its sources: they alone make it take up to `pacedMs`, and again as
 * long behind what was taken before it. As many attempts fit as without limits.
 */
export function pacedOptions<T extends typeof stageOptions | typeof readOptions>(options: T, pacedMs = 0): T {
  const attempts = options.scheduleToCloseTimeout / options.startToCloseTimeout;
  return {
    ...options,
    startToCloseTimeout: options.startToCloseTimeout + 2 * pacedMs,
    scheduleToCloseTimeout: options.scheduleToCloseTimeout + attempts * 2 * pacedMs,
  };
}

/** Closing a decision that failed must outlive the outage that made it fail, however long: what it claimed goes back then. */
export const closeOptions: ActivityOptions = {
  startToCloseTimeout: '1m',
  scheduleToCloseTimeout: '30d',
  retry,
};

/** Waiting for a decision to close, on behalf of a schedule. */
export const awaitOptions: ActivityOptions = {
  startToCloseTimeout: '1h',
  // A decision that is not closed by then never will be: the schedule's run fails instead of waiting for ever.
  scheduleToCloseTimeout: '2h',
  heartbeatTimeout: '30s',
  retry,
};

/** The loop's look for work whose signal was lost. Short: the next sweep comes soon. */
export const sweepOptions: LocalActivityOptions = {
  startToCloseTimeout: '3s',
  scheduleToCloseTimeout: '3s',
  retry: { maximumAttempts: 1 },
};

/** A lost signal is noticed within 5 s: sweep interval plus the sweep itself. */
export const SWEEP_INTERVAL_MS = 3_500;
/** Calls of `balanceNow` that may wait; the next one is rejected. */
export const QUEUE_MAX = 64;
