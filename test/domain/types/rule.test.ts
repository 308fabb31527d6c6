import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePredicate } from '../../../domain/types/predicate.js';
import { namedRule, parseRule, ruleColumns, rulesWithin, type RuleCondition } from '../../../domain/types/rule.js';

describe('parseRule', () => {
  const cases: [string, string, readonly string[]][] = [
    ['arrival >= departure', 'arrival >= departure', ['arrival', 'departure']],
    ['a<b and b <> 3', 'a < b AND b != 3', ['a', 'b']],
    [
      "status = 'closed' -> closed_at is not null and amount > 0",
      "status = 'closed' -> closed_at IS NOT NULL AND amount > 0",
      ['amount', 'closed_at', 'status'],
    ],
    ['"Release Date" <= shipped', '"Release Date" <= shipped', ['Release Date', 'shipped']],
    ['a = TRUE -> b IN (1, 2)', 'a = true -> b IN (1, 2)', ['a', 'b']],
  ];
  it.each(cases)('reads %s', (text, canonical, columns) => {
    const rule = parseRule(text);
    expect(rule.text).toBe(canonical);
    expect(ruleColumns(rule)).toEqual(columns);
  });

  const refused: [string, string, number, string][] = [
    ['nothing', '', 1, 'a column name'],
    ['a lone column', 'a', 2, '= != <> < <= > >= IN BETWEEN or IS after a column'],
    ['a missing consequence', 'a > 1 ->', 9, 'a column name'],
    ['two arrows', 'a > 1 -> b > 1 -> c > 1', 16, 'AND or the end of the text'],
    ['OR', 'a > 1 OR b > 1', 7, 'AND, -> or the end of the text'],
    ['a statement', 'a > 1; DROP TABLE x', 6, 'conditions joined by AND'],
    ['a column in a list', 'a IN (b)', 7, "a literal: 'text', a number, true or false"],
  ];
  it.each(refused)('refuses %s with the place', (_, text, position, expected) => {
    expect(() => parseRule(text)).toThrow(
      expect.objectContaining({
        kind: 'usage',
        type: 'InvalidRule',
        message: `invalid rule at position ${position} of ${JSON.stringify(text)}`,
        expected: expect.stringContaining(expected),
        hint: expect.stringContaining('CONDITIONS -> CONDITIONS'),
      }),
    );
  });

  it('keeps the algebra of requests as it is: they compare no columns and imply nothing', () => {
    expect(() => parsePredicate('a >= b')).toThrow(expect.objectContaining({ type: 'InvalidPredicate', got: 'b' }));
    expect(() => parsePredicate('a > 1 -> b > 1')).toThrow(
      expect.objectContaining({ expected: 'AND or the end of the text', got: '->' }),
    );
  });

  it('reads the text of any rule as the same rule', () => {
    const name = fc.oneof(fc.constantFrom('a', 'b', 'and', 'x y', 'ü"1'), fc.string({ minLength: 1 }));
    const op = fc.constantFrom('=', '!=', '<', '<=', '>', '>=');
    const literal = fc.oneof(fc.string(), fc.integer(), fc.boolean());
    const condition: fc.Arbitrary<RuleCondition> = fc.oneof(
      fc.record({ column: name, op, other: name }),
      fc.record({ column: name, op, value: literal }),
      fc.record({ column: name, op: fc.constantFrom('is-null', 'is-not-null') }),
      fc.record({ column: name, op: fc.constant('in'), values: fc.array(literal, { minLength: 1, maxLength: 3 }) }),
      fc.record({ column: name, op: fc.constant('between'), low: literal, high: literal }),
    );
    const side = (minLength: number) => fc.array(condition, { minLength, maxLength: 3 });
    fc.assert(
      fc.property(side(0), side(1), (when, then) => {
        const rule = namedRule(when, then);
        expect(parseRule(rule.text)).toEqual(rule);
      }),
    );
  });
});

it('rulesWithin leaves out the rules that need another column', () => {
  const rules = [parseRule('a < b'), parseRule('a < c')];
  expect(rulesWithin(rules, ['b', 'a']).map(({ text }) => text)).toEqual(['a < b']);
  expect(rulesWithin(undefined, ['a'])).toEqual([]);
});
