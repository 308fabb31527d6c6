import fc from 'fast-check';
import { expect, test } from 'vitest';
import { foreseeCost } from '../../../../domain/decision/quality/correction-cost.js';

const costs = fc.array(fc.record({ ms: fc.nat(1e6), bytes: fc.nat(1e9) }), { minLength: 1, maxLength: 20 });

test('without a case nothing is foreseen; one alone shows no spread', () => {
  expect(foreseeCost([])).toBeNull();
  expect(foreseeCost([{ ms: 5, bytes: 70 }])).toEqual({
    ...{ cases: 1, ms: { mean: 5, standardError: null }, bytes: { mean: 70, standardError: null } },
  });
});

test('the error of a further case is its own spread and that of the mean', () => {
  // s^2 = 2, n = 2: sqrt(2 x 1.5).
  expect(foreseeCost([1, 3].map((ms) => ({ ms, bytes: 0 })))!.ms).toEqual({ mean: 2, standardError: Math.sqrt(3) });
});

test('the order of the cases tells nothing, and what is foreseen lies among them', () => {
  fc.assert(
    fc.property(costs, (cases) => {
      const foreseen = foreseeCost(cases)!;
      expect(foreseeCost([...cases].reverse())).toEqual(foreseen);
      const ms = cases.map((one) => one.ms);
      expect(foreseen.ms.mean).toBeGreaterThanOrEqual(Math.min(...ms) - 1e-6);
      expect(foreseen.ms.mean).toBeLessThanOrEqual(Math.max(...ms) + 1e-6);
    }),
  );
});
