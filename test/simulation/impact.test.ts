/** What is foreseen of faults that are put into real tables, held against what deliveries drawn from them really have. */
import { describe, expect, test } from 'vitest';
import type { AnalysisSnapshot, Finding } from '../../domain/analyzers/analyzer.js';
import { foreseenEffects } from '../../domain/decision/coordinate/shortages.js';
import { classHits, IMPACT_RATE } from '../../domain/quality/impact.js';
import { injectFault, seededRandom, type TextTable } from './faults.js';
import { REAL_TABLES } from './tables.js';

const DRAWS = 200;
const ROWS = 150;

/** What the analyze stage knows: blanks of the whole table, rows that match the need. */
function foreseen(table: TextTable, column: number, matching: number, rows: number) {
  const blank = table.rows.filter((row) => row[column] === '').length;
  const profiled = {
    rows: table.rows.length,
    blank,
    implicitMissing: 0,
    inferredType: 'string',
    typed: 1,
    distinct: 2,
  };
  const snapshot: AnalysisSnapshot = {
    asOfMs: 0,
    needs: [
      {
        ...{ id: 'm/n', model: 'm', dataset: 'd', fields: ['x'], rowsPerCycle: rows, classColumn: null },
        ...{ classTarget: null, maxAgeMs: null, minCompleteness: null, critical: 0.5, weight: 1 },
      },
    ],
    datasets: [
      {
        ...{ id: 'd', version: 'v', rows: table.rows.length, newestEventMs: null, asOfMs: 0 },
        ...{ completeness: {}, classCounts: {} },
        profile: {
          rows: table.rows.length,
          columns: { x: { ...profiled, min: null, median: null, max: null, mean: null } },
          ...{ omitted: [], run: { kind: 'full', rowsRead: table.rows.length, reason: null } },
        },
      },
    ],
    measurements: [
      { needId: 'm/n', rowsAvailable: matching, classCounts: null, completeness: {}, newestEventMs: null },
    ],
  };
  const finding: Finding = {
    ...{ needId: 'm/n', model: 'm', dataset: 'd', kind: 'hidden-missing', column: 'x', severity: 0.1 },
    ...{ blocking: false, message: '', expected: '', got: '' },
  };
  return foreseenEffects(snapshot)(finding)!.hit!;
}

function drawn<T>(rows: readonly T[], size: number, random: () => number): T[] {
  const ranked = rows.map((row) => ({ row, rank: random() })).sort((a, b) => a.rank - b.rank);
  return ranked.slice(0, size).map(({ row }) => row);
}

describe('rows at fault that are foreseen of a draw', () => {
  test.each(REAL_TABLES.map((one) => [one.name, one] as const))(
    '%s: lie in the interval at the rate that it states, overall; within a predicate, whatever it selects',
    (_, { columns, read }) => {
      const random = seededRandom(7);
      const whole = read();
      const table = injectFault('nulls', whole, columns, random);
      const at = table.columns.indexOf(columns.number);
      const label = table.columns.indexOf(columns.label);
      const some = table.rows[0][label];
      // A predicate that has to do with the fault: rows of one class, and of the others those at fault alone.
      const matching = table.rows.filter((row) => row[label] === some || row[at] === '');
      const isBad = (row: readonly string[]): boolean => row[at] === '';
      let [inside, insidePart] = [0, 0];
      const all = foreseen(table, at, table.rows.length, ROWS);
      const part = foreseen(table, at, matching.length, ROWS);
      for (let draw = 0; draw < DRAWS; draw++) {
        const [bad, badPart] = [table.rows, matching].map((rows) => drawn(rows, ROWS, random).filter(isBad).length);
        if (bad >= all.low && bad <= all.high) inside += 1;
        if (badPart >= part.low && badPart <= part.high) insidePart += 1;
      }
      expect(all.high - all.low).toBeLessThan(ROWS / 3);
      // Three standard errors of a share over so many draws.
      const least = IMPACT_RATE - 3 * Math.sqrt((IMPACT_RATE * (1 - IMPACT_RATE)) / DRAWS);
      expect(inside / DRAWS).toBeGreaterThanOrEqual(least);
      expect(insidePart / DRAWS).toBeGreaterThanOrEqual(least);
    },
  );

  test('by class they lie within the bounds, also where one class alone is at fault', () => {
    const [{ columns, read }] = REAL_TABLES;
    const random = seededRandom(3);
    const table = read();
    const [at, label] = [columns.number, columns.label].map((name) => table.columns.indexOf(name));
    const worst = table.rows[0][label];
    const blanked = injectFault('nulls', table, columns, random);
    const faulty = table.rows.map((row, index) => (row[label] === worst ? blanked.rows[index] : row));
    for (let draw = 0; draw < 50; draw++) {
      const rows = drawn(faulty, ROWS, random);
      const [counts, bad]: Record<string, number>[] = [{}, {}];
      for (const row of rows) {
        counts[row[label]] = (counts[row[label]] ?? 0) + 1;
        bad[row[label]] = (bad[row[label]] ?? 0) + (row[at] === '' ? 1 : 0);
      }
      const hit = rows.filter((row) => row[at] === '').length;
      for (const [name, range] of Object.entries(classHits(ROWS, { low: hit, expected: hit, high: hit }, counts)))
        expect(range.low <= bad[name] && bad[name] <= range.high).toBe(true);
    }
  });
});
