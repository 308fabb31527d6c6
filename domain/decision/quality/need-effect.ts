/** What a need gets in one case: with what is wrong as it is, or after one of the things that can be done about it. */
import { sortedKeys } from '../../analyzers/balance.js';
import type { Correction } from '../../quality/correction.js';
import { issueOf } from '../../quality/correction.js';
import { verdictOf, type GateFinding, type GateVerdict } from '../../quality/gate.js';
import { classHits, exactly, togetherHits, type Range } from '../../quality/impact.js';
import { faultOf, hitRows, withoutFault, type Fault } from './faults.js';
import { gateOf } from './judge-slice.js';
import { predictEffect } from './predicted-effect.js';
import type { CorrectionRecord, QualityInputs, SliceMetrics } from './quality-inputs.js';
import type { WorkItem } from '../work.js';

/** One type for findings and for actions: what a need gets then. Counts are rows. */
export interface NeedEffect {
  readonly rows: Range;
  /** Rows that it asked for and does not get. */
  readonly lost: Range;
  /** Rows of those that it gets that are at fault; null where it is not known how many. */
  readonly hit: Range | null;
  /** The same by class, the most rows first, at most `CLASSES_MAX`; null where no classes or no rows at fault were counted. */
  readonly classes: Readonly<Record<string, ClassEffect>> | null;
  /** Age of the newest row; null without an event time. */
  readonly ageMs: Range | null;
  /** Quality score of the gate, 0 to 1; null where it is not known before it is measured. */
  readonly score: Range | null;
  readonly verdict: GateVerdict['verdict'] | null;
}

export interface ClassEffect {
  readonly rows: Range;
  readonly hit: Range;
  /** Absent: none is missing, as far as that is known. */
  readonly lost?: Range;
}

/** Classes told of one effect: of a need with more, the largest. */
export const CLASSES_MAX = 10;

/** A slice that was read for an item, with what was found of it. */
export interface ReadSlice {
  readonly item: WorkItem;
  readonly slice: SliceMetrics;
  readonly verdict: GateVerdict['verdict'];
  readonly score: number;
  readonly findings: readonly GateFinding[];
}

/** The faults that are found of a slice, each once. */
export function faultsFound({ item, findings }: Pick<ReadSlice, 'item' | 'findings'>): Fault[] {
  const found = new Map<string, Fault>();
  for (const finding of findings) {
    const fault = faultOf(finding, item);
    found.set(JSON.stringify(fault), fault);
  }
  return [...found.values()];
}

/** What the need gets if nothing is done, as far as these faults are concerned. */
export function effectAsIs(read: ReadSlice, faults: readonly Fault[], inputs: QualityInputs): NeedEffect {
  const { item, slice, score, verdict } = read;
  const hit = hitOf(faults, item, slice, inputs);
  return {
    ...{ rows: exactly(slice.rows), lost: lostOf(item, exactly(slice.rows), inputs), hit },
    classes: classesOf(slice.classCounts, slice.rows, hit),
    ...{ ageMs: ageOf(slice, inputs), score: exactly(score), verdict },
  };
}

/** Rows at fault in at least one way; of a way of which it is not known it may be any. */
function hitOf(faults: readonly Fault[], item: WorkItem, slice: SliceMetrics, inputs: QualityInputs): Range | null {
  const hits = faults.map((fault) => hitRows(fault, item, slice, inputs));
  const known = hits.filter((hit) => hit !== null);
  if (known.length === 0 && hits.length > 0) return null;
  const together = togetherHits(slice.rows, known);
  return known.length === hits.length ? together : { ...together, high: slice.rows };
}

/** Rows that an item wants and does not get of these. */
export function lostOf(item: WorkItem, rows: Range, { granted }: QualityInputs): Range {
  const wanted = item.rows ?? granted[item.id] ?? 0;
  const missing = (got: number): number => Math.max(0, wanted - got);
  return { low: missing(rows.high), expected: missing(rows.expected), high: missing(rows.low) };
}

function classesOf(counts: SliceMetrics['classCounts'], rows: number, hit: Range | null): NeedEffect['classes'] {
  if (counts === null || hit === null) return null;
  const largest = sortedKeys(counts)
    .sort((a, b) => counts[b] - counts[a])
    .slice(0, CLASSES_MAX);
  const hits = classHits(rows, hit, counts);
  return Object.fromEntries(largest.map((name) => [name, { rows: exactly(counts[name]), hit: hits[name] }]));
}

function ageOf({ newestEventMs }: SliceMetrics, { asOfMs }: QualityInputs): Range | null {
  return newestEventMs === null ? null : exactly(Math.max(0, asOfMs - newestEventMs));
}

/**
 * What a correction would make of the slice, foreseen: with nothing in the place of rows that go, and of what is at fault only
 * what it is to mend.
 */
export function effectIf(read: ReadSlice, correction: Correction, inputs: QualityInputs): NeedEffect {
  const { item, slice, findings } = read;
  const { action } = correction;
  const mended = findings.filter((finding) => isMended(finding, correction));
  const faults = faultsFound({ item, findings: mended });
  const { rows: left, gain } = predictEffect(correction, item, slice, inputs);
  const was = hitOf(faults, item, slice, inputs) ?? exactly(0);
  const expected = action === 'drop-rows' ? slice.rows - was.expected : slice.rows;
  const rows = { low: left.least, expected: Math.min(left.most, Math.max(left.least, expected)), high: left.most };
  // Only what is certain is repaired: none of it to all of it, all where nothing tells otherwise.
  const repaired = gain == null ? was.expected : Math.max(0, gain.delta.mean * slice.rows);
  const hit =
    action === 'repair' ? { low: 0, expected: Math.max(0, was.expected - repaired), high: was.high } : exactly(0);
  const sound = faults.reduce((so, fault) => withoutFault(fault, item, so, inputs), slice);
  const scores = [rows.low, rows.high].map((count) => gateOf(item, { ...sound, rows: count }, inputs).score);
  const [worst, best] = [action === 'repair' ? read.score : Math.min(...scores), Math.max(...scores)];
  return {
    ...{ rows, lost: lostOf(item, rows, inputs), hit },
    // Which rows go is told by the copy, when it is made.
    classes: action === 'drop-rows' ? null : classesOf(slice.classCounts, slice.rows, hit),
    ageMs: ageOf(slice, inputs),
    score: { low: Math.min(worst, best), expected: best, high: best },
    verdict: verdictOf(findings.filter((finding) => !mended.includes(finding))),
  };
}

function isMended(finding: GateFinding, { issue, columns, rules }: Correction): boolean {
  if (issueOf(finding) !== issue) return false;
  if (issue === 'rule') return finding.rule !== undefined && rules?.includes(finding.rule) === true;
  return (
    columns.length === 0 || finding.column === undefined || columns.includes(finding.column) || issue === 'class-mix'
  );
}

/** What a correction made of the slice, as it was measured; what it was judged as is known of the last one alone. */
export function effectDone(
  read: ReadSlice,
  { effect }: Pick<CorrectionRecord, 'effect'>,
  inputs: QualityInputs,
): NeedEffect | null {
  if (effect === null) return null;
  const rows = exactly(effect.rows.after);
  return {
    ...{
      rows,
      lost: lostOf(read.item, rows, inputs),
      hit: exactly(Math.round(effect.fault.after * effect.rows.after)),
    },
    classes: null,
    ageMs: effect.ageMs === undefined ? null : exactly(effect.ageMs.after),
    ...{ score: null, verdict: null },
  };
}
