/**
 * The gate: pass, degrade or quarantine one delivery, from a handful of counts and what its reader declared.
 *
 * The verdict is the worst severity among the findings; the score only ranks deliveries and never decides.
 * `severityOf` sets that of every fraction that has a limit.
 */
import { classGap, classGapNoise, countOf, sortedKeys, targetShares, totalOf } from '../analyzers/balance.js';
import { usageError } from '../types/errors.js';
import { formatAge } from '../types/units.js';
import { percent, severityOf, type GateSeverity } from './gate-severity.js';

/** What was measured on one delivery. Counts are rows; fractions lie in [0, 1]; ages are milliseconds. */
export interface GateMetrics {
  readonly rows: number;
  /** Fraction of rows with a present value, per column. */
  readonly completeness: Readonly<Record<string, number>>;
  /** Number of present values that break the column's type, format, range or domain, per column. */
  readonly invalid?: Readonly<Record<string, number>>;
  /** Number of rows that repeat an earlier row. */
  readonly duplicateRows?: number;
  /** Age of the newest row; `null` when it is not known. */
  readonly ageMs: number | null;
  /** Number of rows that break each declared rule, by the rule's text. */
  readonly ruleBreaches?: Readonly<Record<string, number>>;
  /** Rows per class of the label. */
  readonly classCounts?: Readonly<Record<string, number>>;
}

/** What the reader declared. Everything is optional; absent limits take the defaults exported below. */
export interface GateContract {
  /** Fewer rows than this quarantine the delivery. */
  readonly minRows?: number;
  /** Fewer rows than this degrade it: usable, but short. */
  readonly rowsRequired?: number;
  readonly columns?: Readonly<Record<string, GateColumn>>;
  readonly maxDuplicateFraction?: number;
  /** Largest fraction of rows that may break one rule. */
  readonly maxInconsistentFraction?: number;
  /** `null` or absent: age is not judged. */
  readonly maxAgeMs?: number | null;
  /** Wanted share per class; shares are normalised to sum to 1. */
  readonly classTarget?: Readonly<Record<string, number>>;
  /** Largest total-variation distance between actual and wanted shares, in [0, 1]. */
  readonly maxClassGap?: number;
}

/** Limits of one column. Only a required column can quarantine a delivery by its missing values. */
export interface GateColumn {
  readonly required?: boolean;
  readonly minCompleteness?: number;
  readonly maxInvalidFraction?: number;
}

/** One reason for the verdict, with the limit (`expected`) and the measurement (`got`). */
export interface GateFinding {
  readonly kind: string;
  readonly column?: string;
  /** The text of the broken rule or reference, where one is. */
  readonly rule?: string;
  readonly severity: GateSeverity;
  readonly message: string;
  readonly expected: string;
  readonly got: string;
}

export interface GateVerdict {
  readonly verdict: 'pass' | 'degrade' | 'quarantine';
  /** Weighted mean of the dimensions, in [0, 1]. */
  readonly score: number;
  readonly dimensions: Readonly<Record<string, number>>;
  readonly findings: readonly GateFinding[];
}

/**
 * Weight of each dimension in the score; dimensions that were not measured are left out and the rest renormalised.
 * Missing and wrong values weigh most since every model reads them; mix and volume least since they can be reweighted.
 */
export const GATE_WEIGHTS: Readonly<Record<string, number>> = {
  completeness: 0.25,
  validity: 0.25,
  uniqueness: 0.15,
  consistency: 0.15,
  timeliness: 0.15,
  volume: 0.1,
  balance: 0.1,
};

/** Completeness asked of a required column when none is declared: the customary 5 % tolerance. */
export const DEFAULT_MIN_COMPLETENESS = 0.95;
/** Largest fraction of invalid values when none is declared: the same 5 % tolerance. */
export const DEFAULT_MAX_INVALID_FRACTION = 0.05;
/** Largest fraction of repeated rows when none is declared: the same 5 % tolerance. */
export const DEFAULT_MAX_DUPLICATE_FRACTION = 0.05;
/** Largest fraction of rows that break a rule when none is declared: the same 5 % tolerance. */
export const DEFAULT_MAX_INCONSISTENT_FRACTION = 0.05;
/** Largest class gap when none is declared: one row in ten would have to change class. */
export const DEFAULT_MAX_CLASS_GAP = 0.1;
/** Older than this many times the limit: at least one whole refresh was missed, so quarantine. */
export const STALE_QUARANTINE_RATIO = 2;
/** A class is called missing when drawing none of it had a chance below .001: expected rows > -ln .001. */
export const MISSING_CLASS_EXPECTED_ROWS = -Math.log(0.001);

const SEVERITY_RANK: Readonly<Record<GateSeverity, number>> = { note: 0, degrade: 1, quarantine: 2 };

/**
 * Judges one delivery.
 *
 * @param metrics counts of the delivery; a column that `completeness` lacks counts as all missing
 * @param contract the reader's limits
 * @returns verdict, score in [0, 1], a score per measured dimension, findings sorted by severity, kind and column
 * @throws BalanceError `InvalidGateMetrics` or `InvalidGateContract` for negative, non-finite or out-of-range numbers
 *
 * Degenerate case: zero rows are quarantined whatever the contract says. Monotone: a metric that gets worse
 * (fewer rows, more missing, invalid or repeated values, a higher age, more distance from the class target at
 * the same number of rows) never improves the verdict. An unknown age is worse than any age within the limit.
 */
export function gate(metrics: GateMetrics, contract: GateContract): GateVerdict {
  checkMetrics(metrics);
  checkContract(contract);
  const dimensions: Record<string, number> = {};
  const findings: GateFinding[] = [
    ...judgeVolume(metrics, contract, dimensions),
    ...judgeCompleteness(metrics, contract, dimensions),
    ...judgeValidity(metrics, contract, dimensions),
    ...judgeDuplicates(metrics, contract, dimensions),
    ...judgeRules(metrics, contract, dimensions),
    ...judgeAge(metrics, contract, dimensions),
    ...judgeClasses(metrics, contract, dimensions),
  ];
  findings.sort(bySeverity);
  return { verdict: verdictOf(findings), score: weightedScore(dimensions), dimensions, findings };
}

/** The worst severity decides; notes do not count. */
export function verdictOf(findings: readonly GateFinding[]): GateVerdict['verdict'] {
  if (findings.some(({ severity }) => severity === 'quarantine')) return 'quarantine';
  return findings.some(({ severity }) => severity === 'degrade') ? 'degrade' : 'pass';
}

/** Worst first; ties by kind and column. */
export function bySeverity(a: GateFinding, b: GateFinding): number {
  return (
    SEVERITY_RANK[b.severity] - SEVERITY_RANK[a.severity] ||
    compareText(a.kind, b.kind) ||
    compareText(a.column ?? '', b.column ?? '') ||
    compareText(a.rule ?? '', b.rule ?? '')
  );
}

function weightedScore(dimensions: Readonly<Record<string, number>>): number {
  let sum = 0;
  let weights = 0;
  for (const name of Object.keys(GATE_WEIGHTS)) {
    if (!(name in dimensions)) continue;
    sum += GATE_WEIGHTS[name] * dimensions[name];
    weights += GATE_WEIGHTS[name];
  }
  return weights === 0 ? 0 : sum / weights;
}

function judgeVolume(metrics: GateMetrics, contract: GateContract, dimensions: Record<string, number>): GateFinding[] {
  const { rows } = metrics;
  const floor = Math.max(1, contract.minRows ?? 1);
  const need = Math.max(floor, contract.rowsRequired ?? floor);
  dimensions.volume = Math.min(1, rows / need);
  if (rows >= need) return [];
  const severity = rows < floor ? 'quarantine' : 'degrade';
  const limit = severity === 'quarantine' ? floor : need;
  return [
    {
      kind: 'volume',
      severity,
      message: `${limit - rows} rows are missing`,
      expected: `at least ${limit} rows`,
      got: `${rows} rows`,
    },
  ];
}

function judgeCompleteness(
  metrics: GateMetrics,
  contract: GateContract,
  dimensions: Record<string, number>,
): GateFinding[] {
  const declared = contract.columns ?? {};
  const names = [...new Set([...Object.keys(metrics.completeness), ...Object.keys(declared)])].sort(compareText);
  const findings: GateFinding[] = [];
  let sum = 0;
  for (const column of names) {
    const complete = metrics.completeness[column] ?? 0;
    sum += complete;
    const limits = declared[column] ?? {};
    const minimum = limits.minCompleteness ?? (limits.required === true ? DEFAULT_MIN_COMPLETENESS : 0);
    const severity = severityOf(1 - complete, 1 - minimum);
    if (severity === undefined) continue;
    findings.push({
      kind: column in metrics.completeness ? 'missing-values' : 'missing-column',
      column,
      severity: limits.required === true ? severity : 'degrade',
      message: column in metrics.completeness ? `${column} lacks values` : `${column} is not in the delivery`,
      expected: `at least ${percent(minimum)} present`,
      got: `${percent(complete)} present`,
    });
  }
  if (names.length > 0) dimensions.completeness = sum / names.length;
  return findings;
}

function judgeValidity(
  metrics: GateMetrics,
  contract: GateContract,
  dimensions: Record<string, number>,
): GateFinding[] {
  const names = Object.keys(metrics.invalid ?? {}).sort(compareText);
  const findings: GateFinding[] = [];
  let sum = 0;
  for (const column of names) {
    const invalid = metrics.invalid?.[column] ?? 0;
    const present = metrics.rows * (metrics.completeness[column] ?? 0);
    const fraction = invalid === 0 ? 0 : Math.min(1, invalid / present);
    sum += 1 - fraction;
    const limit = contract.columns?.[column]?.maxInvalidFraction ?? DEFAULT_MAX_INVALID_FRACTION;
    const severity = severityOf(fraction, limit);
    if (severity === undefined) continue;
    findings.push({
      kind: 'invalid-values',
      column,
      severity,
      message: `${column} has ${invalid} values that break its declared type, format, range or domain`,
      expected: `at most ${percent(limit)} invalid`,
      got: `${percent(fraction)} invalid`,
    });
  }
  if (names.length > 0) dimensions.validity = sum / names.length;
  return findings;
}

function judgeDuplicates(
  metrics: GateMetrics,
  contract: GateContract,
  dimensions: Record<string, number>,
): GateFinding[] {
  if (metrics.duplicateRows === undefined) return [];
  const fraction = metrics.duplicateRows === 0 ? 0 : Math.min(1, metrics.duplicateRows / metrics.rows);
  dimensions.uniqueness = 1 - fraction;
  const limit = contract.maxDuplicateFraction ?? DEFAULT_MAX_DUPLICATE_FRACTION;
  const severity = severityOf(fraction, limit);
  if (severity === undefined) return [];
  return [
    {
      kind: 'duplicate-rows',
      severity,
      message: `${metrics.duplicateRows} rows repeat an earlier row`,
      expected: `at most ${percent(limit)} repeated`,
      got: `${percent(fraction)} repeated`,
    },
  ];
}

/** The dimension is that of the rule which most rows break: the same rows may break several. */
function judgeRules(metrics: GateMetrics, contract: GateContract, dimensions: Record<string, number>): GateFinding[] {
  const rules = Object.keys(metrics.ruleBreaches ?? {}).sort(compareText);
  const limit = contract.maxInconsistentFraction ?? DEFAULT_MAX_INCONSISTENT_FRACTION;
  if (rules.length > 0) dimensions.consistency = 1;
  return rules.flatMap((rule): GateFinding[] => {
    const rows = metrics.ruleBreaches?.[rule] ?? 0;
    const fraction = rows === 0 ? 0 : Math.min(1, rows / metrics.rows);
    dimensions.consistency = Math.min(dimensions.consistency, 1 - fraction);
    const severity = severityOf(fraction, limit);
    if (severity === undefined) return [];
    return [
      {
        kind: 'rule-breach',
        rule,
        severity,
        message: `${rows} rows break the rule ${rule}`,
        expected: `at most ${percent(limit)} of the rows`,
        got: `${percent(fraction)} of the rows`,
      },
    ];
  });
}

/** Timeliness is max(0, 1 - age / maxAge) (Ballou et al. 1998, exponent 1); an age in the future counts as 0. */
function judgeAge(metrics: GateMetrics, contract: GateContract, dimensions: Record<string, number>): GateFinding[] {
  const maxAgeMs = contract.maxAgeMs ?? null;
  if (maxAgeMs === null) return [];
  const { ageMs } = metrics;
  // At a limit of zero only what is not older at all is timely.
  dimensions.timeliness = ageMs === null ? 0 : ageMs <= 0 ? 1 : Math.max(0, 1 - ageMs / maxAgeMs);
  if (ageMs !== null && ageMs <= maxAgeMs) return [];
  // Unknown degrades and no more: a source that carries no dates is not proven stale.
  const severity = ageMs !== null && ageMs > STALE_QUARANTINE_RATIO * maxAgeMs ? 'quarantine' : 'degrade';
  return [
    {
      kind: ageMs === null ? 'age-unknown' : 'stale',
      severity,
      message: ageMs === null ? 'the age of the data is not known' : 'the newest row is too old',
      expected: `at most ${formatAge(maxAgeMs)} old`,
      got: ageMs === null ? 'unknown' : `${formatAge(ageMs)} old`,
    },
  ];
}

/** Compares the mix with the target by total variation, less what sampling alone would give (`classGapNoise`). */
function judgeClasses(metrics: GateMetrics, contract: GateContract, dimensions: Record<string, number>): GateFinding[] {
  const { classTarget, maxClassGap: limit = DEFAULT_MAX_CLASS_GAP } = contract;
  const counts = metrics.classCounts ?? {};
  const total = totalOf(counts);
  if (classTarget === undefined || total === 0 || totalOf(classTarget) === 0) return [];
  const shares = targetShares(classTarget, counts);
  const findings = sortedKeys(shares)
    .filter((name) => countOf(counts, name) === 0 && shares[name] * total > MISSING_CLASS_EXPECTED_ROWS)
    .map((name): GateFinding => ({
      kind: 'class-missing',
      column: name,
      severity: 'degrade',
      message: `class ${name} has no rows`,
      expected: `about ${Math.round(shares[name] * total)} rows`,
      got: '0 rows',
    }));
  const distance = classGap(shares, counts);
  const floor = classGapNoise(shares, total);
  dimensions.balance = 1 - distance;
  const severity = severityOf(Math.max(0, distance - floor), limit);
  if (severity === undefined) return findings;
  findings.push({
    kind: 'class-gap',
    severity,
    message: 'the class mix is far from its target',
    expected: `total-variation distance at most ${limit} over a noise floor of ${floor.toFixed(4)}`,
    got: distance.toFixed(4),
  });
  return findings;
}

function checkMetrics(metrics: GateMetrics): void {
  const counts: [string, number][] = [
    ['rows', metrics.rows],
    ['duplicateRows', metrics.duplicateRows ?? 0],
    ['ageMs', Math.max(0, metrics.ageMs ?? 0)],
    ...Object.entries(metrics.invalid ?? {}),
    ...Object.entries(metrics.ruleBreaches ?? {}),
    ...Object.entries(metrics.classCounts ?? {}),
  ];
  const bad =
    counts.find(([, value]) => !Number.isFinite(value) || value < 0) ??
    Object.entries(metrics.completeness).find(([, value]) => !(value >= 0 && value <= 1));
  if (bad === undefined) return;
  throw usageError({
    type: 'InvalidGateMetrics',
    message: `the metric ${bad[0]} is not usable`,
    expected: 'finite non-negative counts, and completeness within [0, 1]',
    got: String(bad[1]),
  });
}

function checkContract(contract: GateContract): void {
  const columns = Object.entries(contract.columns ?? {});
  const fractions: [string, number | undefined][] = [
    ['maxDuplicateFraction', contract.maxDuplicateFraction],
    ['maxInconsistentFraction', contract.maxInconsistentFraction],
    ['maxClassGap', contract.maxClassGap],
    ...columns.map(([name, column]): [string, number | undefined] => [name, column.minCompleteness]),
    ...columns.map(([name, column]): [string, number | undefined] => [name, column.maxInvalidFraction]),
  ];
  const counts: [string, number | undefined][] = [
    ['minRows', contract.minRows],
    ['rowsRequired', contract.rowsRequired],
    ...Object.entries(contract.classTarget ?? {}),
  ];
  const maxAgeMs = contract.maxAgeMs ?? null;
  const bad =
    fractions.find(([, value]) => value !== undefined && !(value >= 0 && value <= 1)) ??
    counts.find(([, value]) => value !== undefined && !(Number.isFinite(value) && value >= 0)) ??
    (maxAgeMs === null || maxAgeMs >= 0 ? undefined : ['maxAgeMs', maxAgeMs]);
  if (bad === undefined) return;
  throw usageError({
    type: 'InvalidGateContract',
    message: `the limit ${bad[0]} is not usable`,
    expected: 'fractions within [0, 1], finite non-negative counts, shares and maxAgeMs',
    got: String(bad[1]),
  });
}

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
