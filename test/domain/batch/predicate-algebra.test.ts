import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  boxKey,
  evaluate,
  isUnsatisfiable,
  normalise,
  relate,
  type Relation,
} from '../../../domain/batch/predicate-algebra.js';
import { parsePredicate, type Condition, type Literal } from '../../../domain/types/predicate.js';

const relation = (a: string, b: string) => relate(parsePredicate(a), parsePredicate(b));

describe('relate', () => {
  const cases: readonly [string, string, Relation][] = [
    ['', '', 'equal'],
    ['', 'a = 1', 'contains'],
    ['a >= 1 AND a <= 5', 'a BETWEEN 1 AND 5', 'equal'],
    ['a IN (2, 1, 2)', 'a IN (1, 2)', 'equal'],
    ['a BETWEEN 3 AND 3', 'a = 3', 'equal'],
    ['b = 1 AND a = 2', 'a = 2 AND b = 1', 'equal'],
    ['a > 1', 'a > 1 AND b = 2', 'contains'],
    ['a IN (2, 3)', 'a BETWEEN 1 AND 5', 'contained'],
    ['a < 5', 'a <= 5', 'contained'],
    ['a != 7', 'a BETWEEN 1 AND 5', 'contains'],
    ['a BETWEEN 1 AND 5', 'a BETWEEN 5 AND 9', 'overlapping'],
    ['a = 1', 'b = 1', 'overlapping'],
    ['a < 5', 'a >= 5', 'adjacent'],
    ["name < 'm'", "name >= 'm'", 'adjacent'],
    ['a BETWEEN 1 AND 5', 'a BETWEEN 6 AND 9', 'adjacent'],
    ['a BETWEEN 1 AND 5 AND b = 1', 'a BETWEEN 6 AND 9 AND b = 2', 'disjoint'],
    ['a BETWEEN 1 AND 5', 'a BETWEEN 7 AND 9', 'disjoint'],
    ['a < 5', 'a > 5', 'disjoint'],
    ["o = 'SFO'", "o = 'LAX'", 'disjoint'],
    ['a IS NULL', 'a IS NOT NULL', 'disjoint'],
    ['a IS NULL', 'a != 1', 'disjoint'],
    ['a IS NOT NULL', 'a != 1', 'contains'],
    ['a > 2 AND a < 1', 'b = 3', 'contained'],
    ['a > 2 AND a < 1', 'b IS NULL AND b = 1', 'equal'],
    ["t < '2024-01-01'", "t < '2024-02-01'", 'contained'],
    ["t = '2024-01-01'", "t = '2024-01-02'", 'disjoint'],
    // Not provable for every column type or collation: the sound answer is overlapping.
    ["t = '2024-01-01'", "t = '2024-01-01 00:00:00'", 'overlapping'],
    ["t < '2024-01-01T10:00:00+02:00'", "t < '2024-01-01T11:00:00-05:00'", 'overlapping'],
    ["name > 'a'", "name > 'B'", 'overlapping'],
    ['a = 5', "a = '5'", 'overlapping'],
    ["name IN ('a', 'C')", "name > 'b'", 'overlapping'],
    ["name > 'a' AND name > 'b'", "name > 'b' AND name > 'a'", 'equal'],
  ];
  it.each(cases)('[%s] and [%s] are %s', (a, b, expected) => {
    expect(relation(a, b)).toBe(expected);
    const mirrored = { contains: 'contained', contained: 'contains' } as Partial<Record<Relation, Relation>>;
    expect(relation(b, a)).toBe(mirrored[expected] ?? expected);
  });
});

// A small world in which every row can be listed: two columns, cells from few values and NULL.
const cells = [null, 0, 1, 2, 3, 'a', 'b', true, false] as const;
const rows = cells.flatMap((x) => cells.map((y) => ({ x, y })));
const literal: fc.Arbitrary<Literal> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(0, 1, 2, 3) },
  { weight: 1, arbitrary: fc.constantFrom('a', 'b', true, false) },
);
const column = fc.constantFrom('x', 'y');
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ column, op: fc.constantFrom('=', '!=', '<', '<=', '>', '>=' as const), value: literal }),
  fc.record({ column, op: fc.constant('in' as const), values: fc.array(literal, { maxLength: 3 }) }),
  fc.record({ column, op: fc.constant('between' as const), low: literal, high: literal }),
  fc.record({ column, op: fc.constantFrom('is-null' as const, 'is-not-null' as const) }),
);
const predicate = fc.array(condition, { maxLength: 4 });

describe('the algebra against every row of a small world', () => {
  it('never claims what a row refutes', () => {
    fc.assert(
      fc.property(predicate, predicate, (a, b) => {
        const inA = rows.filter((row) => evaluate(a, row));
        const inB = rows.filter((row) => evaluate(b, row));
        const both = inA.filter((row) => evaluate(b, row)).length;
        const verdict = relate(a, b);
        if (verdict === 'equal' || verdict === 'contains') expect(both).toBe(inB.length);
        if (verdict === 'equal' || verdict === 'contained') expect(both).toBe(inA.length);
        if (verdict === 'adjacent' || verdict === 'disjoint') expect(both).toBe(0);
        if (isUnsatisfiable(a)) expect(inA).toEqual([]);
      }),
      { numRuns: 5000 },
    );
  });

  it('finds every containment of interval boxes over numbers', () => {
    const interval = (name: string) =>
      fc
        .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 }))
        .map(([low, width]): Condition => ({ column: name, op: 'between', low, high: low + width }));
    const box = fc.tuple(interval('x'), interval('y'));
    fc.assert(
      fc.property(box, box, (a, b) => {
        const world = Array.from({ length: 64 }, (_, i) => ({ x: i % 8, y: Math.floor(i / 8) }));
        const inB = world.filter((row) => evaluate(b, row));
        const contains = inB.every((row) => evaluate(a, row));
        expect(['equal', 'contains'].includes(relate(a, b))).toBe(contains);
      }),
    );
  });

  it('does not depend on the order of the conditions, and a predicate equals itself', () => {
    fc.assert(
      fc.property(predicate, (a) => {
        expect(boxKey(normalise([...a].reverse()))).toBe(boxKey(normalise(a)));
        expect(relate(a, a)).toBe('equal');
      }),
    );
  });
});

describe('evaluate', () => {
  it('never matches NULL or an absent column by comparison', () => {
    for (const text of ['a = 1', 'a != 1', 'a < 1', 'a IN (1)', 'a BETWEEN 0 AND 2', 'a IS NOT NULL']) {
      expect(evaluate(parsePredicate(text), { a: null })).toBe(false);
      expect(evaluate(parsePredicate(text), {})).toBe(false);
    }
    expect(evaluate(parsePredicate('a IS NULL'), { a: null })).toBe(true);
    expect(evaluate(parsePredicate('toString IS NULL'), {})).toBe(true);
  });
});
