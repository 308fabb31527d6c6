import { describe, expect, it } from 'vitest';
import { profileTable } from '../../../domain/quality/profile.js';

describe('profileTable proposes, from one corrected cell,', () => {
  it('no way of writing from what one correction happens to look like', () => {
    const ages = Array.from({ length: 200 }, (_, at) => String(20 + (at % 40)));
    const dirty: Record<number, string> = { 5: '-25', 17: '-999', 31: 'NULL', 60: '-1' };
    const rows = ages.map((age, at) => [String(at), dirty[at] ?? age]);
    const corrected = [5, 6, 7].map((row) => ({ row, values: [String(row), ages[row]] }));
    const { cells } = profileTable({ columns: ['id', 'age'], rows, corrected });
    expect(cells.filter(({ row }) => row !== 5).map(({ suggested }) => suggested)).toEqual(
      cells.filter(({ row }) => row !== 5).map(() => undefined),
    );
    expect(cells.map(({ row }) => row)).toContain(17);
  });

  it('nothing to propose where its examples fit two ways of writing', () => {
    const words = ['oak', 'elm', 'fir', 'ash', 'yew', 'box', 'bay', 'fig'];
    const cap = (text: string): string => text[0].toUpperCase() + text.slice(1);
    const name = (at: number): string =>
      `${cap(words[at % 8])} ${cap(words[Math.floor(at / 8) % 8])} ${'ABCDEFGH'[Math.floor(at / 64)]}`;
    const rows = Array.from({ length: 400 }, (_, at) => [
      String(at),
      at === 7 ? 'Fig' : at < 80 && at % 4 === 0 ? name(at).toLowerCase() : name(at),
    ]);
    rows[4][1] = 'yew';
    const corrected = [4, 5, 6, 7].map((row) => ({ row, values: [String(row), row === 4 ? 'Yew' : rows[row][1]] }));
    const proposed = profileTable({ columns: ['id', 'name'], rows, corrected }).cells.filter(
      ({ suggested }) => suggested !== undefined,
    );
    expect(proposed.filter(({ row, suggested }) => row !== 4 && suggested !== name(row))).toEqual([]);
  });
});
