/** Standing needs over many cycles: every new row reaches its model exactly once, and what scarcity kept back is made up for. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Explanation } from '../../db/decision-store.js';
import type { CsvRow, TestBalance } from '../support/balance.js';
import { ARRIVED, EVENTS, HOUR, smallPool, START, startSmall, wrongs, type Change } from './small-pool.js';

let balance: TestBalance;
afterEach(async () => {
  expect(await wrongs(balance)).toEqual([]);
  await balance.stop();
});

const need = (more: object) => ({ id: 'all', dataset: 'events', fields: ['id', 'at'], ...more });
const board = (...needs: object[]) => ({ board: { kind: 'serving', needs } });
const start = async (change: Change) => void ({ balance } = await startSmall(change));
const idsOf = async (explanation: Explanation, needId = 'board/all') =>
  (await balance.rowsOf(explanation, needId)).map(({ id }) => Number(id)).sort((a, b) => a - b);
/** A cycle that finds the bucket full. */
const freshCycle = async () => {
  await balance.database.sql`delete from budgets`;
  return balance.cycle();
};
const minute = (id: number) => new Date(START + id * 60_000).toISOString();
const last = ARRIVED.length - 1;
const hours = (from: number, to: number) =>
  Array.from({ length: (to - from) * 60 }, (_, i) => last + from * 60 + 1 + i);

describe('rows: new', () => {
  test('what a limit keeps back comes with later cycles: oldest first, each row exactly once', async () => {
    // An id and a time are 16 bytes: 25 rows of the 60 that arrive in each hour.
    const limits = { bytesPerSecond: '40B' };
    await start({ models: board(need({ rows: 'new' })), limits });
    const got: number[] = [];
    for (let cycle = 0; cycle < 4; cycle++) {
      const explanation = await freshCycle();
      const ids = await idsOf(explanation);
      expect(ids.length).toBeGreaterThan(0);
      expect(ids.length).toBeLessThan(60);
      expect(ids[0]).toBe(got.length === 0 ? last - 59 : got.at(-1)! + 1);
      got.push(...ids);
      const { verdict, report } = explanation.requests[0].delivery!;
      expect({ verdict, report }).toMatchObject({
        verdict: 'degrade',
        report: { grantReason: expect.stringMatching(/bytes:lake is used up; the oldest come first/) },
      });
    }
    await balance.apply(smallPool(balance.dir, { models: board(need({ rows: 'new' })) }));
    got.push(...(await idsOf(await balance.cycle())));
    expect(got).toEqual(hours(-1, 4));
    expect(await idsOf(await balance.cycle())).toEqual(hours(4, 5));
  });

  test('rows of one event time are never parted: they come together, once they waited for it', async () => {
    await start({ models: board(need({ rows: 'new' })), limits: { bytesPerSecond: '40B' } });
    // All 60 rows of an hour have the same time, and one cycle gives 25.
    balance.write(
      'events.csv',
      EVENTS.map((row) => ({ ...row, at: minute(Math.ceil(row.id / 60) * 60) })),
    );
    const seen: number[][] = [];
    for (let cycle = 0; cycle < 6; cycle++) {
      const explanation = await freshCycle();
      const [{ delivery, why }] = explanation.requests;
      if (delivery === null) expect(why).toMatchObject({ tier: 'over-quota', resource: 'bytes:lake' });
      seen.push(delivery === null ? [] : await idsOf(explanation));
    }
    const counts = seen.map(({ length }) => length);
    expect(counts.filter((count) => count > 0).length).toBeGreaterThanOrEqual(2);
    for (const count of counts) expect(count % 60).toBe(0);
    const got = seen.flat();
    expect(got).toEqual(hours(-1, got.length / 60 - 1));
  });

  test('a quarantined window is not lost: no earlier delivery stands in, the next good cycle hands it out', async () => {
    const columns = { value: { required: true } };
    const more = {
      datasets: { events: { source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at', columns } },
    };
    await start({ models: board(need({ rows: 'new', fields: ['id', 'value'] })), more });
    const good = EVENTS as unknown as readonly CsvRow[];
    expect(await idsOf(await balance.cycle())).toEqual(hours(-1, 0));
    balance.write(
      'events.csv',
      good.map((row) => ({ ...row, value: Number(row.id) > last ? null : row.value })),
    );
    expect((await balance.cycle()).requests[0]).toMatchObject({ state: 'quarantined', delivery: null });
    balance.write('events.csv', good);
    expect(await idsOf(await balance.cycle())).toEqual(hours(0, 2));
  });

  describe('a row that becomes visible late', () => {
    const dataset = (lateness?: string) => ({
      datasets: {
        events: { source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at', ...(lateness && { lateness }) },
      },
    });
    /** Event of half an hour before the second cycle's time, not there until that cycle is over. */
    const late = { ...EVENTS[last + 30], id: 99_999 };
    const withLate = [...EVENTS, late] as unknown as readonly CsvRow[];

    test('reaches its model exactly once where the dataset declares how late rows may be', async () => {
      await start({ models: board(need({ rows: 'new' })), more: dataset('2h') });
      const got = [await idsOf(await balance.cycle()), await idsOf(await balance.cycle())];
      expect(got).toEqual([hours(-3, -2), hours(-2, -1)]);
      balance.write('events.csv', withLate);
      for (let cycle = 0; cycle < 4; cycle++) got.push(await idsOf(await balance.cycle()));
      expect(got.flat().filter((id) => id === late.id)).toHaveLength(1);
      expect(got.flat().filter((id) => id !== late.id)).toEqual(hours(-3, 3));
    });

    test('is counted and told where it came later than that', async () => {
      await start({ models: board(need({ rows: 'new' })), more: dataset() });
      await balance.cycle();
      await balance.cycle();
      balance.write('events.csv', withLate);
      const explanation = await balance.cycle();
      expect(await idsOf(explanation)).toEqual(hours(1, 2));
      const { reasons } = explanation.stages.find(({ stage }) => stage === 'analyze')!;
      expect(reasons[0]).toMatch(
        /board\/all: 1 rows? with an event time up to .* declare a longer `lateness` for events/,
      );
    });
  });

  test('a change of what the need asks makes no row late: the counts of two questions say nothing about each other', async () => {
    await start({ models: board(need({ rows: 'new', where: "label = 'rare'" })) });
    await balance.cycle();
    await balance.cycle();
    await balance.apply(smallPool(balance.dir, { models: board(need({ rows: 'new' })) }));
    const changed = await balance.cycle();
    expect(await idsOf(changed)).toEqual(hours(1, 2));
    const reasonsOf = ({ stages }: Explanation) => stages.find(({ stage }) => stage === 'analyze')!.reasons.join();
    expect(reasonsOf(changed)).not.toContain('lateness');
    balance.write('events.csv', [...EVENTS, { ...EVENTS[last + 90], id: 99_999 }] as unknown as readonly CsvRow[]);
    expect(reasonsOf(await balance.cycle())).toContain('board/all: 1 rows with an event time up to');
  });

  test('rows without a readable event time are in no window: they are counted, told and asked for', async () => {
    await start({ models: board(need({ rows: 'new', where: "label = 'common'" })) });
    const broken = EVENTS.map((row) =>
      row.id % 50 === 1 && row.id < 500 ? { ...row, at: 'soon' } : row.id === 22 ? { ...row, at: null } : row,
    );
    balance.write('events.csv', broken as unknown as readonly CsvRow[]);
    const told = await balance.cycle();
    const { reasons } = told.stages.find(({ stage }) => stage === 'analyze')!;
    expect(reasons.join()).toContain('11 rows for board/all have no event time that can be read');
    expect(await balance.database.sql`select payload from outbox where kind = 'ask'`).toMatchObject([
      { payload: { needId: 'board/all', rows: { '*': 11 } } },
    ]);
    balance.write('events.csv', EVENTS as unknown as readonly CsvRow[]);
    const mended = await balance.cycle();
    expect(mended.stages.flatMap((stage) => stage.reasons).join()).not.toContain('event time that can be read');
  });

  test('a repeat of the past is a window of its own, and takes nothing from the cycles to come', async () => {
    await start({ models: board(need({ rows: 'new' })) });
    await balance.cycle();
    await balance.cycle();
    const { decisionId } = await balance.client.balanceNow({ asOfMs: START + 48 * HOUR });
    expect((await balance.closed(decisionId)).decision.trigger).toBe('backfill');
    expect(await idsOf(await balance.closed(decisionId))).toEqual(hours(-1, 0));
    expect(await idsOf(await balance.cycle())).toEqual(hours(1, 2));
  });

  test('a repeat of the past before the first cycle does not say where the cycles begin', async () => {
    await start({ models: board(need({ rows: 'new' })) });
    const { decisionId } = await balance.client.balanceNow({ asOfMs: START + 40 * HOUR });
    expect(await idsOf(await balance.closed(decisionId))).toEqual(hours(-9, -8));
    expect(await idsOf(await balance.cycle())).toEqual(hours(-1, 0));
    expect(await idsOf(await balance.cycle())).toEqual(hours(0, 1));
  });
});

test('a need of a fixed size claims in the next cycle what scarcity kept back, at most one cycle’s worth', async () => {
  const models = board(need({ rows: 100 }));
  await start({ models, limits: { bytesPerSecond: '64B' } });
  const first = (await freshCycle()).requests[0].delivery!;
  expect(first.rows).toBe(40);
  expect(first.report).toMatchObject({ grantReason: '40 of 100 rows: bytes:lake is used up; 60 are owed to it' });
  // Starved again: what is owed stays within one cycle's worth.
  const second = (await freshCycle()).requests[0].delivery!;
  expect(second.report).toMatchObject({
    grantReason: '40 of 160 rows (60 of them owed by earlier cycles): bytes:lake is used up; 100 are owed to it',
  });
  await balance.apply(smallPool(balance.dir, { models }));
  const third = (await balance.cycle()).requests[0].delivery!;
  expect(third).toMatchObject({ rows: 200, verdict: 'pass' });
  expect((await balance.cycle()).requests[0].delivery!.rows).toBe(100);
});
