/** No quality finding is decoration: each test changes only what one of them finds, and sees other rows reach the model. */
import { afterEach, describe, expect, test } from 'vitest';
import { renderDecision, renderDetails } from '../../cli/render.js';
import type { CorrectionRecord } from '../../domain/decision/quality/quality-inputs.js';
import { createDecisionStore, type Explanation } from '../../db/decision-store.js';
import { startBalance, type CsvRow, type PoolInput, type TestBalance } from '../support/balance.js';

const START = Date.parse('2020-01-01T00:00:00Z');
const HOUR = 3_600_000;

interface Event {
  readonly id: number;
  readonly label: string;
  readonly value: number | null;
  readonly region: string;
}
/** 6,000 events, one a minute: a tenth of them rare, values spread over a hundred, three regions. */
function events(change: (row: Event) => Partial<Record<keyof Event, CsvRow[string]>> = () => ({})): CsvRow[] {
  return Array.from({ length: 6_000 }, (_, id) => {
    const row = { id, label: id % 10 === 0 ? 'rare' : 'common', value: (id * 37) % 100, region: 'abc'[id % 3] };
    return { at: new Date(START + id * 60_000).toISOString(), ...row, ...change(row) };
  });
}
const need = (more: object) => ({
  id: 'all',
  dataset: 'events',
  fields: ['id', 'label', 'value', 'region'],
  rows: 600,
  ...more,
});
const models = (more: object = {}) => ({ trainer: { kind: 'training', needs: [need(more)] } });

function pool(dir: string, change: { models?: object; dataset?: object; step?: string } = {}): PoolInput {
  return {
    clock: { kind: 'replay', start: new Date(START + 48 * HOUR).toISOString(), step: change.step ?? '1h' },
    sources: { lake: { kind: 'files', root: dir } },
    datasets: { events: { source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at', ...change.dataset } },
    models: change.models ?? models(),
  };
}

let balance: TestBalance;
afterEach(() => balance.stop());

interface Report {
  readonly reason: string;
  readonly findings: readonly { readonly kind: string; readonly column?: string; readonly severity: string }[];
}
const delivered = (explanation: Explanation) => explanation.requests[0].delivery!;
const report = (explanation: Explanation) => delivered(explanation).report as Report;

describe('drift from what the model was last given in good order', () => {
  const shifted = () => events(({ value }) => ({ value: value! + 30 }));

  test('degrades the delivery, and is the new normal after three of them', async () => {
    balance = await startBalance((dir) => pool(dir));
    balance.write('events.csv', events());
    const first = await balance.cycle();
    const stable = await balance.cycle();
    expect([delivered(first).verdict, delivered(stable).verdict]).toEqual(['pass', 'pass']);

    balance.write('events.csv', shifted());
    const drifted = await balance.cycle();
    expect(delivered(drifted).verdict).toBe('degrade');
    expect(report(drifted).findings.map(({ kind, column }) => [kind, column])).toEqual([['drift', 'value']]);
    expect(report(drifted).reason).toContain('value is not what trainer was last given in good order');
    expect(await balance.replays(drifted)).toBe(true);

    const verdicts = [await balance.cycle(), await balance.cycle(), await balance.cycle()].map(
      (one) => delivered(one).verdict,
    );
    expect(verdicts).toEqual(['degrade', 'degrade', 'pass']);
  });

  test('is held back where the need says so: the last good delivery stands in', async () => {
    balance = await startBalance((dir) => pool(dir, { models: models({ onDrift: 'hold' }) }));
    balance.write('events.csv', events());
    const good = await balance.cycle();
    balance.write('events.csv', shifted());
    const held = await balance.cycle();
    expect(delivered(held)).toMatchObject({ served: 'last-good', path: delivered(good).path });
  });

  test('no delivery of another question stands in: its columns may be forbidden by now', async () => {
    balance = await startBalance((dir) => pool(dir, { models: models({ onDrift: 'hold' }) }));
    balance.write('events.csv', events());
    await balance.cycle();
    await balance.apply(pool(balance.dir, { models: models({ onDrift: 'hold', fields: ['id'] }) }));
    balance.write(
      'events.csv',
      events().map((row) => ({ ...row, at: '2030-01-01T00:00:00Z' })),
    );
    const [{ delivery, state }] = (await balance.cycle()).requests;
    expect({ delivery, state }).toEqual({ delivery: null, state: 'quarantined' });
  });

  test('is told and no more where the need says so', async () => {
    balance = await startBalance((dir) => pool(dir, { models: models({ onDrift: 'pass' }) }));
    balance.write('events.csv', events());
    await balance.cycle();
    balance.write('events.csv', shifted());
    const told = await balance.cycle();
    expect(delivered(told)).toMatchObject({ served: 'read', verdict: 'pass' });
    expect(report(told).findings).toMatchObject([{ kind: 'drift', column: 'value', severity: 'note' }]);
  });

  test('a class that vanished is still wanted: its rows are missing, the delivery is degraded', async () => {
    const uniform = models({ classColumn: 'label', target: 'uniform', maxClassGap: 0.45 });
    balance = await startBalance((dir) => pool(dir, { models: uniform }));
    balance.write('events.csv', events());
    const both = await balance.cycle();
    expect(delivered(both).verdict).toBe('pass');
    balance.write(
      'events.csv',
      events(() => ({ label: 'common' })),
    );
    const gone = await balance.cycle();
    expect(delivered(gone).verdict).toBe('degrade');
    expect(report(gone)).toMatchObject({ classShortfall: { rare: 300 } });
    expect(report(gone).findings).toContainEqual(expect.objectContaining({ kind: 'class-missing', column: 'rare' }));
    expect(gone.stages[0].reasons.join()).toContain('misses 300 of rare');
    expect(await balance.replays(gone)).toBe(true);
  });
});

describe('what is usual of a metric', () => {
  test('fewer values than ever before degrade a delivery though nothing was declared', async () => {
    balance = await startBalance((dir) => pool(dir, { step: '10m', models: models({ onDrift: 'pass' }) }));
    const sparse = (every: number) => events((row) => ({ value: row.id % every === 0 ? null : row.value }));
    balance.write('events.csv', sparse(50));
    // Twenty earlier deliveries, by their history alone.
    const { tenant, pool: name } = balance.pool;
    await balance.database.sql`
      insert into metric_history (tenant, pool, metric, subject, at_ms, value)
      select ${tenant}, ${name}, 'quality:completeness', 'trainer/all/value', ${START}::bigint + i * 60000, 0.98 + 0.001 * (i % 3)
      from generate_series(1, 20) i`;
    const usual = await balance.cycle();
    expect(delivered(usual).verdict).toBe('pass');
    balance.write('events.csv', sparse(5));
    const unusual = await balance.cycle();
    expect(delivered(unusual).verdict).toBe('degrade');
    expect(report(unusual).findings).toContainEqual(
      expect.objectContaining({ kind: 'unusual-missing', column: 'value', severity: 'degrade' }),
    );
    expect(report(unusual).reason).toMatch(/value lacks values: \S+ % where \S+ % is usual/);
    expect(await balance.replays(unusual)).toBe(true);
  });
});

describe('the profile of a dataset', () => {
  test('costs each cycle what has arrived since the last, is explained, and a part of the past is read anew', async () => {
    balance = await startBalance((dir) => pool(dir, { models: models({ onDrift: 'pass' }) }));
    balance.write('events.csv', events());
    const cycles = [await balance.cycle(), await balance.cycle()];
    balance.write(
      'events.csv',
      events(({ id, value }) => ({ value: id === 7 ? 99 : value })),
    );
    cycles.push(await balance.cycle());
    expect(cycles.map(({ profiles }) => [profiles.events.rows, profiles.events.run])).toEqual([
      [2_881, { kind: 'full', rowsRead: 2_881, reason: 'it is the first profile' }],
      [2_941, { kind: 'new-rows', rowsRead: 60, reason: null }],
      [
        3_001,
        { kind: 'full', rowsRead: 3_001, reason: expect.stringMatching(/^rows with an event time up to .* changed$/) },
      ],
    ]);
    expect(cycles[1].profiles.events.columns.label).toMatchObject({ rows: 2_941, distinct: 2, inferredType: 'string' });
    expect(await balance.replays(cycles[1])).toBe(true);
    const told = renderDetails(cycles[1]);
    expect(told).toMatch(/events +2941 +60 rows read \(new-rows\) +id +integer +100 % +29\d\d/);
    expect(renderDetails(cycles[2])).toMatch(
      /events +3001 +3001 rows read \(full: rows with an event time up to \S+ changed\)/,
    );
    // How a profile came about is no finding about the data.
    const short = cycles.map((cycle) => renderDecision(cycle, { cacheDir: '', namespace: 'default' }));
    expect(short.filter((text) => text.includes('profile'))).toEqual([]);
    const unprofiled = { events: 'its profile took longer than 10 s' };
    const without = { ...cycles[2], profiles: {}, unprofiled };
    expect(renderDecision(without, { cacheDir: '', namespace: 'default' })).toContain(
      'Not profiled\n  events: its profile took longer than 10 s',
    );
  });

  test('finds values that are missing in spelling only, and makes their need more critical', async () => {
    const needs = models({ critical: 1, minCompleteness: 0.95, fields: ['id', 'value'] });
    const criticality = async (missing: string | null) => {
      balance.write(
        'events.csv',
        events(({ id, value }) => ({ value: id % 4 === 0 ? value : missing })),
      );
      const cycle = await balance.cycle();
      const stages = await createDecisionStore(balance.database.db).decisionStages(balance.pool, cycle.decision.id);
      const { criticality: of } = stages[0].outcome as { criticality: Record<string, number> };
      return { reasons: cycle.stages[0].reasons.join(), critical: Object.values(of)[0] };
    };
    balance = await startBalance((dir) => pool(dir, { models: needs }));
    const sound = await criticality('3');
    const spelt = await criticality('n/a');
    expect(sound.reasons).not.toContain('spells a missing value');
    expect(spelt.reasons).toContain('75 % of value of events is blank or spells a missing value');
    expect(spelt.critical).toBeGreaterThan(sound.critical + 0.1);
  });
});

describe('segments', () => {
  test('too few rows of a combination make the need more critical, and are asked for', async () => {
    const declared = models({ critical: 1, segments: ['label', 'region'], rows: 100 });
    balance = await startBalance((dir) => pool(dir, { models: declared, dataset: { owner: 'data@example.org' } }));
    const criticality = async (thin: (row: Event) => boolean) => {
      balance.write(
        'events.csv',
        events((row) => ({ region: thin(row) && row.id > 30 ? 'b' : row.region })),
      );
      const cycle = await balance.cycle();
      const stages = await createDecisionStore(balance.database.db).decisionStages(balance.pool, cycle.decision.id);
      const { criticality: of } = stages[0].outcome as { criticality: Record<string, number> };
      return {
        critical: Object.values(of)[0],
        reasons: cycle.stages[0].reasons.join(),
        replays: await balance.replays(cycle),
      };
    };
    const even = await criticality(() => false);
    const thin = await criticality(({ region }) => region !== 'b');
    expect(even.reasons).not.toContain('segments');
    expect(thin.reasons).toContain('4 of 6 segments of label x region have too few rows for trainer/all: common | a');
    expect(thin.critical).toBeGreaterThan(even.critical + 0.2);
    expect([even.replays, thin.replays]).toEqual([true, true]);
    expect(await balance.database.sql`select payload from outbox where kind = 'ask'`).toMatchObject([
      { payload: { owner: 'data@example.org', column: 'label x region', rows: { 'rare | a': expect.any(Number) } } },
    ]);
  });
});

describe('corrections', () => {
  const columns = { value: { min: 0, max: 200 } };
  /** Every fifth value is out of its range, whatever the row. */
  const broken = () => events(({ id, value }) => ({ value: Math.floor(id / 7) % 5 === 3 ? 9_999 : value }));
  const values = async (explanation: Explanation) =>
    (await balance.rowsOf(explanation, 'trainer/all')).map(({ value }) => value as number);

  test('rows that break the contract are dropped from the file; nothing is where the need says so', async () => {
    const needs = [need({}), need({ id: 'as-is', corrections: [] })];
    balance = await startBalance((dir) =>
      pool(dir, { models: { trainer: { kind: 'training', needs } }, dataset: { columns } }),
    );
    balance.write('events.csv', events());
    await balance.cycle();
    balance.write('events.csv', broken());
    const treated = await balance.cycle();
    const of = (needId: string) => treated.requests.find((one) => one.needId === needId)!.delivery!;
    const kept = await values(treated);
    expect(kept.length).toBe(600);
    expect(Math.max(...kept)).toBeLessThan(200);
    const asIs = await balance.rowsOf(treated, 'trainer/as-is');
    const dropped = asIs.filter(({ value }) => value === 9_999).length;
    expect(dropped).toBeGreaterThan(40);
    // As many others of the same draw come in their place: it goes on where it ended.
    expect(of('trainer/all')).toMatchObject({
      verdict: 'pass',
      report: {
        corrections: [
          `dropped ${dropped} rows (invalid of value), ${dropped} of them replaced by further rows of the draw`,
        ],
        correction: {
          ...{ action: 'drop-rows', applied: true, verdict: 'keep' },
          effect: { fault: { after: 0 }, rows: { before: 600, after: 600, replaced: dropped, why: null } },
        },
      },
    });
    const ids = new Set((await balance.rowsOf(treated, 'trainer/all')).map(({ id }) => id));
    expect(ids.size).toBe(600);
    expect(asIs.filter(({ value, id }) => value !== 9_999 && !ids.has(id))).toEqual([]);
    expect(await balance.replays(treated)).toBe(true);
    const recorded = await balance.database
      .sql`select issue, action, applied, measured_delta, predicted_delta, cost from corrections`;
    expect(recorded).toMatchObject([{ issue: 'invalid', action: 'drop-rows', applied: true }]);
    expect(recorded[0].measured_delta).toBeGreaterThan(0.1);
    // One column is at fault: the rows that will be left are known. What it takes is not, before the first has been measured.
    const correctionOf = ({ report }: { readonly report: unknown }) =>
      (report as { readonly correction: Required<CorrectionRecord> }).correction;
    const { cost, predictedEffect } = correctionOf(of('trainer/all'));
    expect(predictedEffect.rows).toEqual({ least: 600 - dropped, most: 600 - dropped });
    expect(cost).toEqual({ foreseen: null, took: { ms: expect.any(Number), bytes: expect.any(Number) } });
    expect(cost.took!.bytes).toBeGreaterThan(0);
    expect(recorded[0].cost).toEqual(cost);
    expect(renderDetails(treated)).toContain('no history yet');

    const later = await balance.cycle();
    const next = later.requests.find((one) => one.needId === 'trainer/all')!.delivery!;
    const { foreseen } = correctionOf(next).cost;
    const { predictedEffect: expected, effect } = correctionOf(next);
    const before = recorded[0].measured_delta as number;
    expect(expected.gain).toEqual({ cases: 1, delta: { mean: before, standardError: null } });
    // The decision says of the model's need what the action was to do to it, and did.
    const impact = later.decision.impact as readonly { readonly model: string; readonly actions: readonly object[] }[];
    expect(impact).toMatchObject([{ model: 'trainer', actions: [{ needId: 'trainer/all', action: 'drop-rows' }] }]);
    expect(impact[0].actions[0]).toMatchObject({ predictedEffect: expected, effect, cost: { foreseen } });
    expect(effect!.ageMs!.after).toBeGreaterThanOrEqual(expected.ageMs!.least);
    expect(renderDetails(later)).toContain(`(${before.toFixed(3)}, 1 before)`);
    expect(foreseen).toEqual({
      cases: 1,
      ms: { mean: cost.took!.ms, standardError: null },
      bytes: { mean: cost.took!.bytes, standardError: null },
    });
    expect(await balance.replays(later)).toBe(true);
  });

  test('one that does harm is rolled back and rests: here it would drop a whole class', async () => {
    balance = await startBalance((dir) => pool(dir, { dataset: { columns } }));
    balance.write('events.csv', events());
    await balance.cycle();
    balance.write(
      'events.csv',
      events(({ label, value }) => ({ value: label === 'rare' ? 9_999 : value })),
    );
    const kept = await balance.cycle();
    expect(delivered(kept)).toMatchObject({ rows: 600, verdict: 'degrade' });
    expect(delivered(kept).report).toMatchObject({ correction: { applied: false, verdict: 'roll-back' } });
    expect((await values(kept)).filter((value) => value === 9_999).length).toBeGreaterThan(30);
    const rested = await balance.cycle();
    expect(delivered(rested).report).not.toHaveProperty('correction');
  });

  test('a draw by class that lost rows gets others of the same class', async () => {
    const drawn = models({ rows: 200, classColumn: 'label', target: 'uniform' });
    balance = await startBalance((dir) => pool(dir, { models: drawn, dataset: { columns } }));
    balance.write(
      'events.csv',
      events(({ id, value }) => ({ value: id % 30 === 0 ? 9_999 : value })),
    );
    const cycle = await balance.cycle();
    expect(delivered(cycle)).toMatchObject({ rows: 200, verdict: 'pass' });
    const rows = await balance.rowsOf(cycle, 'trainer/all');
    expect(rows.filter(({ label }) => label === 'rare').length).toBe(100);
    expect(rows.every(({ value }) => value !== 9_999)).toBe(true);
    expect(await balance.replays(cycle)).toBe(true);
  });

  test('one whose class has no further row is told with the weights of the rows that are left, and what is missing', async () => {
    const drawn = models({ rows: 560, classColumn: 'label', target: 'uniform' });
    balance = await startBalance((dir) => pool(dir, { models: drawn, dataset: { columns } }));
    balance.write(
      'events.csv',
      events(({ id, value }) => ({ value: id % 30 === 0 ? 9_999 : value })),
    );
    const cycle = await balance.cycle();
    const { classQuotas, classWeights, correction } = delivered(cycle).report as Record<string, Record<string, number>>;
    expect({ classQuotas, correction }).toMatchObject({
      classQuotas: { rare: 280, common: 280 },
      correction: { action: 'drop-rows', applied: true, effect: { rows: { why: 'no further row is sound' } } },
    });
    const rows = await balance.rowsOf(cycle, 'trainer/all');
    const rare = rows.filter(({ label }) => label === 'rare').length;
    expect(rare).toBeLessThan(250);
    expect(delivered(cycle).verdict).toBe('degrade');
    expect(classWeights.rare * rare).toBeCloseTo(rows.length / 2, 9);
    expect(classWeights.common * (rows.length - rare)).toBeCloseTo(rows.length / 2, 9);
  });

  test('a mix that cannot be drawn is weighted in a column of the file, and its missing rows are asked for once', async () => {
    const needs = [
      need({ id: 'stream', rows: 'new', classColumn: 'label', target: 'uniform', corrections: ['reweight'] }),
      need({ id: 'drawn', rows: 2_000, classColumn: 'label', target: 'uniform', maxClassGap: 0.1 }),
    ];
    balance = await startBalance((dir) =>
      pool(dir, {
        models: { trainer: { kind: 'training', needs } },
        dataset: { owner: 'data@example.org' },
        step: '6h',
      }),
    );
    balance.write('events.csv', events());
    const first = await balance.cycle();
    const rows = await balance.rowsOf(first, 'trainer/stream');
    const weightOf = (label: string) =>
      rows.filter((row) => row.label === label).reduce((sum, row) => sum + (row.balance_weight as number), 0);
    expect(weightOf('rare')).toBeCloseTo(weightOf('common'), 6);
    expect(weightOf('rare') + weightOf('common')).toBeCloseTo(rows.length, 6);
    expect(first.requests.find(({ needId }) => needId === 'trainer/stream')!.delivery!.verdict).toBe('pass');
    await balance.cycle();
    const asks = await balance.database.sql<
      { payload: object }[]
    >`select payload from outbox where kind = 'ask' order by payload->>'needId'`;
    expect(asks.map(({ payload }) => payload)).toMatchObject([
      { needId: 'trainer/drawn', owner: 'data@example.org', column: 'label', rows: { rare: 711 } },
      { needId: 'trainer/stream', owner: 'data@example.org', column: 'label', rows: { rare: 144 } },
    ]);
  });
});
