/** What rows agree on by declared dependencies, and where they do not. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { repairsByDependency } from '../../../domain/quality/repair-dependency.js';
import { betweenRowsWithin, parseDependencies, uniqueColumns } from '../../../domain/types/between-rows.js';

const zip = parseDependencies('zip -> city');
const rowsOf = (cities: readonly string[], code = '10001') => cities.map((city) => [city, code]);
const meant = (rows: readonly (readonly string[])[]) => repairsByDependency(['city', 'zip'], rows, zip);

describe('a declared dependency', () => {
  it('is read from its text, one for each column on the right', () => {
    expect(parseDependencies(' a, b -> c ,d')).toEqual([
      { kind: 'dependency', text: 'a, b -> c', from: ['a', 'b'], to: 'c' },
      { kind: 'dependency', text: 'a, b -> d', from: ['a', 'b'], to: 'd' },
    ]);
    for (const text of ['a', 'a ->', '-> b', 'a -> b -> c', 'a, b -> b', ''])
      expect(() => parseDependencies(text)).toThrow('cannot be read');
  });

  it('is judged where all of its columns are delivered', () => {
    const promised = { dependencies: zip, unique: [uniqueColumns(['city', 'name'])] };
    expect(betweenRowsWithin(promised, ['zip', 'city']).map(({ text }) => text)).toEqual(['zip -> city']);
    expect(betweenRowsWithin(promised, ['city', 'name']).map(({ text }) => text)).toEqual(['unique city, name']);
  });
});

describe('rows that agree', () => {
  it('say what the one that contradicts them means', () => {
    expect(meant(rowsOf(['NYC', 'NYC', 'NYC', 'NYC', 'Boston']))).toEqual([{ row: 4, column: 0, meant: 'NYC' }]);
  });

  it('say nothing where their lead is not clear, one voice stands against another, or the cell is missing', () => {
    expect(meant(rowsOf(['NYC', 'Boston']))).toEqual([]);
    expect(meant(rowsOf(['NYC', 'NYC', 'NYC', 'Boston', 'Boston']))).toEqual([]);
    expect(meant(rowsOf(['NYC', 'NYC', 'NYC', 'NYC', '']))).toEqual([]);
    expect(meant(rowsOf(['NYC', 'NYC', 'NYC', 'NYC', 'Boston'], ''))).toEqual([]);
  });

  it('leave a null that is spelled out as it is, whatever its group holds', () => {
    for (const spelled of ['N/A', 'unknown', ' - ', 'not reported', '  '])
      expect(meant(rowsOf(['NYC', 'NYC', 'NYC', 'NYC', spelled]))).toEqual([]);
    expect(meant(rowsOf(['NYC', 'NYC', 'NYC', 'Boston', 'N/A', 'N/A', 'N/A', 'N/A']))).toEqual([
      { row: 3, column: 0, meant: 'NYC' },
    ]);
  });

  it('are counted by a declared value that spells a null, and never overwrite it', () => {
    const allowed = { city: ['NA', 'DE'] };
    const said = (cities: readonly string[]) => repairsByDependency(['city', 'zip'], rowsOf(cities), zip, allowed);
    expect(said(['NA', 'NA', 'NA', 'NA', 'DE'])).toEqual([{ row: 4, column: 0, meant: 'NA' }]);
    expect(said(['DE', 'DE', 'DE', 'DE', 'NA'])).toEqual([]);
    expect(said(['DE', 'DE', 'DE', 'NA', 'NA', '=DE'])).toEqual([]);
  });

  it('never change a group that agrees, and say a value that it holds', () => {
    const row = fc.tuple(
      fc.constantFrom('NYC', 'Boston', 'Troy', '', 'N/A', 'unknown'),
      fc.constantFrom('1', '2', '3', '', 'n/a'),
    );
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60 }), (rows) => {
        for (const { row: at, column, meant: said } of meant(rows)) {
          const group = rows.filter(([, code]) => code === rows[at][1]).map(([city]) => city);
          expect(column).toBe(0);
          expect(['NYC', 'Boston', 'Troy']).toContain(said);
          expect(['NYC', 'Boston', 'Troy']).toContain(rows[at][0]);
          expect(said).not.toBe(rows[at][0]);
          const votes = (city: string) => group.filter((one) => one === city).length;
          expect(votes(said)).toBeGreaterThan(votes(rows[at][0]));
        }
      }),
    );
  });
});
