import { describe, expect, test } from 'vitest';
import {
  predict,
  predictSeries,
  stateKey,
  type PredictInputs,
  type PredictOutcome,
} from '../../../../domain/decision/predict/predict.js';
import type { SeriesInput } from '../../../../domain/decision/predict/series-outcome.js';
import { exceedance, warnShortages, type Bottleneck } from '../../../../domain/decision/predict/shortage.js';
import { defaultPredictors } from '../../../../domain/prediction/predictors.js';

const HOUR = 3_600_000;
const inputs = (series: readonly SeriesInput[], more: Partial<PredictInputs> = {}): PredictInputs => ({
  ...{ asOfMs: 0, stepMs: HOUR, seasons: [24, 168], series, known: [], violation: 0.05, openWarnings: [] },
  costs: { 'watcher/events': { source: 'lake', bytesPerRow: 10 } },
  capacities: [{ source: 'lake', bytesPerStep: 3_000, bytesPerSecond: 300 }],
  ...{ alarmsPerWeek: 7, alarmsLeft: 7 },
  ...more,
});
const demand = (values: readonly (number | null)[], upToMs: number, more: Partial<SeriesInput> = {}): SeriesInput => ({
  ...{ series: 'watcher/events', state: null, similar: [], values, upToMs, seenUpToMs: null, asked: 0 },
  ...more,
});
const decide = (given: PredictInputs): PredictOutcome =>
  predict(
    given,
    given.series.map((one) => predictSeries(one, given, new Map(), defaultPredictors)),
  );
/** 60 rows an hour, 600 in the hour to 7:00 and to 19:00; as it stands at `hour`, whose own step is being asked. */
const at = (hour: number, more: Partial<PredictInputs> = {}): PredictOutcome => {
  const values = Array.from({ length: 300 }, (_, index) => ((hour - 300 + index + 600) % 12 === 7 ? 600 : 60));
  return decide(inputs([demand(values, (hour - 1) * HOUR)], { asOfMs: hour * HOUR, ...more }));
};

describe('early warning', () => {
  test('a shortage is raised when the step it comes in is within sight, with its cause, and cleared after it', () => {
    expect(at(3).warnings).toEqual([]);
    const [raised] = at(4).warnings;
    expect(raised).toMatchObject({ kind: 'shortage', subject: 'bytes:lake', state: 'raised', raisedMs: 4 * HOUR });
    expect(raised.message).toContain('in the step to 1970-01-01T07:00:00.000Z with probability');
    expect(raised.message).toContain('asked by watcher 100 %');
    const openWarnings = [{ kind: 'shortage' as const, subject: 'bytes:lake', raisedMs: 4 * HOUR }];
    expect(at(6, { openWarnings }).warnings).toMatchObject([{ state: 'still', raisedMs: 4 * HOUR }]);
    expect(at(7, { openWarnings }).warnings).toMatchObject([{ state: 'cleared', raisedMs: 4 * HOUR }]);
  });

  test('what scarcity put off is asked of the steps ahead, until they have worked it off', () => {
    // 300 rows fit in a step, 60 are expected of the next three, 600 of the hour to 19:00.
    const after = (more: Partial<SeriesInput>, asOfMs = 12 * HOUR) => {
      const values = Array.from({ length: 300 }, (_, index) => ((11 - 300 + index + 600) % 12 === 7 ? 600 : 60));
      return decide(inputs([demand(values, 11 * HOUR, { asked: 60, ...more })], { asOfMs }));
    };
    const short = (outcome: PredictOutcome) =>
      outcome.warnings.map(({ state, message }) => [state, /step to (\S+) .*; asked/.exec(message)?.[1]]);
    expect(after({}).warnings).toEqual([]);
    // 840 asked now and 300 given: 540 are left for the step to 13:00, 300 of it for the next, 60 for the third.
    const [raised] = after({ backlog: { rows: 780, beyond: 0 } }).warnings;
    expect(raised.message).toMatch(/step to 1970-01-01T13:00:00.000Z .* expected \(5.4 kB of it put off from before\)/);
    expect(short(after({ waiting: 780 }))).toEqual([['raised', '1970-01-01T13:00:00.000Z']]);
    // Of 300 and less that are left, the next step makes an end.
    expect(after({ backlog: { rows: 300, beyond: 0 } }).warnings).toEqual([]);
    // Within a step, what was put off comes on top of the running one.
    expect(short(after({ waiting: 400 }, 11.5 * HOUR))).toEqual([['raised', '1970-01-01T12:00:00.000Z']]);
    expect(after({ waiting: 200 }, 11.5 * HOUR).warnings).toEqual([]);
  });
});

const bottleneck = (probability: number): Bottleneck => ({
  ...{ source: 'lake', targetMs: HOUR, probability, capacityBytes: 100, medianBytes: 90, highBytes: 120, causes: [] },
  recommendedBytesPerSecond: 12,
});
describe('a warning does not flicker', () => {
  test.each([
    [0.3, false, []],
    [0.4, false, ['raised']],
    [0.3, true, ['still']],
    [0.1, true, ['cleared']],
    [0.1, false, []],
  ])('at %d, open before: %s', (probability, wasOpen, states) => {
    const open = wasOpen ? [{ kind: 'shortage' as const, subject: 'bytes:lake', raisedMs: 0 }] : [];
    expect(warnShortages([bottleneck(probability)], open, HOUR).map(({ state }) => state)).toEqual(states);
  });

  test('a source that is no longer limited is no longer warned of', () => {
    const open = [{ kind: 'shortage' as const, subject: 'bytes:gone', raisedMs: 0 }];
    expect(warnShortages([], open, HOUR)).toMatchObject([{ subject: 'bytes:gone', state: 'cleared' }]);
  });

  test('the probability of exceeding a limit is read off the quantiles', () => {
    const quantiles = [
      { probability: 0.1, value: 100 },
      { probability: 0.5, value: 200 },
      { probability: 0.9, value: 200 },
    ];
    expect([50, 100, 150, 199, 200, 250].map((limit) => exceedance(quantiles, limit).toFixed(3))).toEqual([
      ...['0.950', '0.900', '0.700', '0.504', '0.050', '0.050'],
    ]);
  });
});

describe('the same from a stored state as from the beginning', () => {
  const daily = Array.from({ length: 200 }, (_, hour) => 500 + Math.round(200 * Math.sin((hour / 24) * 2 * Math.PI)));
  test('forecasts, alarms and accuracy are those of one pass, wherever the state was taken', () => {
    const whole = inputs([demand([...daily.slice(0, 150), 50_000, ...daily.slice(151)], 200 * HOUR)]);
    const straight = predictSeries(whole.series[0], whole, new Map(), defaultPredictors);
    const first = inputs([demand(whole.series[0].values.slice(0, 140), 140 * HOUR)]);
    const snapshot = predictSeries(first.series[0], first, new Map(), defaultPredictors).snapshot();
    const state = { series: 'watcher/events', upToMs: 140 * HOUR, digest: 'd' };
    const rest = demand(whole.series[0].values.slice(140), 200 * HOUR, { state, seenUpToMs: 140 * HOUR });
    const states = new Map([[stateKey(state), JSON.parse(JSON.stringify(snapshot)) as unknown]]);
    const resumed = predictSeries(rest, whole, states, defaultPredictors);
    expect(resumed.prediction).toEqual(straight.prediction);
    expect(resumed.snapshot()).toEqual(straight.snapshot());
    expect(resumed.alarms.map(({ type }) => type)).toContain('spike');
    // What an earlier cycle has seen is no news.
    const again = predictSeries({ ...rest, seenUpToMs: 200 * HOUR }, whole, states, defaultPredictors);
    expect(again.alarms).toEqual([]);
  });
});

describe('demand that is not as it was', () => {
  const usual = Array.from({ length: 200 }, (_, hour) => 100 + (hour % 5));
  const given = (names: readonly string[], more: Partial<PredictInputs> = {}): PredictInputs => {
    const values = [...usual, 90_000, ...usual.slice(0, 8)];
    const upToMs = values.length * HOUR;
    const series = names.map((name) => demand(values, upToMs, { series: name, seenUpToMs: 190 * HOUR }));
    return inputs(series, { asOfMs: upToMs + HOUR, costs: {}, capacities: [], ...more });
  };

  test('no more alarms are raised than the week has left; the others are counted', () => {
    const { warnings, alarmsWithheld } = decide(given(['a/x', 'b/x', 'c/x'], { alarmsLeft: 2 }));
    expect(warnings.map(({ subject, state }) => [subject, state])).toEqual([
      ['a/x', 'raised'],
      ['b/x', 'raised'],
    ]);
    expect(alarmsWithheld).toBe(1);
  });

  test('one that is open is not raised again, and over once a step is as expected', () => {
    const openWarnings = [{ kind: 'anomaly' as const, subject: 'a/x', raisedMs: 5 }];
    const calm = inputs([demand(usual, 200 * HOUR, { series: 'a/x', seenUpToMs: 199 * HOUR })], { openWarnings });
    expect(decide({ ...calm, costs: {}, capacities: [] }).warnings).toMatchObject([{ state: 'cleared', raisedMs: 5 }]);
    expect(decide(given(['a/x'], { openWarnings })).warnings.filter(({ state }) => state === 'raised')).toEqual([]);
  });

  test('a surge is what is asked beyond a quarter more than the highest quantile of a reliable forecast', () => {
    const asking = (asked: number, values = usual) => decide(inputs([demand(values, 200 * HOUR, { asked })])).surges;
    expect(asking(120)).toEqual([]);
    expect(asking(1_000)).toMatchObject([{ series: 'watcher/events', asked: 1_000 }]);
    expect(asking(1_000, usual.slice(0, 10))).toEqual([]);
  });

  test('what scarcity left of usual demand is no surge; what it left of a surge goes on being one', () => {
    const left = (beyond: number) =>
      decide(inputs([demand(usual, 200 * HOUR, { asked: 100, backlog: { rows: 900, beyond } })])).surges;
    expect(left(0)).toEqual([]);
    const [surge] = left(800);
    expect(surge.asked).toBe(1_000);
    expect(surge.upper).toBeGreaterThan(200);
    expect(surge.upper).toBeLessThan(220);
  });
});
