/** What deliveries are compared with: what a need's model was last given in good order, or what it was trained on. */
import type { ClassCounts } from '../../analyzers/analyzer.js';
import type { GateFinding } from '../../quality/gate.js';
import type { Sample } from '../../quality/sample.js';
import { mergeVocabularies, vocabularyOf, type Vocabulary } from '../../quality/vocabulary.js';
import type { WorkItem } from '../work.js';

export interface NeedReference {
  readonly asOfMs: number;
  readonly decisionId: string;
  /** What the need asked (`needQuestion`): another question has no reference yet. */
  readonly question: string;
  /** Columns of the delivery; null until one was drawn plainly: a draw by class has another mix by design. */
  readonly sample: Sample | null;
  /** Rows by class of everything that matched then; null without a class column. */
  readonly population: ClassCounts | null;
  /** Deliveries in a row that differ from it by drift alone. */
  readonly settling: number;
  /** The values that its deliveries in good order had; absent in references of before they were kept. */
  readonly vocabulary?: Vocabulary;
  /** Where the need declares what its model was trained on; absent: it is what the model was last given. */
  readonly declared?: DeclaredReference;
}
/** Which content of a declared reference was looked at. */
export interface DeclaredReference {
  readonly dataset: string;
  readonly version: string;
  /** Columns of the need that it lacks: they are not compared. */
  readonly missing: readonly string[];
}

/**
 * So many deliveries in a row with drift and no other fault become the reference: a change that lasts is the new normal,
 * and its model has been told each time. Held deliveries never do: somebody has to decide.
 */
export const SETTLED_AFTER = 3;

/** A delivery that was handed out fresh. */
export interface HandedOut {
  readonly asOfMs: number;
  readonly decisionId: string;
  readonly question: string;
  readonly verdict: 'pass' | 'degrade';
  readonly findings: readonly GateFinding[];
  /** Null when it was drawn by class quotas. */
  readonly sample: Sample | null;
  readonly population: ClassCounts | null;
}

/** The reference after a delivery; null: it stays as it is. An older delivery than the reference's changes nothing. */
export function nextReference(known: NeedReference | null, handed: HandedOut): NeedReference | null {
  if (known !== null && handed.asOfMs < known.asOfMs) return null;
  const before = known?.question === handed.question ? known : null;
  const faults = handed.findings.filter(({ severity }) => severity !== 'note');
  const driftOnly = faults.length > 0 && faults.every(({ kind }) => kind === 'drift');
  if (handed.verdict !== 'pass' && !driftOnly) return null;
  if (driftOnly && before !== null && before.settling + 1 < SETTLED_AFTER)
    return { ...before, settling: before.settling + 1 };
  return {
    asOfMs: handed.asOfMs,
    decisionId: handed.decisionId,
    question: handed.question,
    sample: handed.sample ?? before?.sample ?? null,
    population: handed.population ?? before?.population ?? null,
    settling: 0,
    vocabulary: mergeVocabularies(before?.vocabulary ?? {}, handed.sample === null ? {} : vocabularyOf(handed.sample)),
  };
}

/** Which rows and columns a need asks for; the window that `rows: new` moves on each time is left out. */
export function needQuestion(item: WorkItem): string {
  const { dataset, fields, where, window, classColumn, reference, rows, segments, segmentRows } = item;
  const lasting = window == null ? where : where.filter(({ column }) => column !== window.column);
  // What is drawn of each segment first has another mix in a draw of another size.
  const covered = segmentRows === undefined ? [] : [segments, segmentRows, rows];
  const compared = reference === undefined ? [] : [reference];
  return JSON.stringify([dataset, fields, lasting, classColumn, ...compared, ...covered]);
}
