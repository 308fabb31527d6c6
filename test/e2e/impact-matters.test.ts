/** What a fault of a shared table does to each model that reads it, and what was done about it and was not. */
import { afterEach, describe, expect, test } from 'vitest';
import { renderDecision, renderDetails } from '../../cli/render.js';
import type { DecisionEffects } from '../../domain/decision/coordinate/effects.js';
import { exactly } from '../../domain/quality/impact.js';
import type { Explanation } from '../../db/decision-store.js';
import { startBalance, type CsvRow, type PoolInput, type TestBalance } from '../support/balance.js';

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

function pool(dir: string, corrections: readonly string[] = ['drop-rows']): PoolInput {
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
