/** What every command of `balance` shares: the shape of a command module, output, and error reporting. */
import type { Command } from 'commander';
import { BalanceError, EXIT_CODES, type ErrorFacts, type ErrorKind } from '../domain/types/errors.js';

/** A command module exports one of these; `cli/main.ts` lists them. */
export type RegisterCommand = (program: Command) => void;

/** Turns anything thrown into the facts that are printed, and the exit code. */
export function describeError(error: unknown): { facts: ErrorFacts; exitCode: number } {
  if (error instanceof BalanceError) return { facts: error.facts(), exitCode: EXIT_CODES[error.kind] };
  // A failed query's own message repeats the whole statement: what the server said is enough.
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const kind: ErrorKind = 'internal';
  return {
    facts: {
      type: 'InternalError',
      message,
      hint: 'This is a defect in Balance: run again with BALANCE_DEBUG=1 and report the stack.',
    },
    exitCode: EXIT_CODES[kind],
  };
}

/** Prints an error: one JSON object on stderr with `--json`, three short lines for a person otherwise. */
export function reportError(error: unknown, json: boolean): number {
  const { facts, exitCode } = describeError(error);
  if (json) {
    process.stderr.write(JSON.stringify({ error: facts }) + '\n');
  } else {
    const lines = [`error ${facts.type}: ${facts.message}`];
    if (facts.expected !== undefined) lines.push(`  expected: ${facts.expected}`);
    if (facts.got !== undefined) lines.push(`  got:      ${facts.got}`);
    if (facts.hint !== undefined) lines.push(`  hint:     ${facts.hint}`);
    process.stderr.write(lines.join('\n') + '\n');
  }
  if (process.env.BALANCE_DEBUG && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  return exitCode;
}

/**
 * Wraps a command's action: runs it, sets `process.exitCode`, reports what it throws.
 * The action gets its options (with `json` from the command itself) and may return an exit code.
 */
export function action<Args extends unknown[]>(
  run: (...args: Args) => Promise<number | undefined> | number | undefined,
): (...args: Args) => Promise<void> {
  return async (...args: Args) => {
    const json = args.some(
      (arg) => typeof arg === 'object' && arg !== null && (arg as { json?: unknown }).json === true,
    );
    try {
      process.exitCode = (await run(...args)) ?? 0;
    } catch (error) {
      process.exitCode = reportError(error, json);
    }
  };
}

/** Writes one JSON value and a newline to stdout. */
export function printJson(value: unknown): void {
  process.stdout.write(JSON.stringify(value, null, 2) + '\n');
}
