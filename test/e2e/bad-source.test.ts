/** A source that gives bad rows: the stand-in's rows reach the model, and nothing of it is hidden. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Explanation } from '../../db/decision-store.js';
import { startBalance, type CsvRow, type PoolInput, type TestBalance } from '../support/balance.js';
import { startCli } from '../support/cli.js';
import { EVENTS, HOUR, START, wrongs } from './small-pool.js';

let balance: TestBalance;
afterEach(async () => {
  expect(await wrongs(balance)).toEqual([]);
  await balance.stop();
});

/** The events; from which file a row is, is written into it. */
const file = (region: string, value: (id: number) => number | null = (id) => id % 100): CsvRow[] =>
  EVENTS.map(({ at, id, label }) => ({ at, id, label, region, value: value(id) }));
/** Three values in four are out of their range. */
const broken = (region: string) => file(region, (id) => (id % 4 === 0 ? 1 : 9_999));

const need = (more: object = {}) => ({
  ...{ id: 'all', dataset: 'events', fields: ['id', 'region', 'value'], rows: 200, onDrift: 'pass', ...more },
});
function pool(dir: string, { needs = [need()], backup = {} }: { needs?: object[]; backup?: object } = {}): PoolInput {
  const columns = { value: { min: 0, max: 200 } };
  const files = { kind: 'files', root: dir } as const;
  return {
    clock: { kind: 'replay', start: new Date(START + 48 * HOUR).toISOString(), step: '1h' },
    sources: { lake: files, vault: { ...files, limits: { rowsPerSecond: 1_000 } } },
    datasets: {
      events: { source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at', columns, fallback: 'backup' },
      backup: { source: 'vault', path: 'backup.csv', key: ['id'], eventTime: 'at', ...backup },
    },
    models: { trainer: { kind: 'training', needs } },
  };
}
const regionsOf = async (explanation: Explanation, id = 'trainer/all') => [
  ...new Set((await balance.rowsOf(explanation, id)).map(({ region }) => region)),
];
/** `balance status` of the pool. */
async function status(): Promise<string> {
  const { databaseUrl, temporalAddress, cacheDir, pool: ref, dir } = balance;
  const env = { DATABASE_URL: databaseUrl, TEMPORAL_ADDRESS: temporalAddress, BALANCE_DELIVERIES_DIR: cacheDir };
  const { code, out, err } = await startCli(dir, ['status', '--pool', ref.pool], env).ended;
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return out;
}
const delivered = ({ requests }: Explanation) => requests[0].delivery!;

describe('a dataset with a fallback', () => {
  test('is served from it while its own rows would be kept back, with the reason; else from itself', async () => {
    balance = await startBalance((dir) => pool(dir));
    balance.write('backup.csv', file('backup'));
    balance.write('events.csv', file('own'));
    expect(await regionsOf(await balance.cycle())).toEqual(['own']);

    balance.write('events.csv', broken('own'));
    const routed = await balance.cycle();
    expect(await regionsOf(routed)).toEqual(['backup']);
    expect(delivered(routed)).toMatchObject({
      ...{ rows: 200, verdict: 'pass', served: 'read' },
      report: {
        routed: {
          ...{ kind: 'fallback', dataset: 'backup', reason: expect.stringContaining('value has') },
          cost: { foreseen: null, took: { ms: expect.any(Number), bytes: expect.any(Number) } },
        },
        corrections: [expect.stringMatching(/^read from backup in its place: value has \d+ values that break/)],
      },
    });
    expect(routed.stages.flatMap(({ reasons }) => reasons).join()).toContain('read from backup in its place');
    expect(await balance.replays(routed)).toBe(true);
    // What it took is charged to the source that gave it.
    const [{ tokens }] = await balance.database
      .sql`select tokens::float8 as tokens from budgets where resource = 'rows:vault'`;
    expect(tokens).toBeLessThan(10_000);

    // It rests for a cycle before it is tried again.
    balance.write('events.csv', file('own'));
    expect(await regionsOf(await balance.cycle())).toEqual(['backup']);
    expect(await regionsOf(await balance.cycle())).toEqual(['own']);
  });

  test('is not read while it rests, is tried again, rests longer, and comes back', async () => {
    balance = await startBalance((dir) => pool(dir));
    const reads = async ({ decision: { id } }: Explanation) => {
      const rows = await balance.database.sql<
        { source: string }[]
      >`select source from batches where decision_id = ${id}`;
      return rows.map(({ source }) => source);
    };
    const next = async () => {
      const cycle = await balance.cycle();
      expect(await balance.replays(cycle)).toBe(true);
      const reasons = cycle.stages.flatMap((stage) => stage.reasons).join('\n');
      return { from: await regionsOf(cycle), planned: await reads(cycle), report: delivered(cycle).report, reasons };
    };
    balance.write('backup.csv', file('backup'));
    balance.write('events.csv', broken('own'));
    const failed = await next();
    expect(failed).toMatchObject({ from: ['backup'], planned: ['lake'] });
    expect(failed.reasons).toMatch(/events rests for 1 cycle, backup is read in its place: its rows were no good once/);

    // A file that is not there cannot be read, nor described.
    rmSync(join(balance.dir, 'events.csv'));
    const rested = await next();
    expect(rested).toMatchObject({ from: ['backup'], planned: ['vault'] });
    expect(rested.reasons).toMatch(
      /events rests, backup is read in its place in this cycle and is tried again in the next/,
    );
    expect(rested.report).toMatchObject({
      routed: {
        kind: 'fallback',
        dataset: 'backup',
        attempt: null,
        rows: 200,
        reason: expect.stringContaining('it rests'),
      },
      corrections: [expect.stringMatching(/^read from backup in its place: it rests: value has/)],
    });

    balance.write('events.csv', broken('own'));
    const tried = await next();
    expect(tried).toMatchObject({ from: ['backup'], planned: ['lake'] });
    expect(tried.reasons).toMatch(/events is tried again: its rows were no good once/);
    expect(tried.reasons).toMatch(/events rests for 2 cycles, .* 2 times in a row/);
    const shown = await status();
    expect(shown).toMatch(/^events rests for 2 cycles, backup is read in its place: .* 2 times in a row: value has/m);

    balance.write('events.csv', file('own'));
    expect((await next()).planned).toEqual(['vault']);
    expect((await next()).planned).toEqual(['vault']);
    const back = await next();
    expect(back).toMatchObject({ from: ['own'], planned: ['lake'] });
    expect(back.reasons).toMatch(/events is well: what was read of it is good again/);
    expect(back.report).not.toHaveProperty('routed');
    expect(await next()).toMatchObject({ from: ['own'], planned: ['lake'] });
    expect(await status()).not.toMatch(/^events /m);
  });

  test('is read itself where its stand-in turns bad while it rests', async () => {
    balance = await startBalance((dir) => pool(dir));
    balance.write('backup.csv', file('backup'));
    balance.write('events.csv', broken('own'));
    await balance.cycle();
    balance.write('backup.csv', broken('backup'));
    balance.write('events.csv', file('own'));
    const saved = await balance.cycle();
    expect(await regionsOf(saved)).toEqual(['own']);
    expect(delivered(saved).report).toMatchObject({ routed: { kind: 'fallback', dataset: 'events', attempt: 0 } });
    const { stages } = await balance.cycle();
    expect(stages.flatMap(({ reasons }) => reasons).join()).not.toContain('rest');
  });

  test('is judged by the promises of the first: a stand-in that breaks them is kept back as well', async () => {
    balance = await startBalance((dir) => pool(dir));
    balance.write('events.csv', broken('own'));
    balance.write('backup.csv', broken('backup'));
    const { requests, stages } = await balance.cycle();
    expect(requests[0]).toMatchObject({ delivery: null, state: 'quarantined' });
    expect(stages.flatMap(({ reasons }) => reasons).join()).toMatch(
      /value has .* break .*; fallback backup: value has .* break/,
    );
  });

  test('gives way to the last good delivery where the stand-in holds what the model may not read', async () => {
    const columns = { region: { sensitivity: 'restricted' } };
    balance = await startBalance((dir) => pool(dir, { backup: { columns } }));
    balance.write('backup.csv', file('backup'));
    balance.write('events.csv', file('own'));
    await balance.cycle();
    balance.write('events.csv', broken('own'));
    const kept = await balance.cycle();
    expect(delivered(kept).served).toBe('last-good');
    expect(kept.stages.flatMap(({ reasons }) => reasons).join()).toContain('may not read region of backup');
  });

  test('gives way as well where the class column is what the model may not read of the stand-in', async () => {
    const columns = { label: { sensitivity: 'restricted' } };
    const mixed = need({ classColumn: 'label', target: 'uniform' });
    balance = await startBalance((dir) => pool(dir, { needs: [mixed], backup: { columns } }));
    balance.write('backup.csv', file('backup'));
    balance.write(
      'events.csv',
      file('own', () => 9_999),
    );
    const { requests } = await balance.cycle();
    expect(requests[0]).toMatchObject({ delivery: null, state: 'quarantined' });
    expect(JSON.stringify(requests[0])).toContain('may not read label of backup');
  });

  test('is gone round for drift that is held, by a stand-in that has not drifted', async () => {
    balance = await startBalance((dir) => pool(dir, { needs: [need({ onDrift: 'hold' })] }));
    const shifted = (region: string) => file(region, (id) => (id % 10 === 0 ? id % 100 : 150));
    balance.write('backup.csv', file('own'));
    balance.write('events.csv', file('own'));
    await balance.cycle();
    balance.write('events.csv', shifted('own'));
    const routed = await balance.cycle();
    expect(delivered(routed)).toMatchObject({ served: 'read', verdict: 'pass', rows: 200 });
    expect(delivered(routed).report).toMatchObject({
      routed: { dataset: 'backup', reason: expect.stringContaining('value is not what trainer was last given') },
    });
    const values = await balance.rowsOf(routed, 'trainer/all');
    expect(values.every(({ id, value }) => Number(value) === Number(id) % 100)).toBe(true);
    expect(await balance.replays(routed)).toBe(true);
    // One that drifted as well is no better: the last good delivery stands in.
    balance.write('backup.csv', shifted('own'));
    const kept = await balance.cycle();
    expect(delivered(kept).served).toBe('last-good');
    expect(kept.stages.flatMap(({ reasons }) => reasons).join()).toMatch(
      /value is not what trainer .*; fallback events: value is not what trainer/,
    );
  });

  test('loses no new row to a stand-in that has not got all of them yet', async () => {
    balance = await startBalance((dir) => pool(dir, { needs: [need({ rows: 'new' })] }));
    balance.write('backup.csv', file('backup').slice(0, 2_900));
    balance.write('events.csv', file('own'));
    const cycles = [await balance.cycle()];
    balance.write('events.csv', broken('own'));
    const lagging = await balance.cycle();
    expect(lagging.requests[0]).toMatchObject({ delivery: null });
    expect(JSON.stringify(lagging.requests[0])).toContain('fallback backup: it has 19 of the 60 rows');
    expect(await balance.replays(lagging)).toBe(true);
    balance.write('events.csv', file('own'));
    cycles.push(await balance.cycle());
    const rows = await Promise.all(cycles.map((cycle) => balance.rowsOf(cycle, 'trainer/all')));
    const ids = rows.flat().map(({ id }) => Number(id));
    expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: 180 }, (_, i) => 2_821 + i));
  });

  test('hands out each new row once, from wherever it came', async () => {
    balance = await startBalance((dir) => pool(dir, { needs: [need({ rows: 'new' })] }));
    balance.write('backup.csv', file('backup'));
    balance.write('events.csv', file('own'));
    const cycles = [await balance.cycle()];
    balance.write('events.csv', broken('own'));
    cycles.push(await balance.cycle());
    balance.write('events.csv', file('own'));
    cycles.push(await balance.cycle());
    const rows = await Promise.all(cycles.map((cycle) => balance.rowsOf(cycle, 'trainer/all')));
    expect(rows.map(([{ region }]) => region)).toEqual(['own', 'backup', 'own']);
    const ids = rows.flat().map(({ id }) => Number(id));
    expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: 180 }, (_, i) => 2_821 + i));
    expect(cycles[2].stages.flatMap(({ reasons }) => reasons).join()).not.toContain('lateness');
  });
});

test('a dataset that rests holds its new rows for whom they are, and loses none', async () => {
  const needs = [need(), need({ id: 'fresh', rows: 'new' })];
  balance = await startBalance((dir) => pool(dir, { needs }));
  balance.write('backup.csv', file('backup'));
  balance.write('events.csv', file('own'));
  const cycles = [await balance.cycle()];
  // A backup that lags behind: the new rows stay where they are, the others come from it.
  balance.write('backup.csv', file('backup').slice(0, 2_800));
  balance.write('events.csv', broken('own'));
  cycles.push(await balance.cycle());
  const told = cycles[1].stages.flatMap(({ reasons }) => reasons).join('\n');
  expect(told).toMatch(/events rests for 1 cycle/);

  balance.write('events.csv', file('own'));
  const rested = await balance.cycle();
  cycles.push(rested);
  expect(await balance.replays(rested)).toBe(true);
  expect(await regionsOf(rested)).toEqual(['backup']);
  const fresh = rested.requests.find(({ needId }) => needId === 'trainer/fresh')!;
  expect(fresh.delivery).toBeNull();
  expect(rested.stages.flatMap(({ reasons }) => reasons).join('\n')).toMatch(
    /events rests, .* its new rows are held for trainer\/fresh/,
  );
  cycles.push(await balance.cycle());
  const rows = await Promise.all(
    cycles.map(async (cycle) => {
      const has = cycle.requests.some((one) => one.needId === 'trainer/fresh' && one.delivery !== null);
      return has ? balance.rowsOf(cycle, 'trainer/fresh') : [];
    }),
  );
  expect(rows.map(({ length }) => length)).toEqual([60, 0, 0, 180]);
  const ids = rows.flat().map(({ id }) => Number(id));
  expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: 240 }, (_, i) => 2_821 + i));
  expect(rows.flat().every(({ region }) => region === 'own')).toBe(true);
});

const request = { model: 'trainer', dataset: 'events', fields: ['id', 'region', 'value'], rows: 200 };
const answers = async (): Promise<number> => {
  const [{ count }] = await balance.database.sql<{ count: number }[]>`select count(*)::int as count from cache_entries`;
  return count;
};

test('what was kept back answers nobody else from the cache, nor does what stood in for it', async () => {
  balance = await startBalance((dir) => pool(dir, { needs: [] }));
  balance.write('backup.csv', broken('backup'));
  balance.write('events.csv', broken('own'));
  const bad = await balance.client.request(request);
  await expect(balance.client.waitForDelivery(bad.id)).rejects.toMatchObject({ type: 'Quarantined' });
  balance.write('backup.csv', file('backup'));
  const stoodIn = await balance.client.request({ ...request, maxAgeMs: 2 * HOUR });
  expect((await balance.client.waitForDelivery(stoodIn.id)).report).toMatchObject({ routed: { dataset: 'backup' } });
  const rested = await balance.client.request({ ...request, maxAgeMs: 2 * HOUR });
  expect((await balance.client.waitForDelivery(rested.id)).report).toMatchObject({ routed: { attempt: null } });
  expect(await answers()).toBe(0);
  balance.write('events.csv', file('mended'));
  for (const served of ['read', 'cache']) {
    const { id } = await balance.client.request({ ...request, maxAgeMs: 2 * HOUR });
    const delivery = await balance.client.waitForDelivery(id);
    expect(delivery).toMatchObject({ verdict: 'pass', rows: 200, served });
    expect(delivery.report).not.toHaveProperty('routed');
  }
  expect(await answers()).toBe(1);
});

test('a cached result that is no good any more is read again, past the cache, and the new one takes its place', async () => {
  const promising = (dir: string, maxDuplicateFraction: number): PoolInput => {
    const plain = pool(dir, { needs: [] }) as { readonly datasets: { readonly events: object } };
    const { datasets } = plain;
    return { ...plain, datasets: { ...datasets, events: { ...datasets.events, maxDuplicateFraction } } };
  };
  balance = await startBalance((dir) => promising(dir, 1));
  balance.write('backup.csv', file('backup'));
  balance.write(
    'events.csv',
    file('own').map((row) => ({ ...row, id: Math.floor(Number(row.id) / 4) })),
  );
  const first = await balance.client.request(request);
  expect(await balance.client.waitForDelivery(first.id)).toMatchObject({ verdict: 'pass' });
  // The time of the pool moves on by a step.
  await balance.cycle();
  await balance.apply(promising(balance.dir, 0.01));
  balance.write('events.csv', file('mended'));
  for (const report of [{ routed: { kind: 'refetch', dataset: 'events', reason: expect.any(String) } }, {}]) {
    const { id } = await balance.client.request({ ...request, maxAgeMs: 2 * HOUR });
    const delivery = await balance.client.waitForDelivery(id);
    expect(delivery).toMatchObject({ verdict: 'pass', rows: 200, report });
    // It is as old as its rows are, not as the cached ones that it stands for.
    expect(delivery.asOf.getTime()).toBe(START + 49 * HOUR);
  }
  expect(await answers()).toBe(1);
});

test('rows that refer to nothing stay kept back, however often they are asked for', async () => {
  balance = await startBalance((dir) => {
    const plain = pool(dir, { needs: [] }) as { readonly datasets: { readonly events: object } };
    const { events } = plain.datasets;
    const regions = { source: 'lake', path: 'regions.csv' };
    return {
      ...plain,
      datasets: { ...plain.datasets, events: { ...events, references: ['region -> regions.name'] }, regions },
    };
  });
  balance.write('backup.csv', file('backup'));
  balance.write('events.csv', file('own'));
  balance.write('regions.csv', [{ name: 'another' }]);
  for (const more of [{}, { maxAgeMs: 2 * HOUR }]) {
    const { id } = await balance.client.request({ ...request, ...more });
    await expect(balance.client.waitForDelivery(id)).rejects.toMatchObject({ type: 'Quarantined' });
  }
  // Only rows that refer to what is there help.
  balance.write('backup.csv', file('another'));
  const { id } = await balance.client.request({ ...request, key: 'again' });
  const { report } = await balance.client.waitForDelivery(id);
  expect(report).toMatchObject({
    routed: { kind: 'fallback', reason: expect.stringContaining('refer to what regions') },
  });
});
