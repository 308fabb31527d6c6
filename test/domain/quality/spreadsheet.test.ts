import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeColumn } from '../../../domain/quality/cell-table.js';
import { spreadsheetSignals } from '../../../domain/quality/detector/spreadsheet.js';

const found = (cells: readonly string[]) =>
  spreadsheetSignals(encodeColumn('code', cells), 0).map(({ row, suggested }) => [row, suggested]);
const zips = Array.from({ length: 60 }, (_, i) => String(10_001 + 977 * i));

describe('what a spreadsheet makes of codes', () => {
  it.each<[string, readonly string[], readonly (readonly [number, string])[]]>([
    ['lost zeros', [...zips, '01907', '06474', '6474', '', 'N/A'], [[62, '06474']]],
    ['codes none of which begins with 0', [...zips, '6474'], []],
    ['a lone zero among numbers', [...zips, '01907', '6474'], []],
    ['lengths that vary', [...zips, ...zips.slice(0, 20).map((zip) => zip.slice(1)), '01907', '06474'], []],
    ['two digits, which are counts', ['07', '05', ...zips.map((zip) => zip.slice(-2)), '5'], []],
    [
      'page ranges read as days',
      ['1-12', '7-20', '101-118', '20-Jul', 'Jul-40'],
      [
        [3, '7-20'],
        [4, '7-40'],
      ],
    ],
    ['fractions read as days', ['1/2', '3/4', '7/8', '1-FEB'], [[3, '2/1']]],
    ['days that are meant', ['1-Jan', '2-Jan', '3-Feb', '1-12'], []],
  ])('%s', (_, cells, expected) => {
    expect(found(cells)).toEqual(expected);
  });

  it('whatever a column of codes holds, says nothing of a code of the usual length', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(99_999), { minLength: 1, maxLength: 80 }), (numbers) => {
        const codes = numbers.map((number) => String(number).padStart(5, '0'));
        expect(found(codes)).toEqual([]);
      }),
    );
  });
});
