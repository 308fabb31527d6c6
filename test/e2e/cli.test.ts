/** The command line against the real thing: one `balance up` serves most of the tests. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processIdentity } from '../../workers/embedded/processes.js';
import { endCli, smallProject, startCli, type Result, type Running } from '../support/cli.js';
import { until } from './small-pool.js';

const folder = smallProject();
const config = join(folder, 'balance.yaml');
const state = join(folder, '.balance');
let up: Running;
let busy: Server;

const balance = (...args: string[]): Promise<Result> => startCli(folder, args).ended;
async function json<T>(...args: string[]): Promise<T> {
  const { code, out, err } = await balance(...args, '--json');
  expect(code, err).toBe(0);
  return JSON.parse(out) as T;
}
/** The error object of a command that fails: alone on stderr, nothing on stdout. */
async function failure(code: number, ...args: string[]): Promise<Record<string, string>> {
  const result = await balance(...args, '--json');
  expect(result.code, result.err).toBe(code);
  expect(result.out).toBe('');
  const { error, ...rest } = JSON.parse(result.err) as { error: Record<string, string> };
  expect(rest).toEqual({});
  return error;
}
interface Delivered {
  readonly id: string;
  readonly delivery: {
    readonly rows: number;
    readonly digest: string;
    readonly path: string;
    readonly decisionId: string;
  };
}
const ask = ['request', 'trainer', 'events', '--fields', 'id,value'];

function children(): { name: string; pid: number; identity: string }[] {
  const run = JSON.parse(readFileSync(join(state, 'run.json'), 'utf8')) as {
    children: { name: string; pid: number; identity: string }[];
  };
  return run.children;
}
const alive = (processes: readonly { pid: number; identity: string }[]) =>
  processes.filter(({ pid, identity }) => processIdentity(pid) === identity);

beforeAll(async () => {
  busy = createServer();
  // Whether we or somebody else holds it: it is taken.
  await new Promise<void>((resolve) => {
    busy.once('error', () => resolve());
    busy.listen(7233, '127.0.0.1', () => resolve());
  });
  up = startCli(folder, ['up']);
  await up.said('\nup: ');
});
afterAll(() => endCli(folder, up));

describe('while `up` runs', () => {
  test('a busy port was named and another taken; the endpoints are for this user only', () => {
    const endpoints = JSON.parse(readFileSync(join(state, 'endpoints.json'), 'utf8')) as Record<string, string>;
    expect(endpoints.temporalAddress).not.toBe('127.0.0.1:7233');
    expect(statSync(join(state, 'endpoints.json')).mode & 0o777).toBe(0o600);
    busy.close();
  });

  test('a second `up` in the folder is refused', async () => {
    expect(await failure(2, 'up')).toMatchObject({ type: 'AlreadyRunning' });
  });

  test('the same request gives the same rows, another seed gives others', async () => {
    const [one, two, other] = [
      await json<Delivered>(...ask, '--rows', '50', '--wait'),
      await json<Delivered>(...ask, '--rows', '50', '--wait'),
      await json<Delivered>(...ask, '--rows', '50', '--seed', '7', '--wait'),
    ];
    expect(one.delivery.rows).toBe(50);
    expect(two.id).not.toBe(one.id);
    expect(two.delivery.digest).toBe(one.delivery.digest);
    expect(other.delivery.digest).not.toBe(one.delivery.digest);
    expect(existsSync(one.delivery.path)).toBe(true);
  });

  test('the same key is the same request', async () => {
    const first = await json<{ id: string; created: boolean }>(...ask, '--rows', '5', '--key', 'k1');
    expect(await json(...ask, '--rows', '5', '--key', 'k1')).toEqual({ id: first.id, created: false });
  });

  test('`run --wait`, `decisions`, `explain --verify` and `status` tell one story', async () => {
    const ran = await json<{ decision: { id: string; outcome: string } }>('run', '--wait');
    expect(ran.decision.outcome).toBe('delivered');
    const listed = await json<{ id: string }[]>('decisions');
    expect(listed.map(({ id }) => id)).toContain(ran.decision.id);
    const explained = await json<{ replayed: { stage: string; same: boolean }[] }>(
      'explain',
      ran.decision.id,
      '--verify',
    );
    expect(explained.replayed.length).toBeGreaterThan(3);
    expect(explained.replayed.filter(({ same }) => !same)).toEqual([]);
    expect((await balance('explain', ran.decision.id)).out).toContain('trainer/sample');
    expect((await balance('status')).out).toMatch(/^pool small: /);
  });

  test('a paused pool holds requests: the wait times out with 4, Ctrl-C ends it with 130, `run` is refused with 3', async () => {
    expect(await json('pause', '--reason', 'tests')).toEqual({ pool: 'small', state: 'paused' });
    const waiting = startCli(folder, [...ask, '--rows', '9', '--wait']);
    await waiting.said('request ');
    const [id] = /[0-9a-f-]{36}/.exec((await json<{ requests: { id: string }[] }>('status')).requests[0].id)!;
    expect(await failure(4, ...ask, '--rows', '8', '--wait', '--timeout', '1s')).toMatchObject({
      type: 'WaitTimedOut',
    });
    expect(await failure(3, 'run')).toMatchObject({ type: expect.any(String) as string });
    waiting.child.kill('SIGINT');
    expect((await waiting.ended).code).toBe(130);
    expect(await json('cancel', id)).toEqual({ id, state: 'cancelled' });
    expect(await json('resume')).toEqual({ pool: 'small', state: 'resumed' });
    expect((await json<{ state: string }>('status', id)).state).toBe('cancelled');
  });

  test.each([
    [
      'a column that the dataset lacks is refused',
      3,
      [...ask.slice(0, 3), '--fields', 'nope', '--wait'],
      'UnknownColumn',
    ],
    ['a dataset that is not declared', 2, ['request', 'trainer', 'nothing', '--fields', 'id'], 'UnknownDataset'],
    ['a predicate beyond the grammar', 2, [...ask, '--where', "label LIKE 'r%'"], 'InvalidPredicate'],
    ['a number that is none', 2, [...ask, '--rows', 'many'], 'InvalidCommand'],
    ['a command that is none', 2, ['balances'], 'InvalidCommand'],
    ['an id that is none', 2, ['explain', 'x'], 'InvalidId'],
    ['a pool that is not declared', 2, ['status', '--pool', 'other'], 'UnknownPool'],
    ['a schedule that is not there', 2, ['schedule', 'trigger', 'other'], 'UnknownSchedule'],
    ['a cron expression that is none', 2, ['schedule', 'create', 'bad', '--cron', 'nonsense'], 'InvalidSchedule'],
    ['Temporal, explicit and unreachable', 5, ['status', '--temporal-address', '127.0.0.1:1'], 'Unreachable'],
    [
      'PostgreSQL, explicit and unreachable',
      5,
      ['status', '--database-url', 'postgres://x@127.0.0.1:1/y'],
      'DatabaseUnreachable',
    ],
  ])('%s: code %i', async (_, code, args, type) => {
    expect(await failure(code, ...args)).toMatchObject({ type, message: expect.any(String) as string });
  });

  test('an unreachable address in the environment is no reason to take another', async () => {
    const { code, out } = await startCli(folder, ['status'], { TEMPORAL_ADDRESS: '127.0.0.1:1' }).ended;
    expect({ code, out }).toEqual({ code: 5, out: '' });
  });

  test('a database that is not one of Balance: code 2, and what to do', async () => {
    const { databaseUrl } = JSON.parse(readFileSync(join(state, 'endpoints.json'), 'utf8')) as { databaseUrl: string };
    const error = await failure(2, 'status', '--database-url', databaseUrl.replace(/\/balance$/, '/postgres'));
    expect(error).toMatchObject({
      type: 'NotBalanceDatabase',
      got: expect.stringMatching(/^postgres on 127\.0\.0\.1:\d+$/) as string,
      hint: expect.stringContaining('--database-url') as string,
    });
  });

  test('a schedule is created, listed, paused, triggered, backfilled and deleted', async () => {
    const decisions = () => json<{ id: string; trigger: string; asOfMs: number }[]>('decisions');
    await json('schedule', 'create', 'hourly', '--every', '1h');
    await json('schedule', 'pause', 'hourly');
    expect(await json('schedule', 'list')).toMatchObject([{ id: 'hourly', paused: true }]);
    await json('schedule', 'pause', 'hourly', '--resume');
    expect(await json('schedule', 'list')).toMatchObject([{ id: 'hourly', paused: false }]);
    const before = (await decisions()).length;
    await json('schedule', 'trigger', 'hourly');
    await until('the triggered cycle', async () => (await decisions()).length > before, 30);
    const slices = ['2026-01-01T01:00:00.000Z', '2026-01-01T02:00:00.000Z'];
    const backfill = ['schedule', 'backfill', 'hourly'];
    const range = [...backfill, '--from', slices[0], '--to', '2026-01-01T02:30:00Z'];
    expect(await json(...range, '--dry-run')).toEqual({ id: 'hourly', slices });
    expect(await json(...range, '--wait')).toMatchObject({ total: 2, done: 2, known: 0, failed: 0 });
    const seen = (await decisions()).filter(({ trigger }) => trigger === 'backfill');
    expect(seen.map(({ asOfMs }) => new Date(asOfMs).toISOString()).reverse()).toEqual(slices);
    const { out, err } = await balance(...range, '--wait');
    expect(out).toContain('2 of 2 slices: 0 run, 2 had run before, 0 failed');
    expect(err).toContain('of 2 slices');
    expect(await json(...backfill, '--wait')).toMatchObject({ total: 2, known: 2 });
    expect(await failure(2, ...backfill, '--from', '2026-01-01T00:00:00Z')).toMatchObject({ type: 'InvalidRange' });
    expect(await failure(2, ...range.slice(0, 5), '--to', '2999-01-01T00:00:00Z')).toMatchObject({
      type: 'InvalidRange',
    });
    expect(await failure(2, 'schedule', 'backfill', 'other', ...range.slice(3))).toMatchObject({
      type: 'UnknownSchedule',
    });
    await json('schedule', 'delete', 'hourly');
    expect(await json('schedule', 'list')).toEqual([]);
  });

  test('`apply` shows the diff first; --dry-run applies nothing; a mistake is told with its line', async () => {
    writeFileSync(config, readFileSync(config, 'utf8').replace('rows: 100', 'rows: 60'));
    const line = '~ models.trainer.needs.sample.rows: 100 -> 60';
    expect((await balance('apply', '--dry-run')).out).toContain(line);
    const { out } = await balance('apply');
    expect(out).toContain(line);
    expect(out).toContain('version 2 applied');
    expect((await balance('apply', '--dry-run')).out).toBe('pool small: no changes\n');
    const wrong = join(folder, 'wrong.yaml');
    writeFileSync(wrong, readFileSync(config, 'utf8').replace('kind: training', 'kind: trianing'));
    const error = await failure(2, 'apply', '--config', wrong);
    expect(error).toMatchObject({ type: 'InvalidConfig', got: expect.stringMatching(/^line 10: /) as string });
  });
});

describe('the end of `up`', () => {
  test('what SIGKILL left behind is cleared by the next `up`; Ctrl-C then leaves nothing', async () => {
    const left = children();
    expect(left.map(({ name }) => name).sort()).toEqual(['PostgreSQL', 'Temporal']);
    up.child.kill('SIGKILL');
    await up.ended;
    expect(alive(left)).toHaveLength(2);
    expect((await balance('doctor')).out).toContain('which started them and does the work, is gone');
    up = startCli(folder, ['up']);
    await up.said('\nup: ');
    expect(alive(left)).toEqual([]);
    const own = children();
    expect(alive(own)).toHaveLength(2);
    up.child.kill('SIGINT');
    const { code, err } = await up.ended;
    expect(code).toBe(130);
    expect(err).toContain('cleared PostgreSQL');
    expect(err).toContain('cleared Temporal');
    expect(alive(own)).toEqual([]);
    expect(existsSync(join(state, 'endpoints.json'))).toBe(false);
    expect(existsSync(join(state, 'run.json'))).toBe(false);
  });

  test('`stop` ends a running `up`, a second `stop` finds nothing, commands then say that nothing runs', async () => {
    up = startCli(folder, ['up']);
    await up.said('\nup: ');
    const own = children();
    expect((await json<{ stopped: string[] }>('stop')).stopped[0]).toContain('balance');
    await up.ended;
    expect(alive(own)).toEqual([]);
    expect(await json('stop')).toEqual({ stopped: [] });
    expect(await failure(5, 'status')).toMatchObject({ type: 'NotRunning' });
  });

  test('`reset` asks first: without an answer nothing is deleted', async () => {
    expect(await failure(2, 'reset')).toMatchObject({ type: 'NotConfirmed' });
    expect(existsSync(join(state, 'postgres'))).toBe(true);
    expect(await json('reset', '--yes')).toEqual({ reset: true });
    expect(existsSync(state)).toBe(false);
  });
});
