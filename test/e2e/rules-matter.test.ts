/** What is declared between columns and between datasets decides which rows reach the model; without it they come through. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Explanation } from '../../db/decision-store.js';
import { startBalance, type CsvRow, type PoolInput, type TestBalance } from '../support/balance.js';

const START = Date.parse('2020-01-01T00:00:00Z');
const HOUR = 3_600_000;

/** 2,000 trips, one a minute; each arrives later than it departs. */
function trips(change: (id: number) => Readonly<Record<string, CsvRow[string] | undefined>> = () => ({})): CsvRow[] {
  return Array.from({ length: 2_000 }, (_, id) => {
    const departs = (id * 37) % 1_000;
    const row = { id, departs, arrives: departs + 30 + ((id * 11) % 60), customer: id % 50 };
    return { at: new Date(START + id * 60_000).toISOString(), ...row, ...change(id) };
  });
}

function pool(dir: string, dataset: object = {}, more: object = {}): PoolInput {
  const fields = ['id', 'departs', 'arrives', 'customer'];
  const need = { id: 'all', dataset: 'trips', fields, rows: 400, onDrift: 'pass' };
  return {
    clock: { kind: 'replay', start: new Date(START + 48 * HOUR).toISOString(), step: '1h' },
    sources: { lake: { kind: 'files', root: dir } },
    datasets: { trips: { source: 'lake', path: 'trips.csv', key: ['id'], eventTime: 'at', ...dataset }, ...more },
    models: { planner: { kind: 'training', needs: [need] } },
  };
}

let balance: TestBalance;
afterEach(() => balance.stop());

const delivered = (explanation: Explanation) => explanation.requests[0].delivery!;

describe('rules between columns', () => {
  const rules = ['arrives >= departs'];
  /** One trip in seven arrives before it departs: every value by itself is a usual one. */
  const swapped = () => trips((id) => (id % 7 === 3 ? { departs: 700, arrives: 100 + (id % 60) } : {}));
  const impossible = async (explanation: Explanation) =>
    (await balance.rowsOf(explanation, 'planner/all')).filter(
      ({ departs, arrives }) => (arrives as number) < (departs as number),
    ).length;

  test('rows that break one are dropped; where none is declared they reach the model', async () => {
    balance = await startBalance((dir) => pool(dir, { rules }));
    balance.write('trips.csv', swapped());
    const treated = await balance.cycle();
    expect(await impossible(treated)).toBe(0);
    expect(delivered(treated)).toMatchObject({ rows: 400, verdict: 'pass' });
    expect(delivered(treated).report).toMatchObject({
      corrections: [
        expect.stringMatching(/^dropped \d+ rows \(rule arrives >= departs\), \d+ of them replaced by further rows/),
      ],
      correction: { action: 'drop-rows', issue: 'rule', rules, applied: true, effect: { fault: { after: 0 } } },
    });
    expect(await balance.replays(treated)).toBe(true);

    await balance.apply(pool(balance.dir));
    const plain = await balance.cycle();
    expect(delivered(plain)).toMatchObject({ rows: 400, verdict: 'pass' });
    expect(await impossible(plain)).toBeGreaterThan(40);
  });

  test('degrade a delivery that may not be corrected, with the share; the limit is the dataset’s', async () => {
    balance = await startBalance((dir) => pool(dir, { rules, corrections: [] }));
    balance.write('trips.csv', swapped());
    const degraded = await balance.cycle();
    expect(delivered(degraded).verdict).toBe('degrade');
    expect(delivered(degraded).report).toMatchObject({
      findings: [{ kind: 'rule-breach', rule: rules[0], severity: 'degrade', expected: 'at most 5 % of the rows' }],
      reason: expect.stringMatching(/^\d+ rows break the rule arrives >= departs$/),
    });
    await balance.apply(pool(balance.dir, { rules, corrections: [], maxInconsistentFraction: 0.2 }));
    expect(delivered(await balance.cycle()).verdict).toBe('pass');
  });

  test('a rule on a column that is not there is told, and nothing is handed out unjudged', async () => {
    balance = await startBalance((dir) => pool(dir, { rules: ['arrives >= departed'] }));
    balance.write('trips.csv', trips());
    const refused = await balance.cycle();
    expect(refused.requests[0]).toMatchObject({ delivery: null });
    expect(JSON.stringify(refused.requests[0])).toContain('rule arrives >= departed: no column');
  });
});

describe('a promise that is newer than a cached result', () => {
  test('is what the rows are judged by: they are read again, and once', async () => {
    const promised = (columns: object): PoolInput => pool(balance.dir, { columns, corrections: [] });
    balance = await startBalance((dir) => pool(dir, { corrections: [] }));
    balance.write('trips.csv', trips());
    const ask = async () => {
      const request = { model: 'planner', dataset: 'trips', fields: ['id', 'customer'], rows: 300, maxAgeMs: 2 * HOUR };
      const { id } = await balance.client.request(request);
      const { served, verdict, report } = await balance.client.waitForDelivery(id);
      const findings = report.findings as readonly { readonly kind: string; readonly column?: string }[];
      return [served, verdict, ...findings.map(({ kind, column }) => `${kind} ${column}`)];
    };
    expect(await ask()).toEqual(['read', 'pass']);
    expect(await ask()).toEqual(['cache', 'pass']);
    // One customer in ten breaks it: counted under no promise, none did.
    await balance.apply(promised({ customer: { max: 44 } }));
    expect(await ask()).toEqual(['read', 'degrade', 'invalid-values customer']);
    expect(await ask()).toEqual(['cache', 'degrade', 'invalid-values customer']);
    // A looser one takes nothing from them, and one of a column that was not asked changes nothing.
    await balance.apply(promised({ customer: { max: 49 } }));
    expect(await ask()).toEqual(['read', 'pass']);
    await balance.apply(promised({ customer: { max: 49 }, departs: { max: 10 } }));
    expect(await ask()).toEqual(['cache', 'pass']);
  });
});

describe('references between datasets', () => {
  const references = ['customer -> customers.no'];
  const customers = (count: number) =>
    Array.from({ length: count }, (_, no) => ({ no, since: new Date(START - HOUR).toISOString() }));
  const dataset = { source: 'lake', path: 'customers.csv', eventTime: 'since' };

  test('rows that refer to nothing degrade a delivery, most of them keep it back; undeclared they pass', async () => {
    balance = await startBalance((dir) => pool(dir, { references }, { customers: dataset }));
    balance.write('trips.csv', trips());
    balance.write('customers.csv', customers(50));
    expect(delivered(await balance.cycle()).verdict).toBe('pass');

    balance.write('customers.csv', customers(40));
    const degraded = await balance.cycle();
    expect(delivered(degraded)).toMatchObject({
      verdict: 'degrade',
      report: {
        findings: [{ kind: 'orphan-rows', rule: references[0], severity: 'degrade' }],
        reason: expect.stringMatching(
          /^\d+ rows refer to what customers does not have \(customer -> customers.no\), for example 4\d; 4\d; 4\d$/,
        ),
      },
    });
    expect(await balance.replays(degraded)).toBe(true);

    balance.write('customers.csv', customers(10));
    const held = await balance.cycle();
    expect(delivered(held)).toMatchObject({ served: 'last-good' });

    await balance.apply(pool(balance.dir));
    expect(delivered(await balance.cycle())).toMatchObject({ served: 'read', verdict: 'pass' });
  });

  test('what is judged of a corrected delivery are the references of the rows that it has', async () => {
    const columns = { customer: { max: 49 }, departs: { max: 1_000 } };
    balance = await startBalance((dir) => pool(dir, { references, columns }, { customers: dataset }));
    balance.write('customers.csv', customers(50));
    const isOdd = (id: number): boolean => Math.floor(id / 7) % 8 === 3;
    const kinds = (explanation: Explanation) =>
      (delivered(explanation).report as { findings: { kind: string }[] }).findings.map(({ kind }) => kind);
    balance.write(
      'trips.csv',
      trips((id) => (isOdd(id) ? { customer: 777 } : {})),
    );
    const mended = await balance.cycle();
    expect(delivered(mended)).toMatchObject({ report: { correction: { action: 'drop-rows', applied: true } } });
    expect(kinds(mended)).not.toContain('orphan-rows');
    expect((await balance.rowsOf(mended, 'planner/all')).every(({ customer }) => customer !== 777)).toBe(true);
    expect(await balance.replays(mended)).toBe(true);

    // The rows that are dropped refer to somebody; those that refer to nobody stay.
    balance.write('customers.csv', customers(40));
    balance.write(
      'trips.csv',
      trips((id) => (isOdd(id) ? { departs: 7_777, customer: 0 } : {})),
    );
    const other = await balance.cycle();
    const rows = await balance.rowsOf(other, 'planner/all');
    const orphans = rows.filter(({ customer }) => (customer as number) >= 40).length;
    expect(delivered(other)).toMatchObject({ verdict: 'degrade', report: { correction: { applied: true } } });
    expect(rows.every(({ departs }) => departs !== 7_777)).toBe(true);
    expect(delivered(other).report).toMatchObject({
      findings: expect.arrayContaining([
        expect.objectContaining({
          kind: 'orphan-rows',
          message: expect.stringMatching(new RegExp(`^${orphans} rows refer to what customers`)),
          got: `${Number(((100 * orphans) / rows.length).toFixed(2))} % of the rows`,
        }),
      ]),
    });
  });

  test('a finding names no value of a restricted column, on either side', async () => {
    const restricted = (name: string) => ({ columns: { [name]: { sensitivity: 'restricted' } } });
    const reader = (input: PoolInput): PoolInput => {
      const given = input as { models: { planner: object } };
      return { ...given, models: { planner: { ...given.models.planner, mayRead: ['trips.customer'] } } };
    };
    const own = { references, ...restricted('customer') };
    balance = await startBalance((dir) => reader(pool(dir, own, { customers: dataset })));
    balance.write('trips.csv', trips());
    balance.write('customers.csv', customers(40));
    const reason = expect.stringMatching(
      /^\d+ rows refer to what customers does not have \(customer -> customers.no\)$/,
    );
    expect(delivered(await balance.cycle())).toMatchObject({ verdict: 'degrade', report: { reason } });
    const other = { customers: { ...dataset, ...restricted('no') } };
    await balance.apply(reader(pool(balance.dir, { references }, other)));
    expect(delivered(await balance.cycle())).toMatchObject({ verdict: 'degrade', report: { reason } });
  });

  test('what had not arrived yet is not there, and a dataset that cannot be read is told', async () => {
    balance = await startBalance((dir) => pool(dir, { references }, { customers: dataset }));
    balance.write('trips.csv', trips());
    const late = customers(50).map((row) => (row.no < 40 ? row : { ...row, since: '2030-01-01T00:00:00Z' }));
    balance.write('customers.csv', late);
    expect(delivered(await balance.cycle()).report).toMatchObject({ findings: [{ kind: 'orphan-rows' }] });
    balance.write(
      'customers.csv',
      customers(50).map(({ no, since }) => ({ number: no, since })),
    );
    const unknown = await balance.cycle();
    expect(delivered(unknown)).toMatchObject({
      verdict: 'degrade',
      report: {
        findings: [{ kind: 'orphans-unknown', severity: 'degrade', got: 'unknown' }],
        reason: 'whether customer -> customers.no holds is not known: no column "no"',
      },
    });
  });
});

describe('repairs of what is certain', () => {
  const columns = { departs: { type: 'number', unit: 'min', min: 0, max: 1_000 } };
  /** In one row of five, whatever else is in it, the number has its unit behind it. */
  const isSuffixed = (id: number): boolean => Math.floor(id / 7) % 5 === 3;
  const suffixed = () => trips((id) => (isSuffixed(id) ? { departs: `${(id * 37) % 1_000} min` } : {}));
  const truth = new Map(trips().map(({ id, departs }) => [id, departs]));

  test('a declared unit is taken off, flagged, and the row reaches the model as a number', async () => {
    balance = await startBalance((dir) => pool(dir, { columns, corrections: ['repair'] }));
    balance.write('trips.csv', trips());
    await balance.cycle();
    balance.write('trips.csv', suffixed());
    const treated = await balance.cycle();
    const rows = await balance.rowsOf(treated, 'planner/all');
    expect(rows).toHaveLength(400);
    for (const { id, departs, departs_repaired: flag } of rows) {
      expect(departs).toBe(truth.get(id as number));
      expect(flag).toBe(isSuffixed(id as number));
    }
    expect(delivered(treated)).toMatchObject({
      verdict: 'pass',
      report: {
        corrections: [expect.stringMatching(/^repaired \d+ cells of departs, flagged in departs_repaired$/)],
        correction: {
          action: 'repair',
          applied: true,
          effect: { rows: { before: 400, after: 400 }, fault: { after: 0 } },
        },
      },
    });
    expect(await balance.replays(treated)).toBe(true);
  });

  test('rows with a unit are dropped where that is what may be done, and come through where nothing may', async () => {
    balance = await startBalance((dir) => pool(dir, { columns, corrections: ['drop-rows'] }));
    balance.write('trips.csv', trips());
    await balance.cycle();
    balance.write('trips.csv', suffixed());
    const treated = await balance.cycle();
    const suffixedOf = async (explanation: Explanation) =>
      (await balance.rowsOf(explanation, 'planner/all')).filter(({ id }) => isSuffixed(id as number));
    expect(delivered(treated).report).toMatchObject({
      correction: { action: 'drop-rows', applied: true, effect: { fault: { after: 0 } } },
    });
    expect(await suffixedOf(treated)).toEqual([]);
    for (const { id, departs } of await balance.rowsOf(treated, 'planner/all'))
      expect(departs).toBe(truth.get(id as number));
    expect(await balance.replays(treated)).toBe(true);

    await balance.apply(pool(balance.dir, { columns, corrections: [] }));
    const plain = await balance.cycle();
    expect(delivered(plain).verdict).toBe('degrade');
    const untreated = await suffixedOf(plain);
    expect(untreated.length).toBeGreaterThan(60);
    for (const { id, departs } of untreated) expect(departs).toBe(`${truth.get(id as number)} min`);
  });

  test('where most rows have a unit they are repaired, and without a correction kept back', async () => {
    const most = () => trips((id) => (id % 5 === 3 ? {} : { departs: `${(id * 37) % 1_000} min` }));
    balance = await startBalance((dir) => pool(dir, { columns, corrections: ['drop-rows'] }));
    balance.write('trips.csv', most());
    const held = await balance.cycle();
    expect(held.requests[0]).toMatchObject({ state: 'quarantined', delivery: null });

    await balance.apply(pool(balance.dir, { columns, corrections: ['drop-rows', 'repair'] }));
    const repaired = await balance.cycle();
    expect(delivered(repaired)).toMatchObject({ rows: 400, verdict: 'pass' });
    for (const { id, departs } of await balance.rowsOf(repaired, 'planner/all'))
      expect(departs).toBe(truth.get(id as number));
    expect(await balance.replays(repaired)).toBe(true);
  });

  test('what is not certain stays as it is and degrades the delivery', async () => {
    balance = await startBalance((dir) => pool(dir, { columns, corrections: ['repair'] }));
    balance.write(
      'trips.csv',
      trips((id) => (id % 5 === 2 ? { departs: `${id % 10} h` } : {})),
    );
    const untreated = await balance.cycle();
    expect(delivered(untreated)).toMatchObject({
      verdict: 'degrade',
      report: { correction: { action: 'repair', applied: false, verdict: 'failed' } },
    });
  });
});
