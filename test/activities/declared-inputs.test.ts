/** What is declared of each series, from what the stores know: put back where it is asked, taken out where it was. */
import { describe, expect, test } from 'vitest';
import { declaredInputs } from '../../activities/declared-inputs.js';
import type { StageDependencies } from '../../activities/dependencies.js';
import type { CycleContext } from '../../activities/store-ports.js';
import type { AnalyzeInputs } from '../../domain/decision/analyze/analyze.js';
import type { DatasetFacts } from '../../domain/decision/work.js';
import { stepEndMs, stepMsOf } from '../../domain/decision/steps.js';
import { poolSchema } from '../../domain/types/pool.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NIGHTS = 12;
const EVENTS: DatasetFacts = {
  ...{ id: 'events', source: 'lake', contentId: 'c', version: 'c', rows: 2_000, newestEventMs: null },
  ...{ bytesPerValue: { x: 10 }, completeness: {} },
};

interface Asked {
  /** Of the day. */
  readonly afterMs: number;
  readonly rows: number;
}
interface Known {
  readonly clock: object;
  readonly run?: object;
  readonly others?: readonly object[];
  readonly asked?: Asked;
  /** Described in this cycle. */
  readonly datasets?: readonly DatasetFacts[];
  /** Described in an earlier one. */
  readonly earlier?: readonly DatasetFacts[];
  /** Rows of the last answer to the run's question; absent: never asked. */
  readonly answered?: number;
  readonly asOfMs: number;
}

/** A run that was declared before the first night, and what twelve nights asked. */
async function declared({
  clock,
  run,
  others = [],
  asked,
  datasets = [EVENTS],
  earlier = [],
  answered,
  asOfMs,
}: Known) {
  const definition = poolSchema.parse({
    clock,
    sources: { lake: { kind: 'files', root: '.' } },
    datasets: { events: { source: 'lake', path: 'e.csv' } },
    models: {
      trainer: {
        kind: 'training',
        runs: [{ id: 'nightly', cron: '0 2 * * *', dataset: 'events', fields: ['x'], rows: 500, ...run }, ...others],
      },
    },
  });
  const nights = Array.from({ length: asked === undefined ? 0 : NIGHTS }, (_, day) => ({
    atMs: stepEndMs(definition, day * DAY + asked!.afterMs),
    value: asked!.rows,
  }));
  const deps = {
    recurrences: {
      ofShapes: (_: unknown, __: number, shapes: readonly string[]) =>
        Promise.resolve(
          shapes.map((shape) => ({ shape, askedMs: answered === undefined ? [] : [0], resultRows: answered ?? 2_000 })),
        ),
      declaredSince: () => Promise.resolve({ 'trainer/nightly': 0, 'trainer/whole': 0 }),
    },
    history: {
      lastFacts: (_: unknown, ids: readonly string[]) => Promise.resolve(earlier.filter(({ id }) => ids.includes(id))),
    },
    series: {
      demand: (_: unknown, series: readonly string[], fromMs: number, toMs: number) =>
        Promise.resolve(
          series
            .filter((one) => one === 'trainer/events')
            .flatMap((one) => nights.map((night) => ({ series: one, ...night })))
            .filter(({ atMs }) => atMs > fromMs && atMs <= toMs),
        ),
    },
  } as unknown as StageDependencies;
  const stepMs = stepMsOf(definition);
  const upToMs = stepEndMs(definition, asOfMs) - stepMs;
  return declaredInputs(
    deps,
    { definition, asOfMs, items: [] } as unknown as CycleContext,
    { datasets } as unknown as AnalyzeInputs,
    { fromMs: upToMs - 336 * stepMs, upToMs },
  );
}

describe('a run at the edge of a step', () => {
  const replay = { kind: 'replay', start: new Date(0).toISOString(), step: '1h' };
  test.each([
    ['wall', { kind: 'wall' }, 5_000, 3 * HOUR],
    ['replay', replay, 0, 2 * HOUR],
  ])('is asked in the step that it is declared in: %s clock', async (_, clock, lateMs, endMs) => {
    const asOfMs = NIGHTS * DAY + 2 * HOUR + (lateMs === 0 ? 0 : 6_000);
    const inputs = await declared({ clock, asOfMs, asked: { afterMs: 2 * HOUR + lateMs, rows: 600 } });
    // The night that goes on is ahead; of eleven before it and one more, all were kept.
    expect(inputs.ahead('trainer/events')).toMatchObject({ amounts: [500, 0, 0, 0], kept: 1 });
    expect(inputs.ahead('source:lake')).toMatchObject({ amounts: [5_000, 0, 0, 0], kept: 1 });
    expect(inputs.beside('trainer/events', 5 * DAY + endMs, 600)).toBe(100);
    expect(inputs.beside('trainer/events', 5 * DAY + endMs + HOUR, 600)).toBe(600);
  });
});

test('a run that asks every row of an empty dataset says nothing of what is kept', async () => {
  const whole = { id: 'whole', cron: '0 1 * * *', dataset: 'events', fields: ['x'] };
  const inputs = await declared({
    ...{ clock: { kind: 'wall' }, others: [whole], datasets: [{ ...EVENTS, rows: 0 }] },
    ...{ asOfMs: NIGHTS * DAY + 2 * HOUR + 6_000, asked: { afterMs: 2 * HOUR + 5_000, rows: 500 } },
  });
  for (const series of ['trainer/events', 'source:lake', 'system']) expect(inputs.ahead(series)!.kept).toBe(1);
});

test('a cycle that asks nothing of the dataset knows what is declared of its source, by the same declaration', async () => {
  const asked = { afterMs: 2 * HOUR + 5_000, rows: 500 };
  const at = { clock: { kind: 'wall' }, asked, asOfMs: NIGHTS * DAY + 4.5 * HOUR };
  const [now, earlier, never] = [
    await declared(at),
    await declared({ ...at, datasets: [], earlier: [EVENTS] }),
    await declared({ ...at, datasets: [] }),
  ];
  for (const series of ['trainer/events', 'source:lake', 'system']) {
    expect(earlier.ahead(series)).toEqual(now.ahead(series));
    // One that was never looked at is learned by the same declaration: what is learned stays when it is.
    expect(never.ahead(series)!.calendar).toBe(now.ahead(series)!.calendar);
  }
  expect(earlier.beside('source:lake', 5 * DAY + 3 * HOUR, 5_030)).toBe(30);
});

test('a run that asks all that match a predicate declares what its question last had, and nothing before', async () => {
  const run = { rows: undefined, where: "label = 'rare'" };
  const asked = { afterMs: 2 * HOUR + 5_000, rows: 12 };
  const at = { clock: { kind: 'wall' }, run, asked, asOfMs: NIGHTS * DAY + 2 * HOUR + 6_000 };
  const known = await declared({ ...at, answered: 10 });
  expect(known.ahead('trainer/events')).toMatchObject({ amounts: [10, 0, 0, 0], kept: 1 });
  expect(known.ahead('source:lake')).toMatchObject({ amounts: [100, 0, 0, 0], kept: 1 });
  expect(known.beside('trainer/events', 5 * DAY + 3 * HOUR, 12)).toBe(2);
  const unknown = await declared(at);
  expect(unknown.ahead('trainer/events')).toMatchObject({ amounts: [0, 0, 0, 0], kept: 1 });
  expect(unknown.ahead('trainer/events')!.calendar).toBe(known.ahead('trainer/events')!.calendar);
});
