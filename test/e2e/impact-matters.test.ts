/** What a fault of a shared table does to each model that reads it, and what was done about it and was not. */
import { afterEach, describe, expect, test } from 'vitest';
import { renderDecision, renderDetails } from '../../cli/render.js';
import type { DecisionEffects } from '../../domain/decision/coordinate/effect-record.js';
import { exactly } from '../../domain/quality/impact.js';
import type { Explanation } from '../../db/decision-store.js';
import { startBalance, type CsvRow, type TestBalance } from '../support/balance.js';

const START = Date.parse('2020-01-01T00:00:00Z');
const HOUR = 3_600_000;
const DIRTY = 9_999;

/** 6,000 events, one a minute, a tenth of them rare; every eighth value of a common one is out of range. */
function events(): CsvRow[] {
  return Array.from({ length: 6_000 }, (_, id) => {
    const label = id % 10 === 0 ? 'rare' : 'common';
    const value = label === 'common' && id % 8 === 1 ? DIRTY : (id * 37) % 100;
    return { at: new Date(START + id * 60_000).toISOString(), id, label, value, region: 'abc'[id % 3] };
  });
}

function pool(dir: string, corrections: readonly string[] = ['drop-rows']) {
  const need = (id: string, more: object) => ({ id, dataset: 'events', rows: 600, corrections, ...more });
  return {
    clock: { kind: 'replay', start: new Date(START + 48 * HOUR).toISOString(), step: '1h' },
    sources: { lake: { kind: 'files', root: dir } },
    datasets: {
      events: {
        ...{ source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at' },
        columns: { value: { max: 100 } },
      },
    },
    models: {
      pricer: {
        kind: 'training',
        needs: [need('all', { fields: ['id', 'label', 'value'], classColumn: 'label' })],
      },
      router: { kind: 'serving', needs: [need('regions', { fields: ['id', 'region'] })] },
    },
  };
}

let balance: TestBalance;
afterEach(() => balance.stop());

const shown = (cycle: Explanation) => renderDecision(cycle, { cacheDir: '', namespace: 'default' });
const effectsOf = ({ effects }: Explanation): DecisionEffects => effects!;

describe('a dirty column of a table that two models share', () => {
  test('is told to the one that reads it, by rows and classes; the other is said not to be touched', async () => {
    balance = await startBalance((dir) => pool(dir, []));
    balance.write('events.csv', events());
    const cycle = await balance.cycle();
    const rows = await balance.rowsOf(cycle, 'pricer/all');
    const dirty = rows.filter(({ value }) => value === DIRTY).length;
    expect(dirty).toBeGreaterThan(40);

    const [fault, ...others] = effectsOf(cycle).faults;
    expect(others).toEqual([]);
    expect(fault).toMatchObject({ dataset: 'events', kind: 'invalid', column: 'value' });
    expect(fault.readers.map(({ needId }) => needId)).toEqual(['pricer/all']);
    expect(fault.readers[0].effect).toMatchObject({ rows: exactly(600), hit: exactly(dirty), verdict: 'degrade' });
    expect(fault.untouched).toEqual([{ needId: 'router/regions', model: 'router', why: 'it does not use value' }]);
    const verdicts = cycle.requests.map(({ needId, delivery }) => [needId, delivery!.verdict]);
    expect(Object.fromEntries(verdicts)).toEqual({ 'pricer/all': 'degrade', 'router/regions': 'pass' });

    expect(shown(cycle)).toContain(`pricer/all: ${dirty} of 600 rows`);
    expect(shown(cycle)).toContain('router/regions: not hit (events): it does not use value');
    expect(await balance.replays(cycle)).toBe(true);
  });

  test('what was done stands beside what was not, with why, and doing nothing is what the finding says', async () => {
    balance = await startBalance((dir) => pool(dir));
    balance.write('events.csv', events());
    const cycle = await balance.cycle();
    const { faults, ways } = effectsOf(cycle);
    expect(ways.map(({ needId, issue }) => [needId, issue])).toEqual([['pricer/all', 'invalid']]);
    const of = Object.fromEntries(ways[0].ways.map((way) => [way.action, way]));
    expect(of.nothing).toMatchObject({ taken: false, effect: faults[0].readers[0].effect });
    expect(of['drop-rows']).toMatchObject({ taken: true, effect: { rows: exactly(600), hit: exactly(0) } });
    expect(of.impute).toMatchObject({ taken: false, why: 'not among the corrections that the need allows' });
    expect(of.repair).toMatchObject({ taken: false });
    expect(renderDetails(cycle)).toMatch(/drop-rows \(done\) +600 +0/);
    expect(await balance.replays(cycle)).toBe(true);
  });
});

describe('what concerns more than one model, or none', () => {
  const need = (id: string, more: object = {}) => ({
    ...{ id, dataset: 'events', rows: 600, fields: ['id', 'label'], corrections: [] },
    ...more,
  });
  const models = (pricer: object, router: object) => ({
    pricer: { kind: 'training' as const, needs: [need('all', pricer)] },
    router: { kind: 'serving' as const, needs: [need('regions', router)] },
  });

  test('a promised column without values that no model uses hits nobody, and degrades nothing', async () => {
    balance = await startBalance((dir) => {
      const { datasets, ...base } = pool(dir);
      const events = { ...datasets.events, columns: { memo: { required: true } } };
      return { ...base, datasets: { events }, models: models({}, { fields: ['id', 'region'] }) };
    });
    balance.write(
      'events.csv',
      events().map((row, at) => ({ ...row, memo: at % 2 === 0 ? null : 'seen' })),
    );
    const cycle = await balance.cycle();
    expect(cycle.requests.map(({ delivery }) => delivery!.verdict)).toEqual(['pass', 'pass']);
    expect(effectsOf(cycle)).toMatchObject({
      faults: [{ dataset: 'events', kind: 'missing', column: 'memo', readers: [] }],
      ways: [],
    });
    expect(shown(cycle)).toMatch(/nobody: memo lacks \S+ % of its values, though at least 95 % are promised/);
    expect(await balance.replays(cycle)).toBe(true);
  });

  test('rows of a class that two models lack are asked for with both: the same delivery helps them', async () => {
    const drawn = (rows: number) => ({ rows, classColumn: 'label', target: 'uniform' });
    balance = await startBalance((dir) => ({ ...pool(dir), models: models(drawn(2_000), drawn(1_000)) }));
    balance.write('events.csv', events());
    const cycle = await balance.cycle();
    const rare = 289;
    const [first, second] = effectsOf(cycle).faults.filter(({ kind }) => kind === 'class-shortfall');
    expect(first.readers[0]).toMatchObject({
      needId: 'pricer/all',
      effect: { lost: exactly(1_000 - rare), classes: { rare: { rows: exactly(rare), lost: exactly(1_000 - rare) } } },
    });
    expect(second.readers[0]).toMatchObject({ needId: 'router/regions', effect: { lost: exactly(500 - rare) } });
    const asks = await balance.database.sql<{ payload: { needId: string; affects: object[] } }[]>`
      select payload from outbox where kind = 'ask' order by payload->>'needId'`;
    expect(asks.map(({ payload: { needId, affects } }) => [needId, affects])).toEqual([
      ['pricer/all', [{ needId: 'router/regions', model: 'router', rows: 500 - rare }]],
      ['router/regions', [{ needId: 'pricer/all', model: 'pricer', rows: 500 - rare }]],
    ]);
    expect(effectsOf(cycle).shared).toMatchObject([
      { action: 'ask', taken: true },
      { action: 'ask', taken: true },
    ]);
    expect(renderDetails(cycle)).toContain('router/regions lacks the same rows (211 rows)');
    const later = await balance.cycle();
    expect(effectsOf(later).shared.map(({ taken, why }) => [taken, why.slice(0, 16)])).toEqual([
      [false, 'it was asked for'],
      [false, 'it was asked for'],
    ]);
    expect([await balance.replays(cycle), await balance.replays(later)]).toEqual([true, true]);
  });

  test('a dataset that rests for one model is said to give another other rows, though its own were good', async () => {
    balance = await startBalance((dir) => {
      const { datasets, ...base } = pool(dir);
      const both = {
        events: { ...datasets.events, fallback: 'spare' },
        spare: { ...datasets.events, path: 'spare.csv' },
      };
      return { ...base, datasets: both, models: models({ fields: ['id', 'value'] }, {}) };
    });
    balance.write('spare.csv', events());
    balance.write(
      'events.csv',
      events().map((row) => ({ ...row, value: DIRTY })),
    );
    const cycle = await balance.cycle();
    const { ways, shared } = effectsOf(cycle);

    const kept = ways.find(({ issue }) => issue === 'kept back')!;
    const dirty = (await balance.rowsOf(cycle, 'pricer/all')).filter(({ value }) => value === DIRTY).length;
    expect(dirty).toBeGreaterThan(40);
    expect(kept.ways.filter(({ taken }) => taken)).toMatchObject([
      { action: 'fallback', effect: { rows: exactly(600), hit: exactly(dirty), verdict: 'degrade' } },
    ]);
    expect(shared).toMatchObject([
      {
        ...{ action: 'rest', dataset: 'events', taken: true },
        readers: [
          { needId: 'pricer/all', what: 'gets rows of spare in the next cycle, its own were no good' },
          { needId: 'router/regions', what: 'gets rows of spare in the next cycle, though its own were good' },
        ],
      },
    ]);
    expect(await balance.replays(cycle)).toBe(true);
  });
});
