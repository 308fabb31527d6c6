/**
 * Errors that a user meets. Each states what was expected, what came and what to do about it.
 *
 * `kind` decides the exit code of the command line and how Temporal treats the failure: only
 * `internal` and `unreachable` are worth a retry.
 */
export type ErrorKind = 'internal' | 'usage' | 'refused' | 'timeout' | 'unreachable' | 'interrupted';

/** Exit code of the `balance` command for each kind of error. Documented in README, tested in test/cli. */
export const EXIT_CODES: Readonly<Record<ErrorKind, number>> = {
  internal: 1,
  usage: 2,
  refused: 3,
  timeout: 4,
  unreachable: 5,
  interrupted: 130,
};

/** The facts of an error, as the command line and the API print them. */
export interface ErrorFacts {
  /** Stable machine-readable name, for example `UnknownModel`. Matched by callers; never the message. */
  readonly type: string;
  readonly message: string;
  readonly expected?: string;
  readonly got?: string;
  readonly hint?: string;
}

/** An expected failure with stable `type` and facts as fields. Programmer errors are plain `Error`s. */
export class BalanceError extends Error implements ErrorFacts {
  readonly kind: ErrorKind;
  readonly type: string;
  readonly expected?: string;
  readonly got?: string;
  readonly hint?: string;

  constructor(kind: ErrorKind, facts: ErrorFacts, options?: ErrorOptions) {
    super(facts.message, options);
    this.name = 'BalanceError';
    this.kind = kind;
    this.type = facts.type;
    this.expected = facts.expected;
    this.got = facts.got;
    this.hint = facts.hint;
  }

  /** The plain-JSON form: `{type, message, expected, got, hint}` without absent fields. */
  facts(): ErrorFacts {
    const { type, message, expected, got, hint } = this;
    return {
      type,
      message,
      ...(expected === undefined ? {} : { expected }),
      ...(got === undefined ? {} : { got }),
      ...(hint === undefined ? {} : { hint }),
    };
  }
}

/** Shorthand for the commonest kind: input that the caller must correct. */
export function usageError(facts: ErrorFacts): BalanceError {
  return new BalanceError('usage', facts);
}

/** What came, short enough for one line of a message; `nothing` for what is absent. */
export function shown(value: unknown): string {
  if (typeof value === 'number') return String(value);
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}…`;
}
const SHOWN_MAX = 120;
