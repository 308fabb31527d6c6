/** Deliveries with several faults at once: what is done about each decides which rows and values reach the model. */
import { afterEach, describe, expect, test } from 'vitest';
import { renderDetails } from '../../cli/render.js';
import type { Explanation } from '../../db/decision-store.js';
import type { DeliveryReport } from '../../client/index.js';
import { startBalance, type CsvRow, type PoolInput, type TestBalance } from '../support/balance.js';

const START = Date.parse('2020-01-01T00:00:00Z');
const HOUR = 3_600_000;

/** 2,000 shipments, one a minute: sizes in ounces, a city of five, a count. */
function shipments(change: (id: number) => Readonly<Record<string, CsvRow[string]>> = () => ({})): CsvRow[] {
  return Array.from({ length: 2_000 }, (_, id) => {
    const row = { id, size: (id * 37) % 90, city: 'abcde'[(id * 7) % 5], count: (id * 13) % 40 };
    return { at: new Date(START + id * 60_000).toISOString(), ...row, ...change(id) };
  });
}
const truth = new Map(shipments().map((row) => [row.id, row]));
const columns = {
  size: { type: 'number', unit: 'oz', min: 0, max: 100 },
  city: { values: ['a', 'b', 'c', 'd', 'e'] },
  count: { required: true },
};

function pool(dir: string, dataset: object = {}, need: object = {}): PoolInput {
  const fields = ['id', 'size', 'city', 'count'];
  return {
    clock: { kind: 'replay', start: new Date(START + 48 * HOUR).toISOString(), step: '1h' },
    sources: { lake: { kind: 'files', root: dir } },
    datasets: {
      shipments: { source: 'lake', path: 'shipments.csv', key: ['id'], eventTime: 'at', columns, ...dataset },
    },
    models: { planner: { kind: 'training', needs: [{ id: 'all', dataset: 'shipments', fields, rows: 400, ...need }] } },
  };
}

let balance: TestBalance;
afterEach(() => balance.stop());

const delivered = (explanation: Explanation) => explanation.requests[0].delivery!;
const reportOf = (explanation: Explanation) => delivered(explanation).report as DeliveryReport;
const rowsOf = (explanation: Explanation) => balance.rowsOf(explanation, 'planner/all');

describe('several faults of one delivery', () => {
  const isSuffixed = (id: number): boolean => Math.floor(id / 7) % 4 === 1;
  const isLost = (id: number): boolean => Math.floor(id / 11) % 9 === 4;
  const isOdd = (id: number): boolean => Math.floor(id / 13) % 9 === 7;
  const faulty = () =>
    shipments((id) => ({
      ...(isSuffixed(id) ? { size: `${(id * 37) % 90} oz` } : {}),
      ...(isLost(id) ? { count: null } : {}),
      ...(isOdd(id) ? { city: 'nowhere' } : {}),
    }));

  test('are all mended, each with what was expected and measured; without corrections they reach the model', async () => {
    balance = await startBalance((dir) => pool(dir, { corrections: ['repair', 'drop-rows', 'impute'] }));
    balance.write('shipments.csv', shipments());
    await balance.cycle();
    balance.write('shipments.csv', faulty());
    const treated = await balance.cycle();
    const { correction, furtherCorrections = [], corrections, findings } = reportOf(treated);
    const done = [correction!, ...furtherCorrections].filter(({ applied }) => applied);
    expect(done[0]).toMatchObject({ action: 'repair', issue: 'invalid' });
    expect(new Set(done.map(({ issue }) => issue))).toEqual(new Set(['invalid', 'missing']));
    expect(corrections.length).toBe(1 + furtherCorrections.length);
    for (const { predictedEffect, measuredDelta, cost } of done)
      expect([predictedEffect, measuredDelta, cost!.took]).toEqual([
        expect.anything(),
        expect.any(Number),
        expect.anything(),
      ]);
    expect(findings.filter(({ kind }) => kind === 'invalid-values' || kind === 'missing-values')).toEqual([]);
    for (const row of await rowsOf(treated)) {
      const { size, city, count } = truth.get(row.id as number)!;
      expect([row.size, row.size_repaired]).toEqual([size, isSuffixed(row.id as number)]);
      expect('abcde').toContain(row.city);
      expect(row.count).not.toBeNull();
      if (row.city_imputed !== true) expect(row.city).toBe(city);
      if (row.count_imputed !== true) expect(row.count).toBe(count);
    }
    expect(await balance.replays(treated)).toBe(true);
    const recorded = await balance.database.sql`select issue, action, step from corrections order by step`;
    expect(recorded.map(({ step }) => step as number)).toEqual(recorded.map((_, nth) => nth));
    expect(recorded.length).toBe(corrections.length);
    expect(renderDetails(treated).match(/^ *planner\/all +(repair|drop-rows|impute) /gm)).toHaveLength(recorded.length);

    await balance.apply(pool(balance.dir, { corrections: [] }));
    const plain = await balance.cycle();
    expect(delivered(plain).verdict).toBe('degrade');
    const rows = await rowsOf(plain);
    expect(rows.filter(({ id }) => isSuffixed(id as number)).every(({ size }) => String(size).endsWith(' oz'))).toBe(
      true,
    );
    expect(rows.some(({ count }) => count === null)).toBe(true);
    expect(rows.some(({ city }) => city === 'nowhere')).toBe(true);
  });
});

describe('what is promised between rows', () => {
  /** Every city has a depot of its own: `city -> count` holds but for some rows that were typed wrongly. */
  const depot: Readonly<Record<string, number>> = { a: 1, b: 2, c: 3, d: 4, e: 5 };
  const isWrong = (id: number): boolean => Math.floor(id / 11) % 9 === 4;
  const depots = () =>
    shipments((id) => {
      const city = 'abcde'[(id * 7) % 5];
      return { count: isWrong(id) ? ((depot[city] + 1) % 5) + 1 : depot[city] };
    });
  const declared = { columns: {}, dependencies: ['city -> count'] };

  test('a value that its group contradicts is repaired, dropped, or told; undeclared it reaches the model', async () => {
    balance = await startBalance((dir) => pool(dir, { ...declared, corrections: ['repair'] }));
    balance.write('shipments.csv', depots());
    const repaired = await balance.cycle();
    expect(reportOf(repaired)).toMatchObject({
      verdict: 'pass',
      correction: { action: 'repair', issue: 'rule', rules: ['city -> count'], applied: true },
      corrections: [expect.stringMatching(/^repaired \d+ cells of count, flagged in count_repaired$/)],
    });
    for (const { id, city, count, count_repaired: flag } of await rowsOf(repaired))
      expect([count, flag]).toEqual([depot[city as string], isWrong(id as number)]);
    expect(await balance.replays(repaired)).toBe(true);

    await balance.apply(pool(balance.dir, { ...declared, corrections: ['drop-rows'] }));
    const dropped = await balance.cycle();
    expect(delivered(dropped)).toMatchObject({ rows: 400, verdict: 'pass' });
    expect((await rowsOf(dropped)).some(({ id }) => isWrong(id as number))).toBe(false);

    await balance.apply(pool(balance.dir, { ...declared, corrections: [] }));
    const told = await balance.cycle();
    expect(reportOf(told)).toMatchObject({
      verdict: 'degrade',
      findings: [{ kind: 'rule-breach', rule: 'city -> count' }],
    });

    await balance.apply(pool(balance.dir, { columns: {} }));
    const plain = await balance.cycle();
    expect(delivered(plain).verdict).toBe('pass');
    expect((await rowsOf(plain)).filter(({ id }) => isWrong(id as number)).length).toBeGreaterThan(25);
  });

  test('rows after the first of the same declared values are dropped', async () => {
    balance = await startBalance((dir) => pool(dir, { columns: {}, unique: [['size', 'city', 'count']] }));
    balance.write(
      'shipments.csv',
      shipments((id) => (id % 4 === 0 ? { size: 7, city: 'a', count: 7 } : { size: id, city: 'b', count: id })),
    );
    const cycle = await balance.cycle();
    const rows = await rowsOf(cycle);
    expect(rows.filter(({ size, city, count }) => size === 7 && city === 'a' && count === 7).length).toBe(1);
    expect(delivered(cycle)).toMatchObject({ rows: 400, verdict: 'pass' });
    expect(reportOf(cycle).correction).toMatchObject({ action: 'drop-rows', rules: ['unique size, city, count'] });
  });
});
