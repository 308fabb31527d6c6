import { describe, expect, it } from 'vitest';
import {
  createAccuracyMonitor,
  preferChallenger,
  restoreAccuracyMonitor,
  type AccuracyMonitor,
  type AccuracySnapshot,
} from '../../../domain/prediction/accuracy-monitor.js';
import { noise } from './series-fixtures.js';

/** Feeds values around 0 whose forecasts miss by `missOf` and whose last values by `naiveMiss`. */
function watched(n: number, missOf: (t: number) => number, naiveMiss: number, width = Infinity): AccuracyMonitor {
  const monitor = createAccuracyMonitor(0.8);
  for (let t = 0; t < n; t++) {
    // Four of five intervals hold the value.
    const half = t % 5 === 0 ? 0 : width;
    monitor.observe({
      forecast: missOf(t),
      naive: naiveMiss,
      lower: -half,
      upper: half,
      actual: t % 5 === 0 ? 1e-9 : 0,
    });
  }
  return monitor;
}

describe('an accuracy monitor', () => {
  it('has no opinion without observations', () => {
    expect(createAccuracyMonitor(0.9).report()).toEqual({
      observations: 0,
      errorToNaive: null,
      coverage: null,
      drifted: false,
      advice: 'too-little-history',
    });
  });

  it('keeps a predictor that has half the error of the last value', () => {
    const report = watched(200, () => 1, 2).report();
    expect(report.errorToNaive).toBeCloseTo(0.5, 6);
    expect(report.coverage).toBeCloseTo(0.8, 1);
    expect(report.advice).toBe('keep');
  });

  it('sends away a predictor that is worse than the last value', () => {
    expect(watched(200, () => 3, 2).report().advice).toBe('step-aside');
  });

  it('asks for retuning when errors grow threefold, until that is acknowledged', () => {
    const monitor = watched(200, (t) => (t < 180 ? 1 : 3), 4);
    expect(monitor.report()).toMatchObject({ drifted: true, advice: 'retune' });
    monitor.acknowledge();
    expect(monitor.report().drifted).toBe(false);
  });

  it('is not alarmed by one outlier', () => {
    expect(watched(200, (t) => (t === 150 ? 1e6 : 1), 1e9).report().drifted).toBe(false);
  });

  it('is not alarmed by ordinary noise', () => {
    const random = noise(4);
    expect(watched(5000, () => random(), 2).report().drifted).toBe(false);
  });

  it('asks for retuning when intervals are far too wide', () => {
    const monitor = createAccuracyMonitor(0.5);
    for (let t = 0; t < 100; t++) monitor.observe({ forecast: 1, naive: 2, lower: -9, upper: 9, actual: 0 });
    expect(monitor.report()).toMatchObject({ coverage: 1, advice: 'retune' });
  });

  it('skips missing values and calls two perfect forecasts equal', () => {
    const monitor = createAccuracyMonitor(0.5);
    monitor.observe({ forecast: 1, naive: 1, lower: 0, upper: 2, actual: null });
    expect(monitor.report().observations).toBe(0);
    monitor.observe({ forecast: 1, naive: 1, lower: 0, upper: 2, actual: 1 });
    expect(monitor.report().errorToNaive).toBe(1);
  });

  it('restores to the identical report', () => {
    const monitor = watched(77, (t) => 1 + (t % 3), 2);
    const copy = restoreAccuracyMonitor(JSON.parse(JSON.stringify(monitor.snapshot())) as AccuracySnapshot);
    expect(copy.report()).toEqual(monitor.report());
  });

  it.each([0, 1, Number.NaN])('refuses the level %d', (level) => {
    expect(() => createAccuracyMonitor(level)).toThrow(/probability/);
  });
});

describe('preferChallenger', () => {
  const champion = watched(100, () => 1, 2).snapshot();
  it.each([
    ['a clearly better challenger', watched(100, () => 0.9, 2), true],
    ['one that is hardly better', watched(100, () => 0.99, 2), false],
    ['a better one with too few observations', watched(10, () => 0.1, 2), false],
  ])('judges %s', (_, challenger, expected) => {
    expect(preferChallenger(champion, challenger.snapshot())).toBe(expected);
  });
});
