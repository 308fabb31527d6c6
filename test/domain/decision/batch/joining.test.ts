import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../../../domain/batch/predicate-algebra.js';
import { joiningSlices, type LateRequest } from '../../../../domain/decision/batch/joining.js';
import type { PlannedSlice } from '../../../../domain/decision/batch/reads.js';
import type { Predicate } from '../../../../domain/types/predicate.js';

const planned = (more: Partial<PlannedSlice> = {}): PlannedSlice => ({
  ...{ id: 'wide', fields: ['x', 'k'], where: [{ column: 'k', op: '<', value: 50 }], rows: null, seed: 0 },
  ...{ classColumn: null, quotas: null, ...more },
});
const late = (more: Partial<LateRequest> = {}): LateRequest => {
  return { id: 'late', fields: ['x'], where: [{ column: 'k', op: '<', value: 20 }], rows: null, seed: 0, ...more };
};
const joins = (slices: readonly PlannedSlice[], request: LateRequest) =>
  joiningSlices(slices, [request]).map(({ id }) => id);

describe('a late request', () => {
  test('joins a slice that has all its rows and fields, whatever its seed and however many rows it draws', () => {
    expect(joins([planned()], late({ rows: 5, seed: 3 }))).toEqual(['late']);
  });

  test.each([
    ['a field that is not read', [planned()], late({ fields: ['y'] })],
    ['a field that is only filtered on', [planned({ fields: ['x'] })], late({ fields: ['k'] })],
    ['a filter on what is not read', [planned()], late({ where: [{ column: 'z', op: '=', value: 1 }] })],
    ['rows beyond', [planned()], late({ where: [] })],
    ['a sample, of which some rows are not there', [planned({ rows: 10 })], late()],
    ['a draw by class', [planned({ quotas: { a: 3 } })], late()],
  ])('does not join for %s', (_, slices, request) => {
    expect(joins(slices, request)).toEqual([]);
  });

  const condition = fc.oneof(
    fc.integer({ min: 0, max: 9 }).map((value) => ({ column: 'k', op: '=' as const, value })),
    fc.integer({ min: 0, max: 9 }).map((value) => ({ column: 'k', op: '<' as const, value })),
    fc.integer({ min: 0, max: 9 }).map((value) => ({ column: 'x', op: '>=' as const, value })),
  );
  const predicate: fc.Arbitrary<Predicate> = fc.array(condition, { maxLength: 3 });

  test('that joins has no row that the read has not', () => {
    fc.assert(
      fc.property(predicate, predicate, fc.nat(9), fc.nat(9), (wide, own, k, x) => {
        if (joins([planned({ where: wide })], late({ where: own })).length === 0) return;
        if (evaluate(own, { k, x })) expect(evaluate(wide, { k, x })).toBe(true);
      }),
    );
  });
});
