/**
 * What every command keeps, table by table: with `--json` one JSON value on standard output and nothing else, or one
 * error object on standard error and nothing on standard output; the exit code that is documented for it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endCli, smallProject, startCli, type Result, type Running } from '../support/cli.js';
import { until } from './small-pool.js';

const NOBODY = '00000000-0000-4000-8000-000000000000';
const ask = ['request', 'trainer', 'events', '--pool', 'small', '--fields', 'id,value'];
const folder = smallProject();
let up: Running;

const balance = (...args: readonly string[]): Promise<Result> => startCli(folder, args).ended;
/** Runs it with `--json`: its one value, and its exit code. */
async function value(args: readonly string[], code = 0): Promise<Record<string, unknown>> {
  const { code: got, out, err } = await balance(...args, '--json');
  expect({ got, err }).toEqual({ got: code, err: '' });
  return JSON.parse(out) as Record<string, unknown>;
}
/** Runs it with `--json`: the one error object. */
async function failure(args: readonly string[], code: number): Promise<Record<string, string>> {
  const { code: got, out, err } = await balance(...args, '--json');
  expect({ got, out }).toEqual({ got: code, out: '' });
  return errorOf(err);
}
function errorOf(text: string): Record<string, string> {
  const { error, ...rest } = JSON.parse(text) as { error: Record<string, string> };
  expect(rest).toEqual({});
  expect(error).toMatchObject({ type: expect.stringMatching(/^[A-Z]\w+$/) as string });
  for (const [name, fact] of Object.entries(error)) {
    expect(['type', 'message', 'expected', 'got', 'hint']).toContain(name);
    expect(fact).toMatch(/\S/);
  }
  return error;
}
/** Interrupts a command that waits, once it says so on standard error. */
async function interrupted(args: readonly string[], says: string): Promise<void> {
  const running = startCli(folder, args);
  await running.said(says);
  running.child.kill('SIGINT');
  const { code, out, err } = await running.ended;
  expect({ code, out }).toEqual({ code: 130, out: '' });
  expect(err).toContain('error Interrupted: ');
}
const id = async (args: readonly string[]): Promise<string> => (await value(args)).id as string;
const stateOf = async (request: string): Promise<unknown> =>
  (await value(['status', request, '--pool', 'small'])).state;
const explained = async (of: string): Promise<string> => {
  await value(['explain', of, '--verify', '--pool', 'small']);
  return (await balance('explain', of, '--pool', 'small')).out;
};

beforeAll(async () => {
  const file = join(folder, 'balance.yaml');
  // A table whose values break its promise, and a pool that wants nothing.
  writeFileSync(
    file,
    `version: 1
pools:
  small:
    sources: { lake: { kind: files, root: . } }
    datasets:
      events: { source: lake, path: events.csv, key: [id] }
      broken: { source: lake, path: events.csv, key: [id], columns: { value: { required: true, max: 5 } } }
    models:
      trainer: { kind: training, needs: [{ id: sample, dataset: events, fields: [id, value], rows: 100 }] }
    schedules: [{ id: daily, every: 1d, paused: true }]
  idle:
    sources: { lake: { kind: files, root: . } }
    datasets: { events: { source: lake, path: events.csv } }
    models: { nobody: { kind: serving } }
`,
  );
  up = startCli(folder, ['up']);
  await up.said('\nup: ');
});
afterAll(() => endCli(folder, up));

describe('one JSON value on standard output, exit code 0', () => {
  const small = ['--pool', 'small'];
  test.each([
    [['status', ...small], 'loop'],
    [['run', ...small], 'decisionId'],
    [['run', ...small, '--wait'], 'decision'],
    [[...ask, '--rows', '3'], 'created'],
    [[...ask, '--rows', '3', '--wait'], 'delivery'],
    [['pause', ...small, '--reason', 'a test'], 'state'],
    [['resume', ...small], 'state'],
    [['decisions', ...small], '0'],
    [['apply', '--dry-run'], 'changes'],
    [['apply'], 'pools'],
    [['schedule', 'create', 'nightly', ...small, '--cron', '0 2 * * *'], 'state'],
    [['schedule', 'list', ...small], '0'],
    [['schedule', 'pause', 'nightly', ...small], 'state'],
    [['schedule', 'trigger', 'nightly', ...small], 'state'],
    [
      ['schedule', 'backfill', 'nightly', ...small, '--from', '2026-01-01', '--to', '2026-01-03', '--dry-run'],
      'slices',
    ],
    [['schedule', 'delete', 'nightly', ...small], 'state'],
    [['doctor'], 'checks'],
  ])('%j', async (args, key) => {
    expect(Object.keys(await value(args))).toContain(key);
  });
});

describe('one error object on standard error', () => {
  const small = ['--pool', 'small'];
  test.each([
    [2, ['status'], 'PoolNeeded'],
    [2, ['status', NOBODY, ...small], 'UnknownRequest'],
    [2, ['status', 'x', ...small], 'InvalidId'],
    [2, ['cancel', NOBODY, ...small], 'UnknownRequest'],
    [2, ['explain', NOBODY, ...small], 'UnknownId'],
    [2, ['decisions', 'x', ...small], 'InvalidId'],
    [2, ['run', ...small, '--timeout', 'soon'], 'InvalidCommand'],
    [2, ['request', 'trainer', 'events', ...small], 'InvalidCommand'],
    [2, [...ask, '--deadline', '2020-01-01T00:00:00Z'], 'DeadlinePassed'],
    [2, [...ask, '--deadline', 'tomorrow'], 'InvalidCommand'],
    [2, [...ask, '--priority', '9'], 'InvalidRequest'],
    [2, ['schedule', 'backfill', 'nope', ...small], 'UnknownSchedule'],
    [2, ['schedule', 'backfill', 'nope', ...small, '--stop'], 'NoBackfill'],
    [2, ['schedule', 'backfill', 'daily', ...small], 'InvalidRange'],
    [2, ['schedule', 'create', 'x', ...small], 'InvalidSchedule'],
    [2, ['schedule', 'pause', 'nope', ...small], 'UnknownSchedule'],
    [2, ['schedule', 'delete', 'nope', ...small], 'UnknownSchedule'],
    [2, ['schedule', 'nope'], 'InvalidCommand'],
    [2, ['apply', '--config', 'nope.yaml'], 'ConfigNotFound'],
    [2, ['worker', '--config', 'nope.yaml'], 'MissingEnvironment'],
    [2, ['up', '--config', 'nope.yaml'], 'ConfigNotFound'],
    [2, ['up'], 'AlreadyRunning'],
    [2, ['reset'], 'NotConfirmed'],
    [2, ['allocate', 'nope.json'], 'UnreadableFile'],
    [5, ['run', ...small, '--temporal-address', '127.0.0.1:1'], 'Unreachable'],
    [5, ['decisions', ...small, '--database-url', 'postgres://x@127.0.0.1:1/y'], 'DatabaseUnreachable'],
  ])('exit code %i: %j', async (code, args, type) => {
    expect(await failure(args, code)).toMatchObject({ type });
  });

  test('a schedule of the file that Temporal would refuse is told with its line, before anything is stored', async () => {
    writeFileSync(
      join(folder, 'cron.yaml'),
      'version: 1\npools:\n  small:\n    sources: {}\n    datasets: {}\n    models: {}\n    schedules:\n      - { id: x, cron: 0 6 * * }\n',
    );
    const error = await failure(['apply', '--config', 'cron.yaml'], 2);
    expect(error).toMatchObject({
      type: 'InvalidConfig',
      got: expect.stringMatching(/^line 8: "0 6 \* \*"/) as string,
    });
    expect(await value(['apply', '--dry-run'])).toMatchObject({ changes: [{ changes: [] }, { changes: [] }] });
  });
});

describe('how it ended, and why', () => {
  test('a quarantined request: code 3, and the finding', async () => {
    const args = ['request', 'trainer', 'broken', '--pool', 'small', '--fields', 'id,value', '--wait'];
    const error = await failure(args, 3);
    expect(error.type).toBe('Quarantined');
    const request = /[0-9a-f-]{36}/.exec(error.message)![0];
    expect(await explained(request)).toMatch(/quarantined[^]*read and kept back[^]*value/);
  });

  test('a cancelled request', async () => {
    await value(['pause', '--pool', 'small']);
    const request = await id([...ask, '--rows', '4']);
    expect(await value(['cancel', request, '--pool', 'small'])).toEqual({ id: request, state: 'cancelled' });
    await value(['resume', '--pool', 'small']);
    expect(await explained(request)).toContain('It was cancelled');
    expect(await value(['cancel', request, '--pool', 'small'])).toEqual({ id: request, state: 'cancelled' });
  });

  test('an expired request', async () => {
    await value(['pause', '--pool', 'small']);
    const request = await id([...ask, '--rows', '5', '--deadline', '1h']);
    const { databaseUrl } = JSON.parse(readFileSync(join(folder, '.balance/endpoints.json'), 'utf8')) as {
      databaseUrl: string;
    };
    const sql = postgres(databaseUrl, { max: 1 });
    await sql`update requests set deadline_at = now() - interval '1 second' where id = ${request}`;
    await sql.end();
    await value(['resume', '--pool', 'small']);
    await until('it expires', async () => (await stateOf(request)) === 'expired', 30);
    expect(await explained(request)).toContain('It was not served in time');
  });

  test('an empty cycle', async () => {
    const { decision } = (await value(['run', '--pool', 'idle', '--wait'])) as { decision: { id: string } };
    expect(decision).toMatchObject({ outcome: 'empty' });
    const { out } = await balance('explain', decision.id, '--pool', 'idle');
    expect(out).toContain('nothing was due and nothing was asked for');
  });
});

describe('Ctrl-C ends the wait with 130; what was asked for goes on', () => {
  test('`request --wait`', async () => {
    await value(['pause', '--pool', 'small']);
    await interrupted([...ask, '--rows', '6', '--wait'], 'request ');
    await value(['resume', '--pool', 'small']);
  });

  test('`run --wait`', async () => {
    const { databaseUrl } = JSON.parse(readFileSync(join(folder, '.balance/endpoints.json'), 'utf8')) as {
      databaseUrl: string;
    };
    const sql = postgres(databaseUrl, { max: 1 });
    const idle = async () =>
      (await sql`select 1 from requests where pool = 'small' and state in ('pending', 'claimed')`).length === 0;
    await until('what was asked before is served', idle, 30);
    // Its cycle goes no further than to its plan while nobody may store one.
    const open = await sql.begin(async (tx) => {
      await tx`lock table batches in exclusive mode`;
      await interrupted(['run', '--pool', 'small', '--wait'], '  predict ');
      return tx<{ id: string }[]>`select id from decisions where pool = 'small' and state = 'open'`;
    });
    expect(open).toHaveLength(1);
    const outcomeOf = async () =>
      (await sql`select outcome from decisions where id = ${open[0].id}`)[0].outcome as unknown;
    await until('its cycle ends', async () => (await outcomeOf()) !== null, 30);
    expect(await outcomeOf()).toBe('delivered');
    await sql.end();
  });

  test('`schedule backfill --wait`; then `--stop`, and what a later `--wait` says', async () => {
    const backfill = ['schedule', 'backfill', 'daily', '--pool', 'small'];
    const range = ['--from', '2024-01-01', '--to', '2025-01-01'];
    expect(await value([...backfill, ...range])).toMatchObject({ id: 'daily', state: 'backfilling' });
    expect(await failure([...backfill, ...range], 3)).toMatchObject({ type: 'BackfillRunning' });
    await interrupted([...backfill, '--wait'], ' slices: ');
    expect(await value([...backfill, '--stop'])).toEqual({ id: 'daily', state: 'stopping' });
    expect(await value([...backfill, '--wait'], 3)).toMatchObject({ id: 'daily', error: 'it was stopped', failed: 0 });
    const { code, out } = await balance(...backfill, '--wait');
    expect(code).toBe(3);
    expect(out).toMatch(/of \d+ slices: \d+ run, 0 had run before, 0 failed\n {2}it ended early: it was stopped\n$/);
  });
});
