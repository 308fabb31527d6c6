/** How errors of activities reach Temporal: by stable type, with their facts, retryable only when a retry can help. */
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { BalanceError } from '../domain/types/errors.js';

/** Wraps every activity of a record so that what it throws is a typed ApplicationFailure. */
export function withTypedFailures<T extends Record<string, (...args: never[]) => Promise<unknown>>>(activities: T): T {
  return Object.fromEntries(
    Object.entries(activities).map(([name, run]) => [
      name,
      async (...args: never[]) => {
        try {
          return await run(...args);
        } catch (error) {
          throw toFailure(error);
        }
      },
    ]),
  ) as T;
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
  // The driver's message of a lost connection may carry a host name, never a password: postgres.js leaves it out.
  const cause = error instanceof Error ? error : new Error(String(error));
  return ApplicationFailure.create({ message: cause.message, type: cause.name, cause });
}
