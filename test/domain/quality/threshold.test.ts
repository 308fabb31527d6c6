import { describe, expect, it } from 'vitest';
import { adaptThreshold, STEP_SHARE, type ThresholdRule } from '../../../domain/quality/threshold.js';

const rule: ThresholdRule = { side: 'max', falseAlarmRate: 0.001, floor: 0, ceiling: 100, season: 1 };
/** Median 10, MAD 1: -2, -1, 0, 1, 2 around 10, twenty times. */
const history = Array.from({ length: 100 }, (_, i) => 10 + ((i % 5) - 2));
/** 10 + 3.0902 * 1.4826 */
const GOAL = 14.5816;

describe('adaptThreshold', () => {
  it('moves a bounded step towards median + z deviations, and says so', () => {
    const move = adaptThreshold(rule, 30, history);
    expect(move.limit).toBeCloseTo(30 + STEP_SHARE * (GOAL - 30), 3);
    expect(move.reason).toBe('median 10, deviation 1.483 over 100 values: towards 14.58');
  });
  it('goes to the other side for metrics that must not fall', () => {
    const move = adaptThreshold({ ...rule, side: 'min' }, 0, history);
    expect(move.limit).toBeCloseTo(STEP_SHARE * (20 - GOAL), 3);
  });
  it('stays where it is within the error of the estimate', () => {
    expect(adaptThreshold(rule, 14.4, history)).toMatchObject({ limit: 14.4, moved: false });
  });
  it('is not carried off by outliers', () => {
    const wild = history.map((value, i) => (i % 10 === 0 ? 1e6 : value));
    expect(adaptThreshold(rule, 30, wild).limit).toBeLessThan(30);
  });
  it('never leaves the declared bounds', () => {
    const move = adaptThreshold({ ...rule, ceiling: 12 }, 11, history);
    expect(move.limit).toBeCloseTo(11 + STEP_SHARE, 9);
    expect(move.reason).toContain('held by the declared bounds [0, 12]');
  });
  it('takes the season out: the limit is that of the next phase', () => {
    const seasonal = Array.from({ length: 101 }, (_, i) => (i % 2 === 0 ? 10 : 50) + ((i % 5) - 2));
    const at = (values: readonly number[]): number => adaptThreshold({ ...rule, season: 2 }, 30, values).limit;
    // After 101 values the next is of the high phase, after 100 of the low one.
    expect(at(seasonal)).toBeGreaterThan(30);
    expect(at(seasonal.slice(0, 100))).toBeLessThan(30);
    expect(at([Number.NaN, ...seasonal.slice(1)])).toBeGreaterThan(30);
  });
  it.each([
    ['too short a history', [1, 2, 3]],
    ['a history of nothing', Array.from({ length: 50 }, () => Number.NaN)],
    ['a constant history', Array.from({ length: 50 }, () => 4)],
  ])('learns nothing from %s', (_name, values) => {
    expect(adaptThreshold(rule, 5, values)).toMatchObject({ limit: 5, moved: false });
  });
  it('refuses a rule that contradicts itself', () => {
    for (const wrong of [{ falseAlarmRate: 0 }, { falseAlarmRate: 0.7 }, { floor: 2, ceiling: 1 }, { season: 0 }]) {
      expect(() => adaptThreshold({ ...rule, ...wrong }, 5, history)).toThrow('contradicts itself');
    }
  });
});
