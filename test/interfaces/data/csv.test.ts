import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeText, parseCsv, writeCsvFile } from '../../../interfaces/data/csv.js';
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
    [
      'drops the blank cells after the last column',
      'a,b\n1,2,\n3,4,,\n',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['reads cells parted by semicolons', '"a,b";c\n1,5;2\n', [['1,5', '2']]],
    ['reads cells parted by tabs, commas within them', 'a\tb\n1, 2\t3\n', [['1, 2', '3']]],
    ['keeps the exact text of a cell', 'a,b\n"x, ""y""\n", 01 \n', [['x, "y"\n', ' 01 ']]],
  ];
  it.each(cases)('%s', (_name, text, rows) => {
    expect(parseCsv(text, 'in.csv').rows).toEqual(rows);
  });

  it.each([
    ['an empty text', '', 'EmptyFile'],
    ['a row longer than the header', 'a,b\n1,2,3\n', 'MalformedCsv'],
    ['a quote that is never closed', 'a,b\n1,"2\n3,4\n', 'MalformedCsv'],
  ])('refuses %s', (_name, text, type) => {
    const attempt = (): unknown => parseCsv(text, 'in.csv');
    expect(attempt).toThrow(BalanceError);
    expect(attempt).toThrow(expect.objectContaining({ type }) as Error);
  });
});

describe('decodeText', () => {
  const cases: [string, Uint8Array, string][] = [
    ['UTF-8', Buffer.from('café,1', 'utf8'), 'café,1'],
    ['Latin-1, told by bytes that UTF-8 lacks', Buffer.from('café,1', 'latin1'), 'café,1'],
    ['UTF-16 with its mark', Buffer.from('\uFEFFcafé,1', 'utf16le'), 'café,1'],
    ['one broken byte among UTF-8', Buffer.concat([Buffer.from('é,'), Buffer.from([0xe9])]), 'é,\uFFFD'],
  ];
  it.each(cases)('reads %s', (_name, bytes, text) => {
    expect(decodeText(bytes)).toBe(text);
  });
});

describe('writeCsvFile', () => {
  it.each([
    ['no rows as the header alone', [], 'a,b\n'],
    [
      'each row on its line',
      [
        [1, 'x'],
        [2, 'y\n'],
      ],
      'a,b\n1,x\n2,"y\n"\n',
    ],
  ])('writes %s', (_, rows, expected) => {
    const path = join(mkdtempSync(join(tmpdir(), 'balance-csv-')), 'out.csv');
    writeCsvFile(path, ['a', 'b'], rows);
    expect(readFileSync(path, 'utf8')).toBe(expected);
  });
});
