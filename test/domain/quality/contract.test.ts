import { describe, expect, it } from 'vitest';
import { valueChecker } from '../../../domain/quality/cell-contract.js';
import type { ColumnRule } from '../../../domain/quality/column-rule.js';
import { bindContract, EMPTY_CONTRACT, parseContract } from '../../../domain/quality/contract.js';

describe('parseContract', () => {
  it('reads the short form', () => {
    const contract = parseContract({
      columns: { zip: { type: 'string', pattern: '\\d{5}' }, state: null },
      dependencies: ['zip -> city, state'],
      unique: [['zip', 'city'], 'id'],
    });
    expect(contract).toEqual({
      columns: { zip: { type: 'string', pattern: '\\d{5}' }, state: {} },
      dependencies: [
        { from: ['zip'], to: 'city' },
        { from: ['zip'], to: 'state' },
      ],
      unique: [['zip', 'city'], ['id']],
    });
  });

  it('reads lengths, formats of text, exclusive bounds and repeated values of ODCS', () => {
    const property = (name: string, logicalType: string, logicalTypeOptions: object): object => ({
      name,
      logicalType,
      logicalTypeOptions,
    });
    const contract = parseContract({
      schema: [
        {
          properties: [
            property('mail', 'string', { format: 'email', maxLength: 12 }),
            property('ip', 'string', { format: 'ipv4' }),
            property('code', 'string', { minLength: 2, maxLength: 3, pattern: '[A-Z]+' }),
            property('size', 'integer', { exclusiveMinimum: 0, maximum: 9, exclusiveMaximum: true }),
            property('share', 'number', { minimum: 0, exclusiveMaximum: 1 }),
            { name: 'id', quality: [{ metric: 'duplicateValues', mustBe: 0 }] },
          ],
          quality: [{ metric: 'duplicateValues', mustBe: 0, arguments: { properties: ['mail', 'code'] } }],
        },
      ],
    });
    const fits = (name: string, text: string): boolean =>
      valueChecker(contract.columns[name], [text], [1])(text) === undefined;
    const right = {
      mail: ['a@b.org'],
      ip: ['10.0.0.255'],
      code: ['AB', 'ABC'],
      size: ['1', '8'],
      share: ['0', '0.999'],
    };
    const wrong = {
      mail: ['a@b', 'long.name@b.org'],
      ip: ['10.0.0.256', '10.0.0', '10.0.0.1.'],
      code: ['A', 'ABCD', 'ab'],
      size: ['0', '9'],
      share: ['1', '-0.1'],
    };
    for (const [name, texts] of Object.entries(right)) for (const text of texts) expect([name, text, fits(name, text)]).toEqual([name, text, true]); // prettier-ignore
    for (const [name, texts] of Object.entries(wrong)) for (const text of texts) expect([name, text, fits(name, text)]).toEqual([name, text, false]); // prettier-ignore
    expect(contract.unique).toEqual([['id'], ['mail', 'code']]);
  });

  it('reads ODCS 3.1', () => {
    const contract = parseContract({
      apiVersion: 'v3.1.0',
      kind: 'DataContract',
      schema: [
        {
          name: 'orders',
          properties: [
            { name: 'id', logicalType: 'integer', primaryKey: true },
            { name: 'day', logicalType: 'date', required: true, logicalTypeOptions: { format: 'yyyy-MM-dd' } },
            { name: 'size', logicalType: 'number', logicalTypeOptions: { minimum: 0, maximum: 9 } },
            {
              name: 'kind',
              logicalType: 'string',
              quality: [
                { type: 'library', metric: 'invalidValues', arguments: { validValues: ['a', 'b'] }, mustBe: 0 },
              ],
            },
            { name: 'weight', logicalType: 'number', customProperties: [{ property: 'unit', value: 'oz' }] },
            { name: 'note', logicalType: 'string', quality: [{ metric: 'nullValues', mustBe: 0 }] },
          ],
          customProperties: [{ property: 'dependencies', value: ['id -> kind'] }],
        },
      ],
    });
    expect(contract).toEqual({
      columns: {
        id: { type: 'integer', required: true },
        day: { type: 'date', required: true, format: 'yyyy-MM-dd' },
        size: { type: 'number', min: 0, max: 9 },
        kind: { type: 'string', values: ['a', 'b'] },
        weight: { type: 'number', unit: 'oz' },
        note: { type: 'string', required: true },
      },
      dependencies: [{ from: ['id'], to: 'kind' }],
      unique: [['id']],
    });
  });

  it('says what of ODCS it does not check, and is quiet about what it does', () => {
    const column = (name: string, more: object): object => ({ name, ...more });
    const { unchecked, columns } = parseContract({
      schema: [
        {
          name: 'orders',
          quality: [
            { metric: 'rowCount', mustBeGreaterThan: 10 },
            { metric: 'duplicateValues', mustBe: 0, arguments: { properties: ['id', 'day'] } },
            { type: 'text', description: 'handle with care' },
            { type: 'sql', query: 'SELECT 1' },
          ],
          properties: [
            column('id', { logicalType: 'integer', logicalTypeOptions: { multipleOf: 5, minimum: 0 } }),
            column('day', {
              logicalType: 'date',
              logicalTypeOptions: { exclusiveMinimum: '2020-02-28', maximum: '2021-01-01', exclusiveMaximum: true },
            }),
            column('at', {
              logicalType: 'timestamp',
              logicalTypeOptions: { exclusiveMinimum: '2020-01-01T00:00:00Z' },
            }),
            column('code', {
              logicalType: 'string',
              logicalTypeOptions: { pattern: 'A.*', format: 'hostname' },
              quality: [
                { metric: 'invalidValues', mustBe: 0, arguments: { pattern: '.*9' } },
                { metric: 'missingValues', mustBe: 0, arguments: { missingValues: ['-'] } },
                { metric: 'nullValues', mustBeLessThan: 5 },
              ],
            }),
            column('tags', { logicalType: 'array' }),
          ],
        },
        { name: 'lines' },
      ],
    });
    expect(unchecked).toEqual([
      'schema object lines: only the first one is read',
      'quality rule rowCount',
      'quality rule of type sql',
      'id: logicalTypeOptions.multipleOf',
      'at: logicalTypeOptions.exclusiveMinimum (the bound itself is let through)',
      'code: logicalTypeOptions.format hostname',
      'code: quality rule missingValues',
      'code: quality rule nullValues',
      'tags: logicalType array',
    ]);
    expect(columns.day).toEqual({ type: 'date', min: '2020-02-29', max: '2020-12-31' });
    const matches = new RegExp(`^(?:${columns.code.pattern!})$`, 'u');
    expect(['A19', 'B19', 'A18'].map((text) => matches.test(text))).toEqual([true, false, false]);
    const sound = parseContract({
      schema: [{ properties: [column('id', { logicalType: 'integer', required: true })] }],
    });
    expect(sound).not.toHaveProperty('unchecked');
  });

  it('reads nothing from an empty file', () => {
    expect(parseContract(null)).toEqual(EMPTY_CONTRACT);
  });

  const broken: [string, unknown][] = [
    ['an unknown type', { columns: { a: { type: 'text' } } }],
    ['an unknown key', { column: {} }],
    ['a dependency without an arrow', { dependencies: ['a b'] }],
    ['a pattern that is no regular expression', { columns: { a: { pattern: '(' } } }],
    ['a list', [1]],
    ['a range that holds nothing', { columns: { a: { type: 'number', min: 2, max: 1 } } }],
    ['a bound that is no number', { columns: { a: { type: 'integer', min: 'low' } } }],
    ['words as the values of a number', { columns: { a: { type: 'integer', values: ['one'] } } }],
    ['a date format of a number', { columns: { a: { type: 'integer', format: 'M/D/YY' } } }],
    ['a unit of text', { columns: { a: { type: 'string', unit: 'oz' } } }],
  ];
  it.each(broken)('refuses %s', (_name, input) => {
    expect(() => parseContract(input)).toThrow(expect.objectContaining({ type: 'InvalidContract' }) as Error);
  });
});

describe('bindContract', () => {
  it('finds columns by their letters and digits, and lists what the table lacks', () => {
    const contract = parseContract({ columns: { 'Beer Name': {}, gone: {} }, dependencies: ['beer-name -> gone'] });
    const bound = bindContract(contract, ['beer_name', 'abv']);
    expect(Object.keys(bound.contract.columns)).toEqual(['beer_name']);
    expect(bound.contract.dependencies).toEqual([]);
    expect(bound.absent).toEqual(['gone']);
  });
});

describe('valueChecker', () => {
  const cases: [string, ColumnRule, string, { kind: string; suggested?: string } | undefined][] = [
    ['a plain number fits', { type: 'number' }, '0.05', undefined],
    ['a blank fits an optional column', { type: 'number' }, '', undefined],
    ['a blank is missing from a required one', { required: true }, ' ', { kind: 'missing' }],
    ['N/A in numbers is an implicit null', { type: 'number' }, 'N/A', { kind: 'implicit-missing', suggested: '' }],
    ['N/A in free text is the custom of the column', { type: 'string' }, 'N/A', undefined],
    ['a unit is dropped', { type: 'number', unit: 'oz' }, '12.0 oz.', { kind: 'unit', suggested: '12' }],
    ['a spelled-out unit is dropped', { unit: 'oz' }, '8.4 ounces', { kind: 'unit', suggested: '8.4' }],
    ['another unit is not dropped', { unit: 'oz' }, '330 ml', { kind: 'unit' }],
    ['a percent sign is dropped', { type: 'number' }, '0.09%', { kind: 'unit', suggested: '0.09' }],
    ['float noise is rounded', { type: 'number' }, '0.055999999999999994%', { kind: 'unit', suggested: '0.056' }],
    ['thousands separators are dropped', { type: 'integer' }, '1,234', { kind: 'type', suggested: '1234' }],
    ['brackets are dropped', { type: 'integer' }, '(1971)', { kind: 'type', suggested: '1971' }],
    ['a whole decimal becomes an integer', { type: 'integer' }, '7.0', { kind: 'type', suggested: '7' }],
    ['a fraction does not become an integer', { type: 'integer' }, '7.5', { kind: 'type' }],
    ['text is no number', { type: 'number' }, 'many', { kind: 'type' }],
    ['a date is rewritten', { type: 'date', format: 'M/D/YY' }, '2015-04-02', { kind: 'format', suggested: '4/2/15' }],
    [
      'a time is found in longer text',
      { type: 'time', format: 'h:mm a.m.' },
      '12/01/2011 7:10 p.m.',
      { kind: 'format', suggested: '7:10 p.m.' },
    ],
    ['letter case of a listed value', { values: ['Yes', 'No'] }, 'yes', { kind: 'domain', suggested: 'Yes' }],
    ['an unlisted value', { values: ['Yes', 'No'] }, 'maybe', { kind: 'domain' }],
    ['a pattern holds for the whole value', { pattern: '\\d{5}' }, '123456', { kind: 'pattern' }],
    ['a number beyond its bound', { type: 'number', max: 10 }, '11', { kind: 'range' }],
    [
      'a date before its bound',
      { type: 'date', format: 'YYYY-MM-DD', min: '2000-01-01' },
      '1999-12-31',
      { kind: 'range' },
    ],
    ['a date within its bound', { type: 'date', format: 'YYYY-MM-DD', min: '2000-01-01' }, '2000-01-01', undefined],
  ];
  it.each(cases)('%s', (_name, rule, text, expected) => {
    const fault = valueChecker(rule, [text], [1])(text);
    if (expected === undefined) expect(fault).toBeUndefined();
    else expect({ kind: fault?.kind, suggested: fault?.suggested }).toEqual({ suggested: undefined, ...expected });
  });

  it('takes a padded format loosely when most values are not padded', () => {
    const values = ['4/2/15', '5/3/15', '04/02/15'];
    const check = valueChecker({ type: 'date', format: 'MM/DD/YY' }, values, [10, 10, 1]);
    expect(values.map((value) => check(value))).toEqual([undefined, undefined, undefined]);
  });
});
