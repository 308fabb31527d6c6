/** A pattern that is found changes what is decided: who follows whom is forecast, and gets its share. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Explanation } from '../../db/decision-store.js';
import { keepPatterns, knownPatterns } from '../../db/recorded-series.js';
import { listWarnings } from '../../db/warning-store.js';
import { watchPatterns } from '../../domain/prediction/pattern-watch.js';
import { noise } from '../domain/prediction/series-fixtures.js';
import { startBalance, type CsvRow, type TestBalance } from '../support/balance.js';

const START = Date.parse('2020-01-15T00:00:00Z');
const HOUR = 3_600_000;
const RECORDED = 336;
const BURST = 4_000;

let balance: TestBalance;
afterEach(() => balance.stop());

/** `rows` events of a label in the hour that ends at `endMs`. */
function events(label: string, endMs: number, rows: number): CsvRow[] {
  return Array.from({ length: rows }, (_, index) => ({
    at: new Date(endMs - HOUR + ((index + 0.5) / rows) * HOUR).toISOString(),
    ...{ id: `${label}-${endMs}-${index}`, label, value: index },
  }));
}

async function start(): Promise<void> {
  const need = (label: string) => {
    return { id: 'own', dataset: 'events', fields: ['label', 'value'], rows: 'new', where: `label = '${label}'` };
  };
  const model = (label: string, weight: number) => ({ kind: 'serving', weight, needs: [need(label)] });
  balance = await startBalance((dir) => ({
    clock: { kind: 'replay', start: new Date(START).toISOString(), step: '1h' },
    sources: { lake: { kind: 'files', root: dir, limits: { bytesPerSecond: '600B' } } },
    datasets: { events: { source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at' } },
    models: { loader: model('loader', 1), trainer: model('trainer', 4), other: model('other', 1) },
  }));
  balance.write('events.csv', [...events('trainer', START, BURST), ...events('other', START, 900)]);
}

/** What earlier cycles have recorded of each model's demand, by the step that ended `ago` steps before the start. */
async function record(demand: Record<string, (ago: number) => number>): Promise<void> {
  const { tenant, pool } = balance.pool;
  const rows = Object.entries(demand).flatMap(([model, of]) =>
    Array.from({ length: RECORDED }, (_, index) => ({
      ...{ tenant, pool, metric: 'demand', subject: `${model}/events` },
      ...{ at_ms: START - (index + 1) * HOUR, value: of(index + 1) },
    })),
  );
  const { sql } = balance.database;
  await sql`insert into metric_history ${sql(rows)}`;
  const seen = Object.keys(demand).map((model) => ({
    tenant,
    pool,
    series: `${model}/events`,
    up_to_ms: START - 2 * HOUR,
  }));
  await sql`insert into series_progress ${sql(seen)}`;
}

const rowsOf = (cycle: Explanation, needId: string): number =>
  cycle.requests.find((one) => one.needId === needId)!.delivery!.rows;
const reasons = (cycle: Explanation): string =>
  cycle.stages.find(({ stage }) => stage === 'predict')!.reasons.join('\n');

/** A loader's bursts: the trainer asks as much two hours later, or at other times. The newest burst is larger than any before. */
function bursts(follows: boolean): Record<string, (ago: number) => number> {
  const [gauss, others] = [noise(3), noise(4)];
  const loads = Array.from({ length: RECORDED + 3 }, () => Math.round(100 * Math.exp(0.7 * gauss())));
  loads[2] = BURST;
  const shuffled = loads.map((_, index) => loads[3 + ((index * 97) % RECORDED)]);
  return {
    loader: (ago) => loads[ago],
    trainer: (ago) => (follows ? (loads[ago + 2] ?? 100) : shuffled[ago]),
    other: () => 900 + Math.round(10 * others()),
  };
}

describe('demand that follows other demand', () => {
  test('is foreseen by it: no surge, its full share, and every decision replays', async () => {
    await start();
    await record(bursts(true));
    const led = await balance.cycle();
    const forecast = led.forecasts.find(({ series }) => series === 'trainer/events')!;
    expect(forecast.method).toBe('following loader/events after 2 steps');
    expect(forecast.mean / BURST).toBeGreaterThan(0.7);
    expect(forecast.mean / BURST).toBeLessThan(1.4);
    expect(reasons(led)).toContain('trainer/events: switch from');
    expect(reasons(led)).not.toContain('trainer/events: 4000 rows are asked');
    const [known] = (await knownPatterns(balance.database.db, balance.pool)).filter(
      ({ series }) => series === 'trainer/events',
    );
    expect(known.related[0]).toMatchObject({ leader: 'loader/events', follower: 'trainer/events', lagSteps: 2 });
    const next = await balance.cycle();
    expect(next.forecasts.find(({ series }) => series === 'trainer/events')!.method).toContain(
      'following loader/events',
    );
    expect((await Promise.all([led, next].map(balance.differences))).flat()).toEqual([]);
    const share = rowsOf(led, 'trainer/own') / rowsOf(led, 'other/own');
    await balance.stop();

    // The same demand now, after a past in which the two had nothing to do with each other: a surge, with the base weight.
    await start();
    await record(bursts(false));
    const alone = await balance.cycle();
    expect(alone.forecasts.find(({ series }) => series === 'trainer/events')!.method).not.toContain('following');
    expect(reasons(alone)).toContain('trainer/events: 4000 rows are asked, at most');
    expect(rowsOf(alone, 'trainer/own') / rowsOf(alone, 'other/own')).toBeLessThan(share / 1.5);
    expect(await balance.differences(alone)).toEqual([]);
  }, 300_000);
});

describe('behaviour and seasons', () => {
  test('a season of no calendar is found and kept; a change of behaviour is warned of once', async () => {
    await start();
    const gauss = noise(8);
    const rough = Array.from({ length: 800 }, () => 1 + 0.1 * Math.abs(gauss()));
    /** Busy in the first ten hours of a day, since a week in the last ones. */
    const shifted = (ago: number): number =>
      Math.round(((800 - ago + (ago > 168 ? 0 : 12)) % 24 < 10 ? 400 : 40) * rough[ago]);
    await record({
      // Every 30 hours five busy ones.
      loader: (ago) => ((RECORDED - ago) % 30 < 5 ? 900 : 100) + Math.round(5 * gauss()),
      trainer: shifted,
      other: () => 900 + Math.round(10 * gauss()),
    });
    // What a cycle a week ago knew of the three weeks before.
    const upToMs = START - 169 * HOUR;
    const values = Array.from({ length: 505 }, (_, index) => shifted(169 + 504 - index));
    const window = { stepMs: HOUR, upToMs, series: [{ id: 'trainer/events', values }] };
    const before = watchPatterns(['trainer/events'], window, new Map());
    await keepPatterns(balance.database.db, balance.pool, before, 0);
    const cycle = await balance.cycle();
    const [{ seasons }] = await balance.database.sql<{ seasons: number[] }[]>`
      select snapshot->'seasons' as seasons from series_states where series = 'loader/events'`;
    expect(seasons).toEqual([30]);
    const known = await knownPatterns(balance.database.db, balance.pool);
    expect(known.find(({ series }) => series === 'loader/events')!.periods[0].steps).toBe(30);
    const warned = async () =>
      (await listWarnings(balance.database.db, balance.pool, 10)).filter(({ kind }) => kind === 'behaviour');
    expect(await warned()).toMatchObject([{ subject: 'trainer/events', raisedMs: START, clearedMs: null }]);
    expect((await warned())[0].message).toContain('when it is asked changed most');
    const next = await balance.cycle();
    expect((await warned()).length).toBe(1);
    expect((await Promise.all([cycle, next].map(balance.differences))).flat()).toEqual([]);
  }, 300_000);
});
