/** Drift of whole datasets: one verdict a column, with false alarms bounded over all columns and all datasets of a run. */
import { benjaminiHochberg, harmonicMeanP } from './shift-probability.js';
import { categoryTests, numberTests, type PairedCounts, type ShiftTest } from './shift-tests.js';

/** One view of a column's values, compared as a column of its own would be. Its name is put before those of its tests. */
export interface PairedPart {
  readonly name: string;
  readonly kind: 'number' | 'category';
  readonly counts: PairedCounts;
}

/** One column in both samples. */
export interface PairedColumn extends PairedCounts {
  readonly column: string;
  /** How values are compared. `time` and `identifier` always move on: only what is missing and the parts are compared. Of `vector` the parts are. */
  readonly kind: 'number' | 'category' | 'time' | 'identifier' | 'vector';
  /** Rows without a value, reference and current. */
  readonly missing: readonly [number, number];
  /** Rows whose value is not of the column's kind (text in a number column), reference and current. */
  readonly malformed: readonly [number, number];
  /** What is compared of values that hardly repeat: looks, lengths, languages of texts; dimension, norms, directions of vectors. */
  readonly parts?: readonly PairedPart[];
  /** Set when only one side has the column. */
  readonly absentFrom?: 'reference' | 'current';
}

export interface ColumnDrift {
  readonly column: string;
  /** The test that speaks for the column; `none` when nothing could be compared. */
  readonly test: string;
  readonly statistic: number;
  readonly effect: number;
  /** The effect that chance alone gives at these sample sizes. */
  readonly floor: number;
  /** Combined over the column's tests. */
  readonly p: number;
  /** Adjusted over the dataset's columns and, in a run over several datasets, over all their columns. */
  readonly pAdjusted: number;
  readonly drift: boolean;
  readonly reason: string;
}
export interface DatasetDrift {
  readonly columns: readonly ColumnDrift[];
  readonly drift: boolean;
}

/**
 * Bound on the adjusted p. With the demand on the effect at most one stable dataset in 1,000 raises an alarm
 * (bench/drift-false-alarms.ts); a tighter bound would miss a 2 % class that halves in more than one case in ten.
 */
export const FALSE_ALARM_RATE = 1.5e-3;

/** An effect whose own test is above this p may be noise: it cannot make a column's drift material. */
const SUSPECT_P = 0.01;

/** The tests of one column; missing and malformed values are tested beside the values, and only where they occur. */
function testsOf(column: PairedColumn): ShiftTest[] {
  const values =
    column.kind === 'number' ? numberTests(column) : column.kind === 'category' ? categoryTests(column) : [];
  const rows = [0, 1].map((side) => column.present[side] + column.missing[side] + column.malformed[side]);
  const presence = (
    [
      ['present', column.present],
      ['missing', column.missing],
      ['malformed', column.malformed],
    ] as const
  ).filter(([, counts]) => counts[0] + counts[1] > 0);
  const kept: PairedCounts = {
    values: presence.map(([value]) => value),
    reference: presence.map(([, counts]) => counts[0]),
    current: presence.map(([, counts]) => counts[1]),
    present: [rows[0], rows[1]],
  };
  const prefixed = (prefix: string, tests: readonly ShiftTest[]): ShiftTest[] =>
    tests.map((test) => ({ ...test, test: `${prefix}:${test.test}`, reason: `${prefix}: ${test.reason}` }));
  const missing = categoryTests(kept).map((test) => ({ ...test, test: `missing:${test.test}` }));
  const parts = (column.parts ?? []).map(({ name, kind, counts }) =>
    prefixed(name, kind === 'number' ? numberTests(counts) : categoryTests(counts)),
  );
  // Values, each part and missingness weigh the same, however many tests each has.
  const even = (tests: readonly ShiftTest[]): ShiftTest[] => {
    const weights = tests.reduce((sum, test) => sum + test.weight, 0);
    return tests.map((test) => ({ ...test, weight: test.weight / weights }));
  };
  return [values, ...parts, missing].flatMap(even);
}

/** The p and the speaking test of one column, before adjustment. */
function judgeColumn(column: PairedColumn): Omit<ColumnDrift, 'pAdjusted' | 'drift'> & { readonly material: boolean } {
  const { column: name } = column;
  if (column.absentFrom !== undefined) {
    const reason = column.absentFrom === 'current' ? 'the column is gone' : 'the column is new';
    return { column: name, test: 'schema', statistic: 1, effect: 1, floor: 0, p: 0, reason, material: true };
  }
  const tests = testsOf(column);
  if (tests.length === 0) {
    const reason =
      column.kind === 'time' || column.kind === 'identifier'
        ? `${column.kind}: moves on by itself`
        : 'nothing to compare';
    return { column: name, test: 'none', statistic: 0, effect: 0, floor: 0, p: 1, reason, material: false };
  }
  const isMaterial = (test: ShiftTest): boolean => test.p <= SUSPECT_P && test.effect - test.floor >= test.effectMin;
  const material = tests.filter(isMaterial);
  const voices = material.length > 0 ? material : tests;
  const speaker = voices.reduce((a, b) => (b.p < a.p ? b : a));
  const { test, statistic, effect, floor, reason } = speaker;
  return {
    column: name,
    test,
    statistic,
    effect,
    floor,
    p: harmonicMeanP(tests),
    reason,
    material: material.length > 0,
  };
}

/** Adjusted p in the order given. A column without a test is no hypothesis and costs the others nothing. */
function adjust(columns: readonly { readonly test: string; readonly p: number }[]): number[] {
  const tested = columns.map((_, index) => index).filter((index) => columns[index].test !== 'none');
  const adjusted = benjaminiHochberg(tested.map((index) => columns[index].p));
  const result = columns.map(() => 1);
  tested.forEach((index, i) => (result[index] = adjusted[i]!));
  return result;
}

/**
 * Verdict for each dataset of a run.
 *
 * A column drifts when its adjusted p is at most `FALSE_ALARM_RATE` *and* a significant test has an effect above its
 * noise floor by more than what is worth an action. The adjusted p is the larger of two Benjamini-Hochberg
 * adjustments: over the dataset's own columns (a stable dataset alarms as rarely whatever the others
 * do) and over all columns of the run (a folder of a thousand stable datasets alarms as rarely as one).
 *
 * Degenerate cases: an empty sample or a column with nothing comparable has test `none`, p 1 and no drift; a column
 * that only one side has is drift. Columns come out by name.
 */
export function detectDrift(datasets: Readonly<Record<string, readonly PairedColumn[]>>): Record<string, DatasetDrift> {
  const names = Object.keys(datasets).sort((a, b) => (a < b ? -1 : 1));
  const judged = names.map((name) =>
    [...datasets[name]].sort((a, b) => (a.column < b.column ? -1 : 1)).map((column) => judgeColumn(column)),
  );
  const overall = adjust(judged.flat());
  let next = 0;
  return Object.fromEntries(
    judged.map((columns, index) => {
      const own = adjust(columns);
      const result = columns.map(({ material, reason, ...column }, i): ColumnDrift => {
        const pAdjusted = Math.max(own[i], overall[next++]);
        return { ...column, pAdjusted, drift: material && pAdjusted <= FALSE_ALARM_RATE, reason };
      });
      return [names[index], { columns: result, drift: result.some((column) => column.drift) }];
    }),
  );
}
