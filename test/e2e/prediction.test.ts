/** What is foreseen is told and acted on: shortages before they come, demand that is not as it was, and every decision replays. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { replayDecision } from '../../activities/replay.js';
import { renderDetails } from '../../cli/render.js';
import { createDecisionStore, type Explanation } from '../../db/decision-store.js';
import type { ForecastUsed } from '../../db/forecast-outcomes.js';
import { listWarnings } from '../../db/warning-store.js';
import { loadPredictors } from '../../workers/predictor-plugins.js';
import { startBalance, type CsvRow, type PoolInput, type TestBalance } from '../support/balance.js';

const START = Date.parse('2020-01-15T00:00:00Z');
const HOUR = 3_600_000;

let balance: TestBalance;
afterEach(() => balance.stop());

/** Rows that arrive in each hour before and after the start. */
function arrivals(hours: { from: number; to: number }, count: (hour: number) => number, label = 'common'): CsvRow[] {
  const rows: CsvRow[] = [];
  for (let hour = hours.from; hour < hours.to; hour++) {
    const all = count(hour);
    for (let index = 0; index < all; index++) {
      const at = new Date(START + hour * HOUR + ((index + 0.5) / all) * HOUR).toISOString();
      rows.push({ at, id: `${label}-${hour}-${index}`, label, value: index });
    }
  }
  return rows;
}

function pool(dir: string, models: object, limits: object): PoolInput {
  return {
    clock: { kind: 'replay', start: new Date(START).toISOString(), step: '1h' },
    sources: { lake: { kind: 'files', root: dir, limits } },
    datasets: { events: { source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at' } },
    models,
  };
}
const fresh = (more: object = {}) => ({ dataset: 'events', fields: ['label', 'value'], rows: 'new', ...more });

const again = async ({ decision }: Explanation): Promise<Explanation> =>
  (await createDecisionStore(balance.database.db).explain(balance.pool, decision.id)) as Explanation;

const usedFor = (what: ForecastUsed['what'], { forecastsUsed }: Explanation): ForecastUsed[] =>
  forecastsUsed.filter((use) => use.what === what);

describe('early warning', () => {
  test('a shortage is told before it comes, with its cause, and cleared when it is over', async () => {
    const models = { watcher: { kind: 'serving', needs: [fresh({ id: 'fresh' })] } };
    // 14 bytes a row: 60 rows fit into a cycle of 3 kB, the 600 of every twelfth hour do not.
    balance = await startBalance((dir) => pool(dir, models, { bytesPerSecond: '300B' }));
    balance.write(
      'events.csv',
      arrivals({ from: -300, to: 14 }, (hour) => ((hour + 600) % 12 === 6 ? 600 : 60)),
    );
    const seen: { hour: number; states: string[]; message: string }[] = [];
    const wrong: string[] = [];
    const cycles: Explanation[] = [];
    for (let hour = 0; hour < 11; hour++) {
      // A replay's steps go by faster than the bucket refills: each finds it full.
      await balance.database.sql`delete from budgets`;
      const cycle = await balance.cycle();
      cycles.push(cycle);
      wrong.push(...(await balance.differences(cycle)));
      const warnings = cycle.warnings.filter(({ kind }) => kind === 'shortage');
      seen.push({ hour, states: warnings.map(({ state }) => state), message: warnings[0]?.message ?? '' });
      if (hour === 5) {
        const [open] = await listWarnings(balance.database.db, balance.pool, 10);
        expect(open).toMatchObject({ kind: 'shortage', subject: 'bytes:lake', clearedMs: null });
        expect(cycle.stages.find(({ stage }) => stage === 'predict')!.reasons.join()).toContain('will be short');
      }
    }
    expect(wrong).toEqual([]);
    // Rows of the hour from 6 to 7 are asked at 7: foreseen from 4 on, three steps ahead; over once it is worked off.
    const toPeak = new Date(START + 7 * HOUR).toISOString();
    expect(seen[4].states).toEqual(['raised']);
    expect(seen[4].message).toContain(`bytes:lake will be short in the step to ${toPeak} with probability`);
    expect(seen[4].message).toContain('asked by watcher 100 %');
    expect(seen.slice(5, 7).map(({ states }) => states)).toEqual([['still'], ['still']]);
    // The peak is decided at 7, but 386 rows are left of it and 214 fit into a cycle: it is over when they are worked off.
    expect(seen.slice(7, 9).map(({ states }) => states)).toEqual([['still'], ['still']]);
    expect(seen[8].message).toContain('put off from before');
    expect(seen.slice(9).map(({ states }) => states)).toEqual([['cleared'], []]);
    // What scarcity left at the peak was asked then, and is counted then alone: nothing is anomalous about the hours after.
    const demand = await balance.database.sql<{ value: number }[]>`
      select value from metric_history where metric = 'demand' and subject = 'watcher/events' order by at_ms`;
    expect(demand.map(({ value }) => value)).toEqual([60, 60, 60, 60, 60, 60, 60, 600, 60, 60, 60]);
    const rows = await listWarnings(balance.database.db, balance.pool, 10);
    expect(rows).toMatchObject([{ subject: 'bytes:lake', raisedMs: START + 4 * HOUR, clearedMs: START + 9 * HOUR }]);
    // The decision that raised it names the forecast, and later what came of it: 600 rows of 14 bytes.
    const peak = { what: 'shortage', metric: 'demand', series: 'source:lake', stepEndMs: START + 7 * HOUR };
    const [then, now] = [cycles[4], await again(cycles[4])].map(({ forecastsUsed }) => forecastsUsed);
    expect(then).toMatchObject([0.5, 0.9].map((quantile) => ({ stage: 'predict', ...peak, quantile, came: null })));
    expect(now).toEqual(then.map((use) => ({ ...use, came: 8_400 })));
    const told = renderDetails(await again(cycles[4]));
    expect(told).toMatch(/\n {2}shortage +source:lake.* +2020-01-15T07:00:00Z +50 % +\S+ k?B +8\.4 kB\n/);
    const [median, high] = now.map(({ foreseen }) => foreseen);
    expect(median).toBeLessThanOrEqual(high);
    expect(high).toBeGreaterThan(3_000);
    // A cycle before the peak works ahead of it, by the upper end.
    const ahead = usedFor('work-ahead', await again(cycles[6]));
    expect(ahead).toMatchObject([{ stage: 'batch', ...peak, what: 'work-ahead', quantile: 0.9, came: 8_400 }]);
    expect(cycles[0].forecastsUsed).toEqual([]);
  }, 300_000);
});

describe('demand that is not as it was', () => {
  test('a surge counts with the base weight beyond what was to be expected, and is named', async () => {
    const models = {
      loud: { kind: 'serving', weight: 4, needs: [fresh({ id: 'own', where: "label = 'loud'" })] },
      quiet: { kind: 'serving', weight: 1, needs: [fresh({ id: 'own', where: "label = 'quiet'" })] },
    };
    balance = await startBalance((dir) => pool(dir, models, { bytesPerSecond: '700B' }));
    const usual = { from: -300, to: -1 };
    const lastHour = { from: -1, to: 8 };
    const write = (loud: number): void =>
      balance.write('events.csv', [
        ...arrivals(usual, (hour) => (loud > 1_000 ? 100 : loud) + ((hour + 600) % 3), 'loud'),
        ...arrivals(lastHour, (hour) => (hour === -1 ? loud : 100), 'loud'),
        ...arrivals({ from: -300, to: 8 }, (hour) => 900 + ((hour + 600) % 3), 'quiet'),
      ]);
    // It has always asked for so much: its weight counts in full.
    write(990);
    const before = await balance.cycle();
    const share = (explanation: Explanation): number => {
      const [loud, quiet] = ['loud/own', 'quiet/own'].map(
        (needId) => explanation.requests.find((one) => one.needId === needId)!.delivery!.rows,
      );
      return loud / quiet;
    };
    // It never asked for more than 102, and asks for 2,000 now.
    await balance.stop();
    balance = await startBalance((dir) => pool(dir, models, { bytesPerSecond: '700B' }));
    write(2_000);
    const surge = await balance.cycle();
    expect(share(before)).toBeGreaterThan(1.5);
    expect(share(surge)).toBeLessThan(share(before) / 1.3);
    const [use, ...others] = usedFor('surge', surge);
    expect(others).toEqual([]);
    expect(use).toMatchObject({ stage: 'predict', series: 'loud/events', quantile: 0.99, came: null });
    expect(use.foreseen).toBeLessThan(1_000);
    const reasons = surge.stages.find(({ stage }) => stage === 'predict')!.reasons.join('\n');
    expect(reasons).toMatch(/loud\/events: 2000 rows are asked, at most \d+ were to be expected/);
    expect(await balance.differences(surge)).toEqual([]);
    // What scarcity left of it goes on counting with the base weight, until it is worked off: every cycle of that replays.
    const later = [await balance.cycle(), await balance.cycle()];
    expect(usedFor('surge', await again(surge))).toEqual([{ ...use, came: 2_000 }]);
    expect((await Promise.all(later.map(balance.differences))).flat()).toEqual([]);
    expect(later[0].stages.find(({ stage }) => stage === 'predict')!.reasons.join()).toMatch(
      /loud\/events: \d+ rows are asked, at most \d+ were to be expected/,
    );
  }, 300_000);
});

describe('a predictor from outside', () => {
  test('that the environment names runs beside the others in a worker, and its decisions replay', async () => {
    vi.stubEnv('BALANCE_PREDICTORS', 'examples/augurs-predictor.mjs');
    const models = { watcher: { kind: 'serving', needs: [fresh({ id: 'fresh' })] } };
    balance = await startBalance((dir) => pool(dir, models, {}));
    const predictors = await loadPredictors(process.env, process.cwd());
    vi.unstubAllEnvs();
    balance.write(
      'events.csv',
      arrivals({ from: -100, to: 1 }, (hour) => 60 + ((hour + 600) % 24)),
    );
    const { decision } = await balance.cycle();
    const runs = await balance.database.sql<{ id: string }[]>`
      select distinct jsonb_array_elements(snapshot->'runs')->>'id' as id from series_states order by 1`;
    expect(runs.map(({ id }) => id)).toEqual(['augurs-mstl', 'mixture', 'seasonal-naive']);
    const store = createDecisionStore(balance.database.db);
    const stages = await store.decisionStages(balance.pool, decision.id);
    const states = await store.decisionStates(balance.pool, stages);
    const replayed = replayDecision(stages, states, undefined, predictors);
    expect(replayed.filter(({ same }) => !same)).toEqual([]);
  });
});

describe('a shortage of rows to come', () => {
  test('is found before it is there, ranks its need and is asked of the owner', async () => {
    const needs = [{ id: 'table', dataset: 'stock', fields: ['id'], rows: 60 }];
    balance = await startBalance((dir) => ({
      ...(pool(dir, { watcher: { kind: 'serving', needs } }, {}) as object),
      datasets: { stock: { source: 'lake', path: 'stock.csv', key: ['id'], owner: 'stock@example.com' } },
    }));
    const cycles: Explanation[] = [];
    for (let hour = 0; hour < 13; hour++) {
      // Five rows fewer each hour: 70 are left in the tenth, and less than 60 three hours later.
      balance.write(
        'stock.csv',
        Array.from({ length: 115 - 5 * hour }, (_, id) => ({ id })),
      );
      cycles.push(await balance.cycle());
      if (hour !== 9) continue;
      const asked = await balance.database.sql<{ payload: object }[]>`select payload from outbox where kind = 'ask'`;
      expect(asked).toMatchObject([
        { payload: { needId: 'watcher/table', owner: 'stock@example.com', rows: { '*': 5 } } },
      ]);
    }
    const reasons = cycles.map(({ stages }) => stages.find(({ stage }) => stage === 'analyze')!.reasons.join());
    const by = new Date(START + 12 * HOUR).toISOString();
    expect(reasons[9]).toContain(`watcher/table will probably miss 5 rows by ${by}`);
    expect(reasons[7]).not.toContain('miss');
    const use = { stage: 'analyze', what: 'rows-to-come', stepEndMs: START + 12 * HOUR, quantile: 0.5, foreseen: 55 };
    expect(cycles[9].forecastsUsed).toMatchObject([{ ...use, came: null }]);
    expect((await again(cycles[9])).forecastsUsed).toMatchObject([{ ...use, came: 55 }]);
    expect((await Promise.all(cycles.map(balance.differences))).flat()).toEqual([]);
  }, 300_000);
});

describe('rows that arrive until the next cycle', () => {
  test('are enough where one step has too few of them, and foreseen to be short where fewer will come', async () => {
    // A cycle each six hours over steps of one.
    const needs = [{ ...fresh({ id: 'own' }), minRows: 200 }];
    balance = await startBalance((dir) => ({
      ...(pool(dir, { watcher: { kind: 'serving', needs } }, {}) as object),
      clock: { kind: 'replay', start: new Date(START).toISOString(), step: '6h' },
      forecastStep: '1h',
    }));
    balance.write(
      'events.csv',
      arrivals({ from: -300, to: 7 }, () => 50),
    );
    const steady = await balance.cycle();
    balance.write(
      'events.csv',
      arrivals({ from: -300, to: 7 }, (hour) => (((hour + 600) / 6) % 2 < 1 ? 50 : 25)),
    );
    const dwindling = await balance.cycle();
    const reasons = (cycle: Explanation): string =>
      cycle.stages.find(({ stage }) => stage === 'analyze')!.reasons.join();
    expect(reasons(steady)).not.toContain('miss');
    expect(dwindling.requests[0].delivery?.rows).toBe(300);
    expect(reasons(dwindling)).toMatch(/watcher\/own (will probably|may) miss \d+ rows by 2020-01-15T12:00:00.000Z/);
    expect((await Promise.all([steady, dwindling].map(balance.differences))).flat()).toEqual([]);
    const next = { stage: 'analyze', what: 'rows-to-come', stepEndMs: START + 12 * HOUR };
    expect(usedFor('rows-to-come', dwindling)).toMatchObject([{ ...next, came: null }]);
    // The file ends an hour later: 25 rows are there then, too few to be handed out.
    expect((await balance.cycle()).requests[0].state).toBe('quarantined');
    expect(usedFor('rows-to-come', await again(dwindling))).toMatchObject([{ ...next, came: 25 }]);
  }, 300_000);
});
