/** `balance simulate`: a release policy over a trace of arrivals, by the code that runs in production. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { simulateRelease, type Arrival, type Outcome } from '../../domain/batch/simulate-release.js';
import type { PolicyName, ReleaseOptions } from '../../domain/batch/release-policy.js';
import { usageError } from '../../domain/types/errors.js';
import { readCsvFile, writeCsvFile } from '../../interfaces/data/csv.js';
import { action, printJson } from '../command.js';

const HELP = `
Input:  CSV in order of time with a column time_ms, optionally items (default 1) and deadline_ms (milliseconds after
        arrival; an empty cell means --deadline-ms).
Server: one batch at a time takes setup-ms + per-item-ms * items; the next is released when it is done.
        With --batch-cost K there is no server: the cost is K per batch + the total waiting, in seconds.
Policies: balance    deadlines: the most requests on time; none: waiting against batching, learned online
        fixed      --size items per batch             timer      --delay-ms longest wait of the oldest request
        immediate  all that waits, at once            aimd       size + --increase when on time, * --decrease when late
Output: {policy, requests, onTime, late, dropped, batches, waitMs: {mean, p50, p95, p99}, cost}; waits are until release,
        cost is null with a server. --trace: request,release_ms,batch,done_ms,dropped (counted from 0; empty if dropped).
        No decision looks ahead: rows released before the end of a truncated file are the same as in the whole.

Example: balance simulate arrivals.csv --policy balance --deadline-ms 100 --json`;

const HINT = 'Correct it; `balance simulate --help` has the columns.';

interface Options {
  readonly policy: PolicyName;
  readonly setupMs: number;
  readonly perItemMs: number;
  readonly maxBatch: number;
  readonly deadlineMs?: number;
  readonly batchCost?: number;
  readonly eager?: boolean;
  readonly size?: number;
  readonly delayMs?: number;
  readonly increase?: number;
  readonly decrease?: number;
  readonly dropLate?: boolean;
  readonly trace?: string;
  readonly json?: boolean;
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number.');
  return value;
}

function readArrivals(path: string, deadlineMs: number | null): Arrival[] {
  const { columns, rows } = readCsvFile(path);
  const at = (name: string) => columns.indexOf(name);
  const bad = (row: number, expected: string, got: string) =>
    usageError({ type: 'MalformedTrace', message: `${path}: row ${row} (counted from 0)`, expected, got, hint: HINT });
  if (at('time_ms') < 0) {
    const message = `${path} has no column time_ms`;
    const got = columns.join(',');
    throw usageError({ type: 'MissingColumn', message, expected: 'time_ms', got, hint: HINT });
  }
  const twice = ['time_ms', 'items', 'deadline_ms'].find((name) => at(name) !== columns.lastIndexOf(name));
  if (twice !== undefined) {
    const message = `${path} has two columns ${twice}`;
    throw usageError({ type: 'DuplicateColumn', message, expected: 'each once', got: columns.join(','), hint: HINT });
  }
  const cell = (row: readonly string[], index: number, name: string, fallback: number | null): number | null => {
    const text = at(name) < 0 ? '' : row[at(name)].trim();
    if (text === '' && name !== 'time_ms') return fallback;
    const value = Number(text);
    if (text === '' || !Number.isFinite(value)) throw bad(index, `a number in ${name}`, JSON.stringify(text));
    return value;
  };
  let before = -Infinity;
  return rows.map((row, index) => {
    const atMs = cell(row, index, 'time_ms', null)!;
    const items = cell(row, index, 'items', 1)!;
    const slackMs = cell(row, index, 'deadline_ms', deadlineMs);
    if (atMs < before) throw bad(index, `time_ms of ${before} or later`, String(atMs));
    if (!(items > 0)) throw bad(index, 'items above 0', String(items));
    if (slackMs !== null && slackMs < 0) throw bad(index, 'a deadline of 0 ms or more after arrival', String(slackMs));
    before = atMs;
    return { atMs, items, deadlineMs: slackMs === null ? null : atMs + slackMs };
  });
}

const traceRow = ({ releaseMs, batch, doneMs, dropped }: Outcome, request: number) => [
  request,
  releaseMs ?? '',
  batch ?? '',
  doneMs ?? '',
  dropped ? 1 : 0,
];

function simulate(path: string, options: Options): undefined {
  const { setupMs, perItemMs, deadlineMs = null, trace, json, ...rest } = options;
  const service = rest.batchCost === undefined ? { setupMs, perItemMs } : null;
  const release: ReleaseOptions = { ...rest, service };
  const { summary, outcomes } = simulateRelease(readArrivals(path, deadlineMs), release);
  if (trace !== undefined) {
    writeCsvFile(trace, ['request', 'release_ms', 'batch', 'done_ms', 'dropped'], outcomes.map(traceRow));
  }
  if (json) printJson(summary);
  else if (trace !== '-') {
    const { waitMs, ...counts } = summary;
    for (const [name, value] of Object.entries({ ...counts, meanWaitMs: waitMs.mean, p99WaitMs: waitMs.p99 })) {
      process.stdout.write(`${name.padEnd(12)}${value ?? '-'}\n`);
    }
  }
}

export const registerSimulate = (program: Command): void => {
  program
    .command('simulate')
    .description('run a release policy over a trace of arrivals')
    .argument('<file>', 'CSV of arrivals; - is standard input')
    .addOption(
      new Option('--policy <name>').choices(['balance', 'fixed', 'immediate', 'timer', 'aimd']).default('balance'),
    )
    .option('--setup-ms <ms>', 'service time of an empty batch', number, 10)
    .option('--per-item-ms <ms>', 'service time of each item', number, 2)
    .option('--max-batch <items>', 'most items in a batch', number, 64)
    .option('--deadline-ms <ms>', 'deadline of each request after its arrival', number)
    .option('--batch-cost <seconds>', 'no server: what a batch costs, in seconds of waiting', number)
    .option(
      '--eager',
      'balance with --batch-cost: hold only what was learned to be worth it, as the loop of a pool does',
    )
    .option('--size <items>', 'fixed: items per batch', number)
    .option('--delay-ms <ms>', 'timer: longest wait', number)
    .option('--increase <items>', 'aimd: added after a batch on time (default 1)', number)
    .option('--decrease <factor>', 'aimd: factor after a late batch (default 0.5)', number)
    .option('--drop-late', 'other policies than balance: drop what waits past its deadline')
    .option('--trace <path>', 'write what became of each request; - is standard output')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', HELP)
    .action(action(simulate));
};
