/** Faults of deliveries: what a finding is about, whom it can concern, and how many of a reader's rows it hits. */
import { classGap, countOf, targetShares, totalOf } from '../../analyzers/balance.js';
import { exactly, shiftedHits, type Range } from '../../quality/impact.js';
import { distanceCells, pairSamples, sampleDistance } from '../../quality/sample.js';
import type { GateFinding } from '../../quality/gate.js';
import type { QualityInputs, SliceMetrics } from './quality-inputs.js';
import { misspeltOf } from './delivery-metrics.js';
import { usedColumns } from './stand-in.js';
import type { WorkItem } from '../work.js';

/** The kinds of fault that rows have; findings of what is declared and of what is usual are of one kind. */
const KIND_OF = {
  'missing-values': 'missing',
  'missing-column': 'missing',
  'unusual-missing': 'missing',
  'invalid-values': 'invalid',
  'unusual-invalid': 'invalid',
  'duplicate-rows': 'duplicates',
  'unusual-duplicates': 'duplicates',
  'rule-breach': 'rule',
  'orphan-rows': 'orphans',
  stale: 'stale',
  'unusual-age': 'unusual-age',
  'class-gap': 'class-mix',
  'class-missing': 'class-mix',
  drift: 'drift',
  volume: 'volume',
  'unusual-volume': 'unusual-volume',
  'unusual-values': 'misspelt',
  vectors: 'vectors',
  texts: 'texts',
  'drift-unknown': 'unjudged',
  'orphans-unknown': 'unjudged',
  'age-unknown': 'unjudged',
} as const satisfies Readonly<Record<string, string>>;
/** `other`: a kind of finding that nothing is known of but what it says. */
export type FaultKind = (typeof KIND_OF)[keyof typeof KIND_OF] | 'other';

/** Faults of what came of one need's question: they say nothing of another's. */
const OWN: readonly FaultKind[] = [
  'class-mix',
  'drift',
  'volume',
  'unusual-volume',
  'unusual-age',
  'unjudged',
  'other',
];

/** What is wrong with a dataset's rows, or with what came of one need's question (`isOwnFault`). */
export interface Fault {
  readonly dataset: string;
  readonly kind: FaultKind;
  /** The column concerned; absent where whole rows are. */
  readonly column?: string;
  /** The promise that is broken, as declared. */
  readonly rule?: string;
}

export function kindOf({ kind }: GateFinding): FaultKind {
  return Object.hasOwn(KIND_OF, kind) ? KIND_OF[kind as keyof typeof KIND_OF] : 'other';
}

/** What a finding is about: of every kind of finding something is told. */
export function faultOf(finding: GateFinding, { dataset, classColumn }: WorkItem): Fault {
  const kind = kindOf(finding);
  // A finding on a missing class has the class in the place of the column.
  const column = kind === 'class-mix' ? (classColumn ?? undefined) : finding.column;
  return {
    dataset,
    kind,
    ...(column === undefined ? {} : { column }),
    ...(finding.rule === undefined ? {} : { rule: finding.rule }),
  };
}

/** Whether it lies in what a need asks rather than in the rows that the dataset has: then it concerns no other. */
export function isOwnFault({ kind }: Pick<Fault, 'kind'>): boolean {
  return OWN.includes(kind);
}

/** Whether an item uses what is at fault: a finding on columns that it neither gets nor is chosen by is none of its business. */
export function usesFault({ dataset, column }: Fault, item: WorkItem): boolean {
  return item.dataset === dataset && (column === undefined || usedColumns(item).includes(column));
}

/**
 * Rows of a slice that a fault hits, counted where they were; null where the slice does not tell, as of a column that only
 * chooses its rows, of a rule of which it has not all columns, or of what was found of the dataset's profile.
 */
export function hitRows(fault: Fault, item: WorkItem, slice: SliceMetrics, inputs: QualityInputs): Range | null {
  const { rows, completeness, invalid, newestEventMs, classCounts } = slice;
  const { kind, column = '', rule = '' } = fault;
  const known = (share: number): Range => exactly(Math.min(rows, Math.round(share * rows)));
  switch (kind) {
    case 'missing':
      if (Object.hasOwn(completeness, column)) return known(1 - completeness[column]);
      return item.fields.includes(column) ? exactly(rows) : null;
    case 'invalid':
      return Object.hasOwn(invalid, column) ? known(invalid[column] * countOf(completeness, column)) : null;
    case 'duplicates':
      return exactly(Math.min(rows, slice.duplicateRows));
    case 'rule':
      return Object.hasOwn(slice.ruleBreaches ?? {}, rule) ? known(slice.ruleBreaches![rule]) : null;
    case 'orphans': {
      const counted = inputs.orphans?.[item.id]?.find((count) => count.reference === rule);
      return counted === undefined || 'failure' in counted ? null : exactly(Math.min(rows, counted.orphans));
    }
    case 'stale': {
      const { maxAgeMs } = item;
      const ageMs = newestEventMs === null ? null : Math.max(0, inputs.asOfMs - newestEventMs);
      return exactly(maxAgeMs !== null && ageMs !== null && ageMs > maxAgeMs ? rows : 0);
    }
    case 'class-mix': {
      if (item.target === null || classCounts === null || totalOf(classCounts) === 0) return null;
      return known(classGap(sharesOf(item, slice, inputs), classCounts));
    }
    case 'drift':
      return driftedRows(column, item, slice, inputs);
    case 'misspelt': {
      const found = misspeltOf(item, inputs);
      return Object.hasOwn(found, column) ? known(found[column].share) : null;
    }
    case 'volume':
    case 'unusual-volume':
      return exactly(0);
    case 'unusual-age':
      return exactly(rows);
    case 'vectors':
    case 'texts':
    case 'unjudged':
    case 'other':
      return null;
  }
}

/** The wanted mix of an item. */
export function sharesOf(item: WorkItem, slice: SliceMetrics, inputs: QualityInputs): Record<string, number> {
  return inputs.shares?.[item.id] ?? targetShares(item.target!, slice.classCounts!);
}

/** Rows that are too many where they are, beside the reference: their share by total variation, less what chance gives two samples. */
function driftedRows(column: string, item: WorkItem, { rows }: SliceMetrics, inputs: QualityInputs): Range | null {
  const reference = inputs.references?.[item.needId ?? '']?.sample ?? null;
  const current = inputs.samples?.[item.id]?.current ?? null;
  const pair =
    reference === null || current === null
      ? undefined
      : pairSamples(reference, current).find((one) => one.column === column && one.absentFrom === undefined);
  if (pair === undefined) return null;
  const sizes = [0, 1].map((side) => pair.present[side] + pair.missing[side]);
  // E|X| of each cell's difference, as of a mix from its target (`classGapNoise`), at the variance of two samples.
  const [before, now] = sizes.map((size) => Math.max(1, size));
  const noise = distanceCells(pair).reduce((sum, [x, y]) => {
    const share = (x + y) / (before + now);
    return sum + Math.sqrt((share * (1 - share) * (1 / before + 1 / now)) / (2 * Math.PI));
  }, 0);
  const of = shiftedHits(sampleDistance(pair), noise, sizes[1], sizes[0]);
  const scale = sizes[1] === 0 ? 0 : rows / sizes[1];
  return { low: of.low * scale, expected: of.expected * scale, high: Math.min(rows, of.high * scale) };
}

/** The slice as it would be without a fault: what the rows at fault hold is right, and all are there. */
export function withoutFault(fault: Fault, item: WorkItem, slice: SliceMetrics, inputs: QualityInputs): SliceMetrics {
  const { kind, column = '', rule = '' } = fault;
  const set = <T>(of: Readonly<Record<string, T>>, key: string, value: T) =>
    Object.hasOwn(of, key) ? { ...of, [key]: value } : of;
  switch (kind) {
    case 'missing':
      return { ...slice, completeness: { ...slice.completeness, [column]: 1 } };
    case 'invalid':
      return { ...slice, invalid: set(slice.invalid, column, 0) };
    case 'duplicates':
      return { ...slice, duplicateRows: 0 };
    case 'rule':
      return { ...slice, ruleBreaches: set(slice.ruleBreaches ?? {}, rule, 0) };
    case 'stale':
      return slice.newestEventMs === null ? slice : { ...slice, newestEventMs: inputs.asOfMs };
    case 'class-mix': {
      if (item.target === null || slice.classCounts === null) return slice;
      const total = totalOf(slice.classCounts);
      const shares = sharesOf(item, slice, inputs);
      const classCounts = Object.fromEntries(Object.keys(shares).map((name) => [name, shares[name] * total]));
      return { ...slice, classCounts };
    }
    case 'volume':
      return { ...slice, rows: Math.max(slice.rows, inputs.granted[item.id] ?? 0) };
    // None counts in the score.
    default:
      return slice;
  }
}
