/** The profile of one table: columns, scores, findings down to cells. Pure; the command and the loop both call it. */
import { collectSignals, joinSignals, REPORT_SCORE, type CellFinding } from './cell-findings.js';
import { learnFromLabels, type CorrectedRow } from './cell-labels.js';
import { encodeTable, type CellTable } from './cell-table.js';
import { summarizeColumn, type ColumnSummary } from './column-summary.js';
import { bindContract, EMPTY_CONTRACT, type QualityContract } from './contract.js';
import { summarizeReference, type OrphanVerdict, type ReferenceSummary } from './detector/orphan.js';
import { firstRepeated } from './repeated-rows.js';
import { overallScore, QUALITY_WEIGHTS, scoreDimensions, type DimensionScores } from './score.js';

export interface ProfileInput {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly contract?: QualityContract;
  /** A few rows as they should read; they sharpen the detection of all others. */
  readonly corrected?: readonly CorrectedRow[];
  /** What became of the contract's references: other tables are not read here. */
  readonly references?: readonly OrphanVerdict[];
}

export interface MinedRule {
  readonly rule: string;
  readonly confidence: number;
  readonly rows: number;
  readonly declared: boolean;
}

/** What the rows say about one declared rule. */
export interface RuleSummary {
  readonly rule: string;
  /** Rows that the rule speaks about and that can be judged. */
  readonly rows: number;
  readonly breaches: number;
  /** Breaches / rows; 0 where no row can be judged. */
  readonly share: number;
  /** The first rows that break it, 0-based. */
  readonly examples: readonly number[];
}

export interface Profile {
  readonly rows: number;
  readonly scores: DimensionScores & { readonly overall: number | null };
  readonly weights: Readonly<Record<string, number>>;
  readonly columns: readonly ColumnSummary[];
  /** Names that the contract declares and the table lacks. */
  readonly absentColumns: readonly string[];
  /** What the contract says and nothing here checks. */
  readonly unchecked: readonly string[];
  readonly dependencies: readonly MinedRule[];
  /** The contract's rules about rows, in its order. */
  readonly rules: readonly RuleSummary[];
  /** The contract's references to other tables, in its order. */
  readonly references: readonly ReferenceSummary[];
  readonly repeatedRows: number;
  /** Reported cells, by row and column. */
  readonly cells: readonly CellFinding[];
}

/** Rows named as examples of a breach. */
const EXAMPLES_MAX = 5;

/**
 * Profiles a table of exact cell text.
 *
 * Degenerate cases: no rows give `null` scores and no findings; an unknown column in the contract is listed in
 * `absentColumns` and judged no further.
 */
export function profileTable(input: ProfileInput): Profile {
  const table = encodeTable(input.columns, input.rows);
  const { contract, absent } = bindContract(input.contract ?? EMPTY_CONTRACT, input.columns);
  const { signals, dependencies, rules } = collectSignals(table, contract, input.references);
  const cells = joinSignals(table, learnFromLabels(table, signals, input.corrected ?? [])).filter(
    (finding) => finding.score >= REPORT_SCORE,
  );
  const columns = table.columns.map(summarizeColumn);
  const repeatedRows = countRepeatedRows(table, contract.unique);
  const dimensions = scoreDimensions({
    rows: table.rows,
    columns: columns.length,
    presentCells: columns.reduce((sum, column) => sum + column.rows - column.blank - column.implicitMissing, 0),
    repeatedRows,
    findings: cells,
    ageMs: null,
    maxAgeMs: null,
  });
  return {
    rows: table.rows,
    scores: { ...dimensions, overall: overallScore(dimensions) },
    weights: QUALITY_WEIGHTS,
    columns,
    absentColumns: absent,
    unchecked: input.contract?.unchecked ?? [],
    dependencies: dependencies.map(({ from, to, confidence, covered, declared }) => ({
      rule: `${from.map((index) => input.columns[index]).join(', ')} -> ${input.columns[to]}`,
      confidence,
      rows: covered,
      declared,
    })),
    rules: rules.map(({ rule, judged, broken }) => ({
      rule: rule.text,
      rows: judged,
      breaches: broken.length,
      share: judged === 0 ? 0 : broken.length / judged,
      examples: broken.slice(0, EXAMPLES_MAX),
    })),
    references: (input.references ?? []).map(summarizeReference),
    repeatedRows,
    cells,
  };
}

/** Rows that repeat an earlier row in full, or an earlier row's declared key (rows with a missing key are not asked). */
function countRepeatedRows(table: CellTable, keys: readonly (readonly string[])[]): number {
  const names = table.columns.map((column) => column.name);
  const whole = names.map((_, index) => index);
  const repeats = [
    firstRepeated(table, whole, 'counts'),
    ...keys.map((key) => firstRepeated(table, indicesOf(names, key), 'differs')),
  ];
  return whole.length === 0 ? 0 : repeats[0].filter((_, row) => repeats.some((first) => first[row] >= 0)).length;
}

function indicesOf(names: readonly string[], key: readonly string[]): number[] {
  return key.map((name) => names.indexOf(name));
}
