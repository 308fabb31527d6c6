import { describe, expect, it } from 'vitest';
import type { ColumnRule } from '../../../domain/quality/column-rule.js';
import { certainRepairs } from '../../../domain/quality/repair.js';

const repaired = (rule: ColumnRule, ...values: string[]) =>
  Object.fromEntries(
    certainRepairs(
      rule,
      values,
      values.map(() => 1),
    ),
  );

describe('certainRepairs', () => {
  const cases: [string, ColumnRule, string[], Record<string, string | null>][] = [
    [
      'the declared unit behind a number',
      { unit: 'oz' },
      ['12', '16 oz', '8.5 ounces', '7 OZ.'],
      { '16 oz': '16', '8.5 ounces': '8.5', '7 OZ.': '7' },
    ],
    ['no other unit', { unit: 'oz' }, ['12', '16 ml', '5 cl', '3 x'], {}],
    ['no unit that nobody declared: the others may be in another', { type: 'number' }, ['12', '16 oz'], {}],
    [
      'thousands that cannot be decimals',
      { type: 'number' },
      ['1,200,000', '1,200.5'],
      { '1,200,000': '1200000', '1,200.5': '1200.5' },
    ],
    ['1,200 where others have decimal points', { type: 'number' }, ['0.5', '1,200'], { '1,200': '1200' }],
    ['not 1,200 alone, brackets, or a currency', { type: 'number' }, ['5', '1,200', '(12)', '$3'], {}],
    ['a word for missing', { type: 'number' }, ['5', 'N/A', '-'], { 'N/A': null, '-': null }],
    ['not where a value is required', { type: 'number', required: true }, ['5', 'N/A'], {}],
    [
      'a date that reads one way',
      { type: 'date', format: 'YYYY-MM-DD' },
      ['2020-05-01', '5/31/2020', '31/5/2020', '3/3/2020', 'May 4, 2020'],
      { '5/31/2020': '2020-05-31', '31/5/2020': '2020-05-31', '3/3/2020': '2020-03-03', 'May 4, 2020': '2020-05-04' },
    ],
    ['not one that reads two ways', { type: 'date', format: 'YYYY-MM-DD' }, ['2020-05-01', '5/6/2020', '06-05-20'], {}],
    [
      'a declared value in another letter case',
      { values: ['retail', 'trade'] },
      ['retail', 'Retail', 'TRADE ', 'other'],
      { Retail: 'retail', 'TRADE ': 'trade' },
    ],
    ['nothing where all fits', { type: 'number', unit: 'oz' }, ['1', '2'], {}],
    ['nothing where nothing is declared', {}, ['12 oz', 'N/A'], {}],
  ];
  it.each(cases)('%s', (_, rule, values, expected) => {
    expect(repaired(rule, ...values)).toEqual(expected);
  });
});
