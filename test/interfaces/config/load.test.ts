/** balance.yaml: typical mistakes are told with their line; the published schema is that of the reader. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import type { BalanceError } from '../../../domain/types/errors.js';
import { configJsonSchema, loadConfig, parseConfig } from '../../../interfaces/config/load.js';

const GOOD = `version: 1
pools:
  small:
    sources:
      lake: { kind: files, root: . }
      db: { kind: postgres }
    datasets:
      events: { source: lake, path: events.csv, eventTime: at }
    models:
      trainer:
        kind: training
        needs:
          - id: sample
            dataset: events
            fields: [id, value]
            where: value > 3
            rows: 100
            maxAge: 1h
          - id: rest
            dataset: events
            fields: [id]
            rows: new
            after: [trainer/sample]
    schedules:
      - { id: hourly, every: 1h }
`;

function refusal(text: string): BalanceError {
  try {
    parseConfig(text, 'balance.yaml');
  } catch (error) {
    return error as BalanceError;
  }
  throw new Error('it was accepted');
}

describe('mistakes in balance.yaml', () => {
  test('the file that they are made in has none', () => {
    expect(Object.keys(parseConfig(GOOD, 'balance.yaml').pools)).toEqual(['small']);
  });

  test.each([
    ['an unknown key', 'maxAge: 1h', 'maxAgo: 1h', 18, 'a known key', '"maxAgo"'],
    ['a wrong type', 'rows: 100', 'rows: many', 17, '', '"many"'],
    ['a number without its unit', 'every: 1h', 'every: 60', 25, 'string', '60'],
    ['a duration that is none', 'maxAge: 1h', 'maxAge: soon', 18, 'a number with a unit', '"soon"'],
    ['a time in which nothing passes', 'every: 1h', 'every: 0s', 25, 'more than zero', '0'],
    [
      'a limit of which nothing could ever be served',
      'root: . }',
      'root: ., limits: { bytesPerSecond: 0B } }',
      5,
      'more than zero',
      '0',
    ],
    ['a word that is not one of the choices', 'kind: training', 'kind: trainer', 11, '"training"', '"trainer"'],
    ['a predicate beyond the grammar', 'value > 3', "value LIKE 'a'", 16, 'BETWEEN', '"value LIKE \'a\'"'],
    [
      'a column that contradicts itself',
      'eventTime: at }',
      'eventTime: at, columns: { value: { type: date, unit: oz } } }',
      8,
      'type: integer or number (column value: a unit is of plain numbers)',
      '{"type":"date","unit":"oz"}',
    ],
    [
      'a format that is none',
      'eventTime: at }',
      "eventTime: at, columns: { at: { format: '???' } } }",
      8,
      'a format such as',
      '"???"',
    ],
    [
      'a rule beyond the grammar',
      'eventTime: at }',
      'eventTime: at, rules: [value > 3 OR at = 1] }',
      8,
      'AND, -> or the end of the text',
      '"value > 3 OR at = 1"',
    ],
    [
      'a rule that compares a declared number with a word',
      'eventTime: at }',
      "eventTime: at, columns: { value: { type: number } }, rules: [id > 3 -> value = 'high'] }",
      8,
      'a number to compare value with, which is declared to be of type number',
      '"high"',
    ],
    [
      'a need that compares a declared date with a number',
      'eventTime: at }',
      'eventTime: at, columns: { value: { type: date } } }',
      16,
      'an ISO 8601 date in quotes',
      '3',
    ],
    [
      'a reference to a dataset that is not declared',
      'eventTime: at }',
      'eventTime: at, references: [id -> people.id] }',
      8,
      'a declared dataset: events',
      '"people"',
    ],
    ['a missing key', '            fields: [id, value]\n', '', 13, 'array', 'nothing'],
    [
      'a dataset that is not declared',
      '            dataset: events\n            fields: [id, v',
      '            dataset: event\n            fields: [id, v',
      14,
      'a declared dataset: events',
      '"event"',
    ],
    ['a source that is not declared', 'source: lake', 'source: lak', 8, 'a declared source: lake, db', '"lak"'],
    ['a table source without a table', 'source: lake, path: events.csv', 'source: db', 8, '`table`', 'nothing'],
    [
      'a need that comes after none that is there',
      '[trainer/sample]',
      '[trainer/other]',
      23,
      'a declared need',
      '"trainer/other"',
    ],
    [
      'a circle of `after`',
      'after: [trainer/sample]',
      'after: [trainer/rest]',
      10,
      'circle',
      'trainer/rest after trainer/rest',
    ],
    [
      'more rows needed than wanted',
      'rows: 100',
      'rows: 100\n            minRows: 200',
      18,
      'at most rows (100)',
      '200',
    ],
    [
      'a reference that is not declared',
      'maxAge: 1h',
      'reference: trained',
      18,
      'a declared other dataset',
      '"trained"',
    ],
    ['a reference to the dataset itself', 'maxAge: 1h', 'reference: events', 18, 'other dataset', '"events"'],
    [
      'the class mix of a reference that is none',
      'maxAge: 1h',
      'classColumn: id\n            target: reference',
      19,
      'the need has no `reference`',
      'reference',
    ],
    ['both every and cron', 'every: 1h', 'every: 1h, cron: "0 * * * *"', 25, 'exactly one of `every` and `cron`', ''],
    ['a cron expression that is none', 'every: 1h', 'cron: "60 * * * *"', 25, 'cron expression', '"60 * * * *"'],
    ['new rows of a dataset without event time', ', eventTime: at', '', 22, 'no eventTime', '"new"'],
    ['an id with capitals', '  small:', '  Small:', 3, '', ''],
    ['a quote that is not closed', 'kind: training', 'kind: "training', 26, 'valid YAML', ''],
    ['another version', 'version: 1', 'version: 2', 1, '1', '2'],
  ])('%s is told with its line', (_, from, to, line, expected, got) => {
    expect(GOOD).toContain(from);
    const error = refusal(GOOD.replace(from, to));
    expect(error).toMatchObject({ kind: 'usage', type: 'InvalidConfig' });
    expect(error.got).toContain(`line ${line}: `);
    expect(error.expected).toContain(expected);
    expect(error.got).toContain(got);
    expect(error.message).not.toContain('undefined');
  });

  test('a model may read every column that a reference is compared by', () => {
    const declared = (mayRead: string): string =>
      GOOD.replace(
        'eventTime: at }',
        'eventTime: at }\n      train: { source: lake, path: t.csv, columns: { value: { sensitivity: restricted }, other: { sensitivity: restricted } } }',
      )
        .replace('maxAge: 1h', 'reference: train')
        .replace('kind: training', `kind: training\n        mayRead: [${mayRead}]`);
    const error = refusal(declared('events.value'));
    expect(error.expected).toContain('train.value in the `mayRead` of model trainer');
    expect(error.got).toContain('line 20: events.value');
    expect(Object.keys(parseConfig(declared('train.value'), 'balance.yaml').pools)).toEqual(['small']);
  });

  test('all are told together', () => {
    const error = refusal(GOOD.replace('rows: 100', 'rowz: 100').replace('every: 1h', 'every: often'));
    expect(error.message).toContain('problems:');
    expect(error.message).toContain('line 17');
    expect(error.message).toContain('line 25');
  });

  test.each(['', '- a list', 'null'])('%j is refused, not crashed on', (text) => {
    expect(refusal(text)).toMatchObject({ type: 'InvalidConfig' });
  });

  test('a file that is not there is named', () => {
    expect(() => loadConfig('no/such/balance.yaml')).toThrow('cannot read no/such/balance.yaml: ENOENT');
  });
});

describe('mistakes in cohorts', () => {
  const cohorts = (lines: string, model = 'x') =>
    GOOD.replace('root: . }', 'root: ., limits: { bytesPerSecond: 300kB } }')
      .replace('        kind: training\n', `        kind: training\n        cohort: ${model}\n`)
      .replace('    models:', `    cohorts:\n${lines.replace(/^/gm, '      ')}\n    models:`);

  test('the cohorts that they are made in have none', () => {
    const text = cohorts(
      'x: { nominal: { "bytes:lake": 200kB } }\ny: { parent: x, lendingLimit: { "bytes:lake": 0B } }',
    );
    expect(parseConfig(text, 'balance.yaml').pools.small.cohorts?.x.nominal).toEqual({ 'bytes:lake': 200_000 });
  });

  test.each([
    ['a model of one that is not declared', 'x: {}', 'z', 14, 'a declared cohort: x', '"z"'],
    ['a parent that is not declared', 'x: { parent: z }', 'x', 10, 'a declared cohort: x', '"z"'],
    ['a circle', 'x: { parent: y }\ny: { parent: x }', 'x', 10, 'a tree', 'x in y in x'],
    ['a limit that is not there', 'x: { nominal: { "rows:lake": 5 } }', 'x', 10, 'bytes:lake', '"rows:lake"'],
    ['a quota', 'x: { borrowingLimit: { "quota:lake": 5 } }', 'x', 10, 'as a whole', '"quota:lake"'],
    ['a guarantee above its limit', 'x: { nominal: { "bytes:lake": 1MB } }', 'x', 10, 'gives: 300000', '1000000'],
    [
      'guarantees that do not fit together',
      'x: { nominal: { "bytes:lake": 200kB } }\ny: {}\nz: { parent: y, nominal: { "bytes:lake": 200kB } }',
      ...(['x', 9, 'bytes:lake that add up to at most what it gives: 300000', '400000 (x 200000, y 200000)'] as const),
    ],
    ['an amount below zero', 'x: { nominal: { "bytes:lake": -1 } }', 'x', 10, 'zero or more', '-1'],
  ])('%s is told with its line', (_, lines, model, line, expected, got) => {
    const error = refusal(cohorts(lines, model));
    expect(error).toMatchObject({ kind: 'usage', type: 'InvalidConfig' });
    expect(error.got).toContain(`line ${line}: `);
    expect(error.expected).toContain(expected);
    expect(error.got).toContain(got);
  });
});

describe('the JSON Schema for editors', () => {
  const schema = z.fromJSONSchema(configJsonSchema() as never);

  test('takes the balance.yaml of the project and the one above', () => {
    for (const text of [readFileSync('balance.yaml', 'utf8'), GOOD]) {
      expect(schema.safeParse(parse(text)).error?.issues).toBeUndefined();
    }
  });

  test('refuses an unknown key, a wrong type and a missing key', () => {
    const wrong = [
      GOOD.replace('rows: 100', 'rowz: 100'),
      GOOD.replace('rows: 100', 'rows: many'),
      GOOD.replace('kind: training\n', 'weight: 1\n'),
    ];
    for (const text of wrong) expect(schema.safeParse(parse(text)).success).toBe(false);
  });
});
