import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BalanceError } from '../../../domain/types/errors.js';
import {
  formatPredicate,
  parsePredicate,
  predicateColumns,
  type Condition,
  type Literal,
  type Predicate,
} from '../../../domain/types/predicate.js';

const literal: fc.Arbitrary<Literal> = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
  fc.integer(),
);
const column = fc.oneof(fc.constantFrom('a', 'b', 'and', 'Null', 'order', 'two words'), fc.string({ minLength: 1 }));
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ column, op: fc.constantFrom('=', '!=', '<', '<=', '>', '>=' as const), value: literal }),
  fc.record({ column, op: fc.constant('in' as const), values: fc.array(literal, { minLength: 1, maxLength: 4 }) }),
  fc.record({ column, op: fc.constant('between' as const), low: literal, high: literal }),
  fc.record({ column, op: fc.constantFrom('is-null' as const, 'is-not-null' as const) }),
);

const failure = (text: string) => {
  try {
    parsePredicate(text);
  } catch (error) {
    expect(error).toBeInstanceOf(BalanceError);
    return (error as BalanceError).facts();
  }
  throw new Error(`accepted: ${text}`);
};

describe('parsePredicate', () => {
  const cases: readonly [string, string, Predicate][] = [
    ['nothing is every row', '  ', []],
    ['a comparison', 'delay>=-1.5e3', [{ column: 'delay', op: '>=', value: -1500 }]],
    ['<> is !=', "o <> 'it''s'", [{ column: 'o', op: '!=', value: "it's" }]],
    [
      'keywords in any case',
      'a in (1, 2) aNd b is NOT null',
      [
        { column: 'a', op: 'in', values: [1, 2] },
        { column: 'b', op: 'is-not-null' },
      ],
    ],
    [
      'the AND of BETWEEN is not a conjunction',
      'a BETWEEN 1 AND 2 AND b IS NULL',
      [
        { column: 'a', op: 'between', low: 1, high: 2 },
        { column: 'b', op: 'is-null' },
      ],
    ],
    [
      'quoted names keep spaces, quotes and case',
      '"two ""words""" = true',
      [{ column: 'two "words"', op: '=', value: true }],
    ],
    [
      'an ISO timestamp stays text',
      "t < '2024-01-01T00:00:00Z'",
      [{ column: 't', op: '<', value: '2024-01-01T00:00:00Z' }],
    ],
    ['negative zero is zero', 'a = -0', [{ column: 'a', op: '=', value: 0 }]],
    [
      'a large whole number that a float holds',
      'a = 9007199254740994',
      [{ column: 'a', op: '=', value: 9007199254740994 }],
    ],
  ];
  it.each(cases)('%s', (_name, text, expected) => {
    expect(parsePredicate(text)).toStrictEqual(expected);
  });

  const refused: readonly [string, string, number, string, string][] = [
    ['OR', 'a = 1 OR b = 2', 7, 'AND or the end of the text', 'OR'],
    ['NOT', 'NOT a = 1', 1, 'a column name', 'NOT'],
    ['NOT IN', 'a NOT IN (1)', 3, '= != <> < <= > >= IN BETWEEN or IS after a column', 'NOT'],
    ['LIKE', "a LIKE 'x%'", 3, '= != <> < <= > >= IN BETWEEN or IS after a column', 'LIKE'],
    ['a function', 'lower(a) = 1', 6, '= != <> < <= > >= IN BETWEEN or IS after a column', '('],
    ['brackets', '(a = 1)', 1, 'a column name', '('],
    ['two columns', 'a = b', 5, "a literal: 'text', a number, true or false", 'b'],
    ['= NULL', 'a = NULL', 5, "a literal: 'text', a number, true or false (or IS NULL)", 'NULL'],
    ['an empty list', 'a IN ()', 7, "a literal: 'text', a number, true or false", ')'],
    ['a dangling AND', 'a = 1 AND ', 11, 'a column name', 'the end of the text'],
    [
      'a whole number that would be rounded',
      'a = 9007199254740993',
      5,
      'a number that a 64-bit float holds exactly',
      '9007199254740993',
    ],
    ['an infinite number', 'a = 1e999', 5, 'a number that a 64-bit float holds exactly', '1e999'],
  ];
  it.each(refused)('refuses %s', (_name, text, position, expected, got) => {
    expect(failure(text)).toMatchObject({
      type: 'InvalidPredicate',
      message: `invalid predicate at position ${position}`,
      expected,
      got,
    });
  });

  it.each([
    'a = 1; DROP TABLE x',
    'a = 1 -- x',
    'a = 1 /* x */',
    "a = 'open",
    'a = 12abc',
    'a = 1.2.3',
    't.a = 1',
    '"" = 1',
  ])('refuses %s and says what is supported', (text) => {
    expect(failure(text).hint).toContain('conditions joined by AND');
  });

  it('reads a long literal', () => {
    const value = "it's ".repeat(150_000);
    expect(parsePredicate(formatPredicate([{ column: 'a', op: '=', value }]))).toEqual([
      { column: 'a', op: '=', value },
    ]);
  });

  it('refuses text beyond the bound', () => {
    expect(failure(' '.repeat(1_000_001)).got).toBe('1000001 characters');
  });
});

describe('formatPredicate', () => {
  it('round-trips every predicate', () => {
    fc.assert(
      fc.property(fc.array(condition, { maxLength: 5 }), (predicate) => {
        expect(parsePredicate(formatPredicate(predicate))).toEqual(predicate);
      }),
    );
  });
  it('is canonical', () => {
    expect(formatPredicate(parsePredicate(`x  in(1,2) and "y"<>'q' and "and" is null`))).toBe(
      `x IN (1, 2) AND y != 'q' AND "and" IS NULL`,
    );
  });
  it.each([
    [{ column: 'a', op: 'in', values: [] }],
    [{ column: '', op: 'is-null' }],
    [{ column: 'a', op: '=', value: Number.NaN }],
  ] as Condition[][])('refuses what text cannot hold: %j', (bad) => {
    expect(() => formatPredicate([bad])).toThrow(BalanceError);
  });
});

describe('predicateColumns', () => {
  it('lists each column once, sorted', () => {
    expect(predicateColumns(parsePredicate('b = 1 AND a = 2 AND b = 3'))).toEqual(['a', 'b']);
    expect(predicateColumns([])).toEqual([]);
  });
});
