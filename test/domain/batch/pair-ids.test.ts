import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FieldSets } from '../../../domain/batch/field-sets.js';
import { PairIds } from '../../../domain/batch/pair-ids.js';
import { PredicateIds } from '../../../domain/batch/predicate-ids.js';
import type { Condition, Literal } from '../../../domain/types/predicate.js';

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const near = fc.integer({ min: -3, max: 3 });

describe('PairIds', () => {
  it('numbers distinct pairs as they come, and finds each again', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(int32, near), fc.oneof(int32, near)), { maxLength: 300 }), (pairs) => {
        const ids = new PairIds();
        const known = new Map<string, number>();
        for (const [a, b] of pairs) {
          const key = `${a} ${b}`;
          if (!known.has(key)) known.set(key, known.size);
          expect(ids.idOf(a, b)).toBe(known.get(key));
          expect(ids.size).toBe(known.size);
        }
      }),
    );
  });
});

const literal: fc.Arbitrary<Literal> = fc.oneof(
  fc.boolean(),
  near,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  int32,
  fc.constantFrom('', '5', 'a', '0'),
);
const column = fc.constantFrom('a', 'b', '');
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ column, op: fc.constantFrom('=' as const, '<' as const, '>=' as const), value: literal }),
  fc.record({ column, op: fc.constant('in' as const), values: fc.array(literal, { maxLength: 3 }) }),
  fc.record({ column, op: fc.constant('between' as const), low: literal, high: literal }),
  fc.record({ column, op: fc.constantFrom('is-null' as const, 'is-not-null' as const) }),
);

describe('PredicateIds', () => {
  it('gives two predicates one number exactly when they are written alike', () => {
    fc.assert(
      fc.property(fc.array(fc.array(condition, { maxLength: 3 }), { maxLength: 30 }), (predicates) => {
        const ids = new PredicateIds();
        const known = new Map<string, number>();
        for (const predicate of predicates) {
          const text = JSON.stringify(predicate);
          if (!known.has(text)) known.set(text, known.size);
          expect(ids.idOf(predicate)).toBe(known.get(text));
        }
      }),
    );
  });
});

describe('FieldSets', () => {
  it('gives lists of the same fields one number, and unions their own', () => {
    // More fields than bits in a word.
    const fields = fc.array(
      fc.oneof(
        fc.constantFrom('a', 'b', 'c', 'd'),
        fc.nat(70).map((field) => `f${field}`),
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(fields, fields, (a, b) => {
        const sets = new FieldSets();
        const sorted = (list: readonly string[]): string[] => [...new Set(list)].sort();
        expect(sets.list(sets.intern(a))).toEqual(sorted(a));
        expect(sets.intern(sorted(a))).toBe(sets.intern(a));
        expect(sets.union(sets.intern(a), sets.intern(b))).toBe(sets.intern([...b, ...a]));
        expect(sets.list(sets.union(sets.intern(a), sets.intern(b)))).toEqual(sorted([...a, ...b]));
        expect(sets.size(sets.intern(b))).toBe(new Set(b).size);
      }),
    );
  });
});
