/** Rows that refer to a row of another table which is not there. */
import { isBlank, isMissingSpelling, type CellTable } from '../cell-table.js';
import type { ForeignKey } from '../../types/foreign-key.js';
import type { Signal } from './signal.js';

/** The values that rows refer by: each distinct one, and who has it. */
export interface ReferringKeys {
  readonly reference: ForeignKey;
  /** Distinct values of the referring columns, in order of first appearance. */
  readonly keys: readonly (readonly string[])[];
  /** Index into `keys` of each row; -1 for a row that lacks one of the columns and so refers to nothing. */
  readonly keyOf: Int32Array;
}

/** The referring values of a table. As in SQL, a row with a missing part refers to nothing. */
export function referringKeys(table: CellTable, reference: ForeignKey): ReferringKeys {
  const columns = reference.columns.map((name) => table.columns.find((column) => column.name === name)!);
  const lacks = columns.map(({ values }) => values.map((value) => isBlank(value) || isMissingSpelling(value)));
  const keys: string[][] = [];
  const known = new Map<string, number>();
  const keyOf = new Int32Array(table.rows).fill(-1);
  for (let row = 0; row < table.rows; row++) {
    const codes = columns.map((column) => column.codes[row]);
    if (codes.some((code, at) => lacks[at][code])) continue;
    const name = codes.join();
    let key = known.get(name);
    if (key === undefined) {
      key = keys.push(columns.map(({ values }, at) => values[codes[at]])) - 1;
      known.set(name, key);
    }
    keyOf[row] = key;
  }
  return { reference, keys, keyOf };
}

/** What became of one reference. */
export interface OrphanVerdict extends ReferringKeys {
  /** Indices of the keys that the other table lacks; `null`: it was not at hand. */
  readonly orphans: ReadonlySet<number> | null;
}

/**
 * How sure it is that an orphan's value is wrong: what was declared is the owner's word. The other table may as well
 * lack a row, but then the row refers to nothing all the same.
 */
const ORPHAN_SCORE = 0.95;

/** One signal for each referring cell of an orphan; of several columns nobody knows which is wrong, yet the breach is reported. */
export function orphanSignals(table: CellTable, verdicts: readonly OrphanVerdict[]): Signal[] {
  return verdicts.flatMap(({ reference, keyOf, orphans }) => {
    const columns = reference.columns.map((name) => table.columns.findIndex((column) => column.name === name));
    const score = Math.max(0.5, ORPHAN_SCORE / columns.length);
    const evidence = `${reference.dataset} has no such ${reference.keys.join(', ')}`;
    const signals: Signal[] = [];
    keyOf.forEach((key, row) => {
      if (orphans?.has(key) === true)
        signals.push(...columns.map((column): Signal => ({ row, column, kind: 'orphan', score, evidence })));
    });
    return signals;
  });
}

/** What the rows say about one declared reference. */
export interface ReferenceSummary {
  readonly reference: string;
  /** Rows that refer to something. */
  readonly rows: number;
  /** Rows whose target is not there; `null`: the other table was not at hand. */
  readonly orphans: number | null;
  /** Orphans / rows; 0 where no row refers. */
  readonly share: number | null;
  /** The values that most orphans have. */
  readonly examples: readonly { readonly value: string; readonly rows: number }[];
}

/** Values named as examples. */
const EXAMPLES_MAX = 5;

export function summarizeReference({ reference, keys, keyOf, orphans }: OrphanVerdict): ReferenceSummary {
  const counts = new Array<number>(keys.length).fill(0);
  let rows = 0;
  for (const key of keyOf) {
    if (key < 0) continue;
    rows++;
    counts[key]++;
  }
  const lost = [...(orphans ?? [])];
  const total = lost.reduce((sum, key) => sum + counts[key], 0);
  const examples = lost
    .map((key) => ({ value: keys[key].join(', '), rows: counts[key] }))
    .sort((a, b) => b.rows - a.rows || (a.value < b.value ? -1 : 1))
    .slice(0, EXAMPLES_MAX);
  return {
    reference: reference.text,
    rows,
    orphans: orphans === null ? null : total,
    share: orphans === null ? null : rows === 0 ? 0 : total / rows,
    examples,
  };
}
