/** Which forecasts a record names: each once for each use, in one order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { forecastUses, type ForecastUse } from '../../../domain/decision/forecast-use.js';

const use = fc.record({
  what: fc.constantFrom<ForecastUse['what']>('shortage', 'work-ahead', 'put-off'),
  metric: fc.constant<ForecastUse['metric']>('demand'),
  series: fc.constantFrom('source:lake', 'source:sea', 'model/events'),
  stepEndMs: fc.constantFrom(0, 3_600_000, 10_800_000),
  quantile: fc.constantFrom(0.5, 0.9),
});
/** A forecast has one value, whoever uses it. */
const withValue = (one: Omit<ForecastUse, 'foreseen'>): ForecastUse => ({
  ...one,
  foreseen: one.series.length + one.stepEndMs * one.quantile,
});

test('any order and repetition of the same uses give the same list, without a use twice and without a loss', () => {
  fc.assert(
    fc.property(fc.array(use), fc.infiniteStream(fc.nat()), (some, random) => {
      const uses = some.map(withValue);
      const shuffled = [...uses, ...uses]
        .map((one) => ({ one, at: random.next().value as number }))
        .sort((a, b) => a.at - b.at)
        .map(({ one }) => one);
      const listed = forecastUses(uses);
      expect(forecastUses(shuffled)).toEqual(listed);
      expect(new Set(listed.map((one) => JSON.stringify(one)))).toEqual(
        new Set(uses.map((one) => JSON.stringify(one))),
      );
      expect(listed.length).toBe(new Set(listed.map((one) => JSON.stringify(one))).size);
    }),
  );
});
