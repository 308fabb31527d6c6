/**
 * Quality scores of one table: six dimensions in [0, 1] and their weighted mean.
 *
 * The dimensions follow ISO/IEC 25012 as data contracts use them. `null` means not measurable: timeliness without a
 * date or a limit, validity without any declared or inferred type. The overall score leaves such dimensions out.
 */
import type { CellFinding } from './cell-findings.js';
import { REPORT_SCORE } from './cell-findings.js';
import type { SignalKind } from './detector/signal.js';

export interface DimensionScores {
  /** Present cells / cells; a spelled-out null is not present. */
  readonly completeness: number | null;
  /** Present cells that fit their declared type, format, unit, domain and range / present cells. */
  readonly validity: number | null;
  /** Rows that repeat no earlier row and no earlier declared key / rows. */
  readonly uniqueness: number | null;
  /** Present cells that agree with their row, their group and their column's way of writing / present cells. */
  readonly consistency: number | null;
  /** 1 - expected share of wrong cells (the sum of the findings' probabilities): a proxy, since truth is not at hand. */
  readonly accuracy: number | null;
  /** max(0, 1 - age / limit). */
  readonly timeliness: number | null;
}

/** Stated weights; they sum to 1. What models read directly (presence, validity, accuracy) weighs most. */
export const QUALITY_WEIGHTS: Readonly<Record<keyof DimensionScores, number>> = {
  completeness: 0.2,
  validity: 0.2,
  uniqueness: 0.15,
  consistency: 0.15,
  accuracy: 0.2,
  timeliness: 0.1,
};

const VALIDITY_KINDS: ReadonlySet<SignalKind> = new Set([
  'type',
  'unit',
  'format',
  'pattern',
  'domain',
  'range',
  'vector',
  'implicit-missing',
]);
const CONSISTENCY_KINDS: ReadonlySet<SignalKind> = new Set([
  'dependency',
  'rule',
  'orphan',
  'misplaced',
  'unusual-pattern',
  'encoding',
  'format',
  'unit',
]);

export interface ScoreInputs {
  readonly rows: number;
  readonly columns: number;
  /** Cells that are neither blank nor a spelled-out null. */
  readonly presentCells: number;
  /** Rows that repeat an earlier row or a declared key. */
  readonly repeatedRows: number;
  readonly findings: readonly CellFinding[];
  readonly ageMs: number | null;
  readonly maxAgeMs: number | null;
}

/** Scores a table. An empty table measures nothing: every dimension but timeliness is `null`. */
export function scoreDimensions(inputs: ScoreInputs): DimensionScores {
  const cells = inputs.rows * inputs.columns;
  const reported = inputs.findings.filter((finding) => finding.score >= REPORT_SCORE);
  const share = (kinds: ReadonlySet<SignalKind>): number =>
    Math.min(1, reported.filter((finding) => kinds.has(finding.kind)).length / Math.max(1, inputs.presentCells));
  const expectedErrors = reported.reduce((sum, finding) => sum + finding.score, 0);
  return {
    completeness: cells === 0 ? null : inputs.presentCells / cells,
    validity: cells === 0 ? null : 1 - share(VALIDITY_KINDS),
    uniqueness: inputs.rows === 0 ? null : 1 - inputs.repeatedRows / inputs.rows,
    consistency: cells === 0 ? null : 1 - share(CONSISTENCY_KINDS),
    accuracy: cells === 0 ? null : 1 - expectedErrors / cells,
    timeliness: timeliness(inputs.ageMs, inputs.maxAgeMs),
  };
}

function timeliness(ageMs: number | null, maxAgeMs: number | null): number | null {
  if (ageMs === null || maxAgeMs === null) return null;
  return Math.min(1, Math.max(0, 1 - ageMs / maxAgeMs));
}

/** Weighted mean of the measurable dimensions; `null` if there is none. */
export function overallScore(dimensions: DimensionScores): number | null {
  let sum = 0;
  let weights = 0;
  for (const name of Object.keys(QUALITY_WEIGHTS) as (keyof DimensionScores)[]) {
    const value = dimensions[name];
    if (value === null) continue;
    sum += QUALITY_WEIGHTS[name] * value;
    weights += QUALITY_WEIGHTS[name];
  }
  return weights === 0 ? null : sum / weights;
}
