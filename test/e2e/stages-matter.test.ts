/** No stage is decoration: each test changes only what one stage finds, and sees other rows reach other models. */
import { afterEach, describe, expect, test } from 'vitest';
import { startBalance, type CsvRow, type PoolInput, type TestBalance } from '../support/balance.js';

const START = Date.parse('2020-01-01T00:00:00Z');
const HOUR = 3_600_000;

/** 4,000 events, one a minute: every 20th is rare. */
function events(change: (row: { id: number; label: string; value: number | null }) => CsvRow = (row) => row) {
  return Array.from({ length: 4_000 }, (_, id) => ({
    at: new Date(START + id * 60_000).toISOString(),
    ...change({ id, label: id % 20 === 0 ? 'rare' : 'common', value: id % 100 }),
  }));
}
const need = (more: object) => ({ dataset: 'events', fields: ['id', 'label', 'value'], rows: 400, ...more });

function pool(
  dir: string,
  change: { models?: object; limits?: object; columns?: object; window?: string } = {},
): PoolInput {
  return {
    clock: { kind: 'replay', start: new Date(START + 48 * HOUR).toISOString(), step: '1h' },
    window: change.window ?? '10s',
    sources: { lake: { kind: 'files', root: dir, limits: change.limits ?? {} } },
    datasets: {
      events: { source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at', columns: change.columns ?? {} },
    },
    models: change.models ?? {
      trainer: { kind: 'training', needs: [need({ id: 'all' })] },
      server: { kind: 'serving', needs: [need({ id: 'all' })] },
    },
  };
}

let balance: TestBalance;
afterEach(() => balance.stop());

const labels = (rows: readonly Readonly<Record<string, unknown>>[]) =>
  rows.filter(({ label }) => label === 'rare').length;
const rows = (explanation: Awaited<ReturnType<TestBalance['cycle']>>, needId: string) =>
  explanation.requests.find((one) => one.needId === needId)?.delivery?.rows ?? null;

describe('each stage decides who gets which rows', () => {
  test('analyze: a mix that is off its target is drawn by class, one that is not is drawn as it comes', async () => {
    const skewed = {
      trainer: {
        kind: 'training',
        needs: [need({ id: 'all', classColumn: 'label', target: 'uniform', maxClassGap: 0.1 })],
      },
    };
    balance = await startBalance((dir) => pool(dir, { models: skewed }));
    balance.write('events.csv', events());
    const drawn = await balance.cycle();
    const byClass = labels(await balance.rowsOf(drawn, 'trainer/all'));
    const [delivery] = drawn.requests.map((one) => one.delivery!);
    expect(drawn.stages.find(({ stage }) => stage === 'analyze')?.reasons.join()).toContain('class target');
    // 2,881 rows have arrived, 145 of them rare; the mix may be off by a tenth.
    expect(byClass / delivery.rows).toBeGreaterThanOrEqual(0.39);

    balance.write(
      'events.csv',
      events((row) => ({ ...row, label: row.id % 2 === 0 ? 'rare' : 'common' })),
    );
    const natural = await balance.cycle();
    expect(rows(natural, 'trainer/all')).toBe(400);
    expect((natural.requests[0].delivery!.report as { classQuotas: unknown }).classQuotas).toBeNull();
  });

  test('predict: a peak that is coming is worked ahead of', async () => {
    // ~24 bytes a row; the source gives 400 rows and a little more in one cycle.
    const models = {
      trainer: { kind: 'training', needs: [need({ id: 'all', rows: 100 })] },
      watcher: { kind: 'serving', needs: [need({ id: 'fresh', rows: 'new' })] },
    };
    balance = await startBalance((dir) => pool(dir, { models, limits: { bytesPerSecond: '700B' } }));
    // Arrivals: 60 an hour, but 600 in every twelfth hour; the replay starts just before one.
    let id = 0;
    const bursty = Array.from({ length: 60 }, (_, hour) =>
      Array.from({ length: hour % 12 === 0 ? 600 : 60 }, (_, index, all = hour % 12 === 0 ? 600 : 60) => ({
        at: new Date(START + (hour - 12) * HOUR + (index / all) * HOUR).toISOString(),
        id: id++,
        label: 'common',
        value: 1,
      })),
    ).flat();
    balance.write('events.csv', bursty.length > 0 ? [...history(), ...bursty] : []);
    const seen: { ahead: boolean; rows: number }[] = [];
    for (let cycle = 0; cycle < 13; cycle++) {
      await balance.database.sql`delete from budgets`;
      const explanation = await balance.cycle();
      const reason = explanation.stages.find(({ stage }) => stage === 'batch')!.reasons[0];
      seen.push({ ahead: reason.includes('take up to'), rows: rows(explanation, 'trainer/all') ?? 0 });
    }
    const calm = seen.filter(({ ahead }) => !ahead);
    const before = seen.filter(({ ahead }) => ahead);
    expect(before.length).toBeGreaterThan(0);
    expect(calm.length).toBeGreaterThan(0);
    expect(Math.max(...before.map((one) => one.rows))).toBeGreaterThan(100);
    expect(Math.max(...calm.map((one) => one.rows))).toBeLessThanOrEqual(100);
  });

  test('batch: what is scarce is shared by weight, and a merged read leaves more for everybody', async () => {
    const models = (heavy: number, seed: number) => ({
      trainer: { kind: 'training', weight: heavy, needs: [need({ id: 'all', rows: 2_000 })] },
      server: { kind: 'serving', weight: 1, needs: [need({ id: 'all', rows: 2_000, seed })] },
    });
    balance = await startBalance((dir) => pool(dir, { models: models(1, 0), limits: { bytesPerSecond: '1kB' } }));
    balance.write('events.csv', events());
    const shared = await balance.cycle();
    expect(Math.abs(rows(shared, 'trainer/all')! - rows(shared, 'server/all')!)).toBeLessThanOrEqual(1);
    // Another seed draws other rows: nothing can be shared, the same budget gives each about half.
    await balance.database.sql`delete from budgets`;
    await balance.apply(pool(balance.dir, { models: models(1, 1), limits: { bytesPerSecond: '1kB' } }));
    const apart = await balance.cycle();
    expect(rows(shared, 'trainer/all')! / rows(apart, 'trainer/all')!).toBeGreaterThan(1.7);
    // Rows of their own are shared by weight; the rows of one read cost the lighter one nothing more.
    await balance.database.sql`delete from budgets`;
    await balance.apply(pool(balance.dir, { models: models(3, 1), limits: { bytesPerSecond: '1kB' } }));
    const weighted = await balance.cycle();
    expect(rows(weighted, 'trainer/all')! / rows(weighted, 'server/all')!).toBeCloseTo(3, 1);
  });

  test('quality-check: rows that break a promise are kept back, the last good delivery stands in', async () => {
    const models = { trainer: { kind: 'training', needs: [need({ id: 'all' })] } };
    balance = await startBalance((dir) => pool(dir, { models, columns: { value: { required: true } } }));
    balance.write('events.csv', events());
    const good = await balance.cycle();
    balance.write(
      'events.csv',
      events((row) => ({ ...row, value: row.id % 10 < 8 ? null : row.value })),
    );
    const bad = await balance.cycle();
    const [first, second] = [good, bad].map((one) => one.requests[0].delivery!);
    expect(first).toMatchObject({ served: 'read', verdict: 'pass' });
    expect(second).toMatchObject({ served: 'last-good', verdict: 'degrade', path: first.path });
  });

  test('coordinate: what comes after a delivery that was not good is held back', async () => {
    const models = {
      trainer: { kind: 'training', needs: [need({ id: 'first', minRows: 10 })] },
      server: { kind: 'serving', needs: [need({ id: 'second', after: ['trainer/first'] })] },
    };
    balance = await startBalance((dir) => pool(dir, { models, columns: { value: { required: true } } }));
    balance.write('events.csv', events());
    const good = await balance.cycle();
    expect(rows(good, 'server/second')).toBe(400);
    await balance.apply(
      pool(balance.dir, {
        models: {
          ...models,
          trainer: { kind: 'training', needs: [need({ id: 'first', where: 'id < 0', minRows: 10 })] },
        },
      }),
    );
    // `where` is text in the file, so that it is parsed here too: nothing matches, the first is not good.
    const held = await balance.cycle();
    expect(held.requests.find(({ needId }) => needId === 'server/second')).toMatchObject({
      state: 'refused',
      delivery: null,
      why: { type: 'DependencyNotMet' },
    });
  });
});

/** Ten days of the same rhythm before the replay starts: a history to forecast from. */
function history() {
  let id = -1_000_000;
  return Array.from({ length: 240 }, (_, hour) => {
    const count = (hour - 240) % 12 === 0 ? 600 : 60;
    return Array.from({ length: count }, (_, index) => ({
      at: new Date(START + (hour - 252) * HOUR + (index / count) * HOUR).toISOString(),
      id: id++,
      label: 'common',
      value: 1,
    }));
  }).flat();
}
