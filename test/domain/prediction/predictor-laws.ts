/** Laws that every predictor keeps, whoever wrote it: call `describePredictor` in a test of your own. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Predictor } from '../../../domain/prediction/predictor.js';

export const LEVELS = [0.8, 0, 0.95];
const values = fc.array(fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { nil: null, freq: 6 }), {
  maxLength: 120,
});
export const learn = (
  predictor: Predictor,
  series: readonly (number | null)[],
  seasons: readonly number[] = [4, 12],
) => {
  const run = predictor.create({ seasons, similar: [] });
  for (const value of series) run.update(value);
  return run;
};

/** The laws of `domain/prediction/predictor.ts`, for one predictor. */
export function describePredictor(predictor: Predictor, numRuns = 50): void {
  describe(predictor.id, () => {
    test('a run restored from its snapshot (as JSON) forecasts identically, now and later; forecasting changes nothing', () => {
      fc.assert(
        fc.property(values, values, (before, after) => {
          const run = learn(predictor, before);
          run.forecast(5, LEVELS);
          const restored = predictor.restore(JSON.parse(JSON.stringify(run.snapshot())));
          for (const value of after) {
            run.update(value);
            restored.update(value);
          }
          expect(restored.forecast(5, LEVELS)).toEqual(run.forecast(5, LEVELS));
        }),
        { numRuns, examples: [[[-0], []]] },
      );
    });

    test('bounds enclose one another, and every number is finite, whatever was seen', () => {
      fc.assert(
        fc.property(values, (series) => {
          const { mean, quantiles } = learn(predictor, series).forecast(6, LEVELS);
          const [inner, middle, outer] = quantiles;
          mean.forEach((value, step) => {
            const chain = [outer.lower, inner.lower, middle.lower, inner.upper, outer.upper].map(
              (bound) => bound[step],
            );
            expect(chain.every(Number.isFinite) && Number.isFinite(value)).toBe(true);
            chain
              .slice(1)
              .forEach((bound, index) => expect(bound).toBeGreaterThanOrEqual(chain[index] - 1e-6 * Math.abs(bound)));
          });
        }),
        { numRuns },
      );
    });

    test('nothing seen, one value, a constant: answers that say how much they rest on', () => {
      expect(learn(predictor, []).forecast(2, LEVELS)).toMatchObject({ mean: [0, 0], history: 0, reliable: false });
      expect(learn(predictor, [7]).forecast(1, LEVELS).reliable).toBe(false);
      const constant = learn(
        predictor,
        Array.from({ length: 100 }, () => 7),
      ).forecast(3, LEVELS);
      expect(constant.reliable).toBe(true);
      constant.mean.forEach((value) => expect(value).toBeCloseTo(7, 3));
    });
  });
}
