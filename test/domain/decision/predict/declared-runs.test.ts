/** What models declare that they will ask is known before it was ever seen, and spoils nothing that is learned. */
import { describe, expect, test } from 'vitest';
import {
  declaredByMs,
  declaredDemand,
  declaredIn,
  declaredRuns,
  firstRunMs,
  keptShare,
  runCounter,
  sawRun,
  type DeclaredRun,
} from '../../../../domain/decision/predict/declared-runs.js';
import { expectRequests, type KnownRequest } from '../../../../domain/decision/predict/expected-requests.js';
import { predict, predictSeries, type PredictInputs } from '../../../../domain/decision/predict/predict.js';
import type { DeclaredAhead, SeriesInput } from '../../../../domain/decision/predict/series-outcome.js';
import { defaultPredictors } from '../../../../domain/prediction/predictors.js';
import { poolSchema } from '../../../../domain/types/pool.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const run = (more: object = {}): DeclaredRun => {
  const definition = poolSchema.parse({
    sources: { lake: { kind: 'files', root: '.' } },
    datasets: { events: { source: 'lake', path: 'e.csv' } },
    models: {
      trainer: {
        kind: 'training',
        runs: [
          { id: 'nightly', cron: '0 2 * * *', dataset: 'events', fields: ['x', 'y'], rows: 500, maxAge: '3h', ...more },
        ],
      },
    },
  });
  return declaredRuns(definition)[0];
};

const forecast = (values: readonly (number | null)[], declared?: DeclaredAhead) => {
  const upToMs = values.length * HOUR;
  const series: SeriesInput = {
    ...{ series: 'trainer/events', state: null, similar: [], values, upToMs, seenUpToMs: null, asked: 0 },
    ...(declared === undefined ? {} : { declared }),
  };
  const inputs: PredictInputs = {
    ...{ asOfMs: upToMs, stepMs: HOUR, seasons: [24, 168], series: [series], known: [], violation: 0.05 },
    ...{ openWarnings: [], costs: { 'trainer/events': { source: 'lake', bytesPerRow: 10 } } },
    capacities: [{ source: 'lake', bytesPerStep: 3_000, bytesPerSecond: 300 }],
    ...{ alarmsPerWeek: 7, alarmsLeft: 7 },
  };
  return predict(
    inputs,
    inputs.series.map((one) => predictSeries(one, inputs, new Map(), defaultPredictors)),
  );
};
const ahead = (amounts: readonly number[], kept = 1): DeclaredAhead => ({ calendar: 'c', amounts, kept });

describe('forecasts with declared runs', () => {
  test('before any history, the declaration alone predicts demand, and a shortage is warned of', () => {
    const told = forecast([], ahead([0, 0, 500, 0]));
    expect(told.predictions[0]).toMatchObject({ method: 'declared runs', reliable: true, declared: [0, 0, 500, 0] });
    expect(told.predictions[0].steps.map(({ mean, lower, upper }) => [lower, mean, upper])).toEqual([
      ...[
        [0, 0, 0],
        [0, 0, 0],
        [500, 500, 500],
        [0, 0, 0],
      ],
    ]);
    expect(told.warnings).toMatchObject([
      { kind: 'shortage', subject: 'bytes:lake', state: 'raised', severity: 'high' },
    ]);
    const silent = forecast([], ahead([0, 0, 0, 0]));
    expect(silent.predictions[0].reliable).toBe(false);
    expect(silent.warnings).toEqual([]);
    expect(forecast([]).warnings).toEqual([]);
  });

  test('come on top of what the series does without them', () => {
    const usual = Array.from({ length: 100 }, (_, hour) => 50 + (hour % 3));
    const [without] = forecast(usual).predictions;
    const [given] = forecast(usual, ahead([0, 500, 0, 0])).predictions;
    const more = given.steps.map(({ mean }, index) => mean - without.steps[index].mean);
    expect(more.map((one) => Math.round(one))).toEqual([0, 500, 0, 0]);
    expect(given.method).toBe(without.method);
  });

  test('one that is seldom kept is neither in the median nor in the lower end', () => {
    const [{ steps }] = forecast([], ahead([500, 0, 0, 0], 0.3)).predictions;
    expect(steps[0]).toMatchObject({ lower: 0, mean: 150, upper: 500 });
  });
});

describe('what is declared', () => {
  const facts = [
    { id: 'events', source: 'lake', contentId: 'c', version: 'c', rows: 2_000, newestEventMs: null, completeness: {} },
  ].map((one) => ({ ...one, bytesPerValue: { x: 6, y: 4 } }));
  const range = { fromMs: 0, toMs: 2 * DAY, stepMs: HOUR, clock: 'replay' } as const;

  test('is rows of the model, bytes of the source and of all; promised only from when it was known', () => {
    const demand = declaredDemand(
      [run(), run({ id: 'other', cron: '30 1 * * *', rows: undefined })],
      facts,
      range,
      {
        'trainer/nightly': DAY,
      },
      {},
    );
    const amounts = (series: string) =>
      [...demand.get(series)!.parts.keys()].map((ms) => [ms / HOUR, declaredIn(demand.get(series)!, ms)]);
    expect(amounts('trainer/events')).toEqual([
      [2, 2_500],
      [26, 2_500],
    ]);
    expect(amounts('source:lake')).toEqual([
      [2, 25_000],
      [26, 25_000],
    ]);
    expect(amounts('system')).toEqual(amounts('source:lake'));
    const promised = [...demand.get('trainer/events')!.parts].map(([, parts]) => parts.map((part) => part.promised));
    expect(promised).toEqual([
      [false, false],
      [true, false],
    ]);
    expect(
      demand
        .get('system')!
        .parts.get(2 * HOUR)!
        .map(({ of }) => of),
    ).toEqual(['trainer/events', 'trainer/events']);
  });

  test.each([
    ['replay', [2, 24, 26, 48]],
    ['wall', [1, 3, 25, 27]],
  ] as const)('lies in the step that its request is recorded in: %s clock', (clock, hours) => {
    const demand = declaredDemand([run({ cron: '0 0,2 * * *' })], facts, { ...range, clock }, {}, {});
    const ends = [...demand.get('trainer/events')!.parts.keys()].sort((a, b) => a - b);
    expect(ends.map((ms) => ms / HOUR)).toEqual(hours);
  });

  test.each([{ every: '1m', cron: undefined }, { cron: '* * * * *' }])(
    'is whole to the last step, however often it comes, with one part for each run and step: %j',
    (times) => {
      const runs = [run(times), run({ ...times, id: 'other', rows: 10 })];
      const demand = declaredDemand(runs, facts, { ...range, toMs: 340 * HOUR, clock: 'wall' }, {}, {});
      const { parts } = demand.get('trainer/events')!;
      expect([...parts.keys()]).toEqual(Array.from({ length: 340 }, (_, step) => (step + 1) * HOUR));
      for (const part of parts.values()) expect(part.map(({ amount }) => amount)).toEqual([60 * 500, 60 * 10]);
    },
  );

  test('is promised in a step only when it was known before it first came in it', () => {
    const promisedAt = (sinceMs: number) =>
      declaredDemand([run({ cron: '10,40 1 * * *' })], facts, range, { 'trainer/nightly': sinceMs }, {})
        .get('trainer/events')!
        .parts.get(2 * HOUR)![0].promised;
    expect([10, 11, 41].map((minute) => promisedAt(HOUR + minute * 60_000))).toEqual([true, false, false]);
  });

  test('is seen by a step that asks for at least half of it', () => {
    expect([49, 50, 500].map((asked) => sawRun(asked, 100))).toEqual([false, true, true]);
  });

  test('is believed until it fails', () => {
    expect(keptShare([])).toBe(1);
    expect(keptShare([{ declared: 100, asked: 0 }])).toBe(0.5);
    expect(
      keptShare([
        { declared: 100, asked: 200 },
        { declared: 100, asked: 50 },
      ]),
    ).toBeCloseTo(2.5 / 3);
  });

  test('has its times by cron or by interval', () => {
    const sixth = run({ cron: undefined, every: '6h' });
    expect([run(), sixth].map((one) => firstRunMs(one, 0, DAY))).toEqual([2 * HOUR, 6 * HOUR]);
    expect([run(), sixth].map((one) => firstRunMs(one, 18 * HOUR, 23 * HOUR))).toEqual([undefined, undefined]);
    expect([run(), sixth].map((one) => runCounter(one)(0, DAY))).toEqual([1, 4]);
  });
});

describe('reading ahead of a declared run', () => {
  const known = (more: Partial<KnownRequest> = {}): KnownRequest => ({
    ...{
      shape: 'q',
      model: 'trainer',
      dataset: 'events',
      source: 'lake',
      fields: ['x'],
      where: [],
      rows: 500,
      seed: 0,
    },
    ...{
      maxAgeMs: 3 * HOUR,
      askedMs: [],
      resultRows: 500,
      resultBytes: 5_000,
      coveredUntilMs: null,
      right: 0,
      wrong: 0,
    },
    ...more,
  });

  test('begins when a result will still be fresh enough, with time for the service to ask', () => {
    const near = [-2, -1, 0, 1, 2, 3].map((hour) => declaredByMs(run(), hour * HOUR, HOUR));
    expect(near).toEqual([null, null, 3 * HOUR, 3 * HOUR, 3 * HOUR, null]);
    expect(declaredByMs(run({ maxAge: undefined }), 2 * HOUR, HOUR)).toBeNull();
  });

  test('it is expected though it was never asked, and no longer once it failed', () => {
    const at = (more: Partial<KnownRequest>) => expectRequests([known({ declaredByMs: 3 * HOUR, ...more })], HOUR);
    expect(at({})).toMatchObject([{ probability: 1, basis: 'declared', fromMs: HOUR, untilMs: 4 * HOUR, pays: true }]);
    expect(at({ wrong: 1 })).toMatchObject([{ probability: 0.5, pays: false }]);
    expect(at({ wrong: 2 })).toEqual([]);
    expect(at({ coveredUntilMs: 3 * HOUR })).toEqual([]);
    expect(expectRequests([known()], HOUR)).toEqual([]);
  });
});
