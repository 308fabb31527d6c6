/** How errors of activities reach Temporal: by stable type, with their facts, retryable only when a retry can help. */
import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { BalanceError } from '../domain/types/errors.js';

/** Well inside the heartbeat timeouts of workflows/activity-options.ts. */
const HEARTBEAT_MS = 3_000;

/** Wraps every activity of a record so that it heartbeats, and what it throws is a typed ApplicationFailure. */
export function withTypedFailures<T extends Record<string, (...args: never[]) => Promise<unknown>>>(activities: T): T {
  return Object.fromEntries(
    Object.entries(activities).map(([name, run]) => [
      name,
      async (...args: never[]) => {
        // Cancellation and time-outs reach an activity through its heartbeats only.
        const beat = setInterval(() => Context.current().heartbeat(), HEARTBEAT_MS);
        try {
          return await run(...args);
        } catch (error) {
          throw toFailure(error);
        } finally {
          clearInterval(beat);
        }
      },
    ]),
  ) as T;
}

/** What a source, a declaration or the data is to blame for: told in the record, and the cycle goes on. */
export function isFault(error: unknown): error is BalanceError {
  return error instanceof BalanceError && error.kind !== 'internal' && error.kind !== 'interrupted';
}

export function toFailure(error: unknown): unknown {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return error;
  if (error instanceof BalanceError) {
    return ApplicationFailure.create({
      message: error.message,
      type: error.type,
      nonRetryable: error.kind === 'usage' || error.kind === 'refused',
      details: [error.facts()],
      cause: error,
    });
  }
  const cause = innermost(error);
  return ApplicationFailure.create({ message: cause.message, type: cause.name });
}

/** A failed query's own message repeats the whole statement with its parameters: what the server said is enough. */
function innermost(error: unknown): Error {
  let current = error instanceof Error ? error : new Error(String(error));
  while (current.cause instanceof Error) current = current.cause;
  return current;
}
