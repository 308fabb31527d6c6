import { describe, expect, it } from 'vitest';
import { parseCsv } from '../../../interfaces/data/csv.js';
import { BalanceError } from '../../../domain/types/errors.js';

describe('parseCsv', () => {
  const cases: [string, string, string[][]][] = [
    [
      'keeps a row of blank cells, so that later rows keep their numbers',
      'a,b\n1,2\n,\n3,4\n',
      [
        ['1', '2'],
        ['', ''],
        ['3', '4'],
      ],
    ],
    [
      'keeps a row of white space',
      'a,b\n , \n3,4\n',
      [
        [' ', ' '],
        ['3', '4'],
      ],
    ],
    ['skips lines without any character', 'a,b\n\n1,2\n\n\n', [['1', '2']]],
    ['pads short rows', 'a,b,c\n1\n', [['1', '', '']]],
    ['strips a byte order mark and reads CRLF', '\uFEFFa,b\r\n1,2\r\n', [['1', '2']]],
    ['keeps the exact text of a cell', 'a,b\n"x, ""y""\n", 01 \n', [['x, "y"\n', ' 01 ']]],
  ];
  it.each(cases)('%s', (_name, text, rows) => {
    expect(parseCsv(text, 'in.csv').rows).toEqual(rows);
  });

  it.each([
    ['an empty text', '', 'EmptyFile'],
    ['a row longer than the header', 'a\n1,2\n', 'MalformedCsv'],
  ])('refuses %s', (_name, text, type) => {
    const attempt = (): unknown => parseCsv(text, 'in.csv');
    expect(attempt).toThrow(BalanceError);
    expect(attempt).toThrow(expect.objectContaining({ type }) as Error);
  });
});
