/**
 * Corrections of one delivery: which actions fit which finding, and whether an action did good.
 *
 * An action is measured against two arms that it did not touch: the same rows untreated, and the reference, a sample of
 * what the model was last given in good order. It did good when the columns at fault came nearer to the reference than
 * they were; it did harm when any other column went away from it by more than losing rows at random explains.
 */
import { countOf } from '../analyzers/balance.js';
import type { GateFinding } from './gate.js';
import type { PairedColumn } from './shift.js';
import { distanceCells, sampleDistance } from './sample.js';
import { normalTwoSided } from './shift-probability.js';
import { DECISION_Z, type ActionOutcome } from './strategy.js';
import { normalQuantile } from './watch-scores.js';

/** What can be done with a delivery's file. Others act elsewhere: resample (the draw), last good, ask for data. */
export const FILE_ACTIONS = ['drop-rows', 'impute', 'repair', 'reweight'] as const;
export type FileAction = (typeof FILE_ACTIONS)[number];

/** Columns that corrections add to a file. */
export const WEIGHT_COLUMN = 'balance_weight';
export const imputedColumn = (column: string): string => `${column}_imputed`;
export const repairedColumn = (column: string): string => `${column}_repaired`;

/** What is wrong, as far as an action cares: the kinds of the gate and those learned from history. */
export const ISSUES = ['invalid', 'missing', 'duplicates', 'rule', 'class-mix', 'drift'] as const;
export type Issue = (typeof ISSUES)[number];
const ISSUE_OF: Readonly<Record<string, Issue | undefined>> = {
  'invalid-values': 'invalid',
  'unusual-invalid': 'invalid',
  'missing-values': 'missing',
  'unusual-missing': 'missing',
  'duplicate-rows': 'duplicates',
  'unusual-duplicates': 'duplicates',
  'rule-breach': 'rule',
  'class-gap': 'class-mix',
  drift: 'drift',
};
/** Reweighting repairs a mix; missing cells of a column that may be missing are no reason to drop rows (see `planRows`). */
const ACTIONS: Readonly<Record<Issue, readonly FileAction[]>> = {
  invalid: ['drop-rows', 'impute', 'repair'],
  missing: ['drop-rows', 'impute'],
  duplicates: ['drop-rows'],
  rule: ['drop-rows', 'repair'],
  'class-mix': ['reweight'],
  drift: ['reweight'],
};

/** An action never drops more than this share: no repair that leans on a minority of the rows can be trusted (as in the gate). */
export const DROPPED_MAX = 0.5;

/** What to do with a file, in full: the executor needs nothing else. */
export interface Correction {
  readonly action: FileAction;
  readonly issue: Issue;
  /** Columns at fault; empty where whole rows are. */
  readonly columns: readonly string[];
  /** Texts of the rules that rows at fault break; absent where the issue is another. */
  readonly rules?: readonly string[];
  /** `reweight`: weight of a row by its value in the only column. */
  readonly weights: Readonly<Record<string, number>> | null;
}

export function issueOf(finding: GateFinding): Issue | null {
  return ISSUE_OF[finding.kind] ?? null;
}

/** The allowed actions that can mend an issue, in the order of `FILE_ACTIONS`. */
export function actionsFor(issue: Issue, allowed: readonly FileAction[]): FileAction[] {
  return FILE_ACTIONS.filter((action) => ACTIONS[issue].includes(action) && allowed.includes(action));
}

/** The untreated and the treated rows of one column, each beside the reference. */
export interface ArmPair {
  readonly untreated: PairedColumn;
  readonly treated: PairedColumn;
}

/** Both arms of an action, and the rows that it took away from the untreated one. */
export interface Arm {
  /** Columns of both beside the reference; none without a reference. */
  readonly pairs: readonly ArmPair[];
  readonly turnover: Turnover;
}

/** A figure that must not get worse, as it was and is; smaller is better. */
export interface GuardFigure {
  readonly name: string;
  readonly before: number;
  readonly after: number;
}

/**
 * Measures an action for `judgeOutcome`.
 *
 * @param correction what was done
 * @param step the slice that it was done to, and what came of it; without pairs `fault` alone tells
 * @param whole the slice before any action, and the same; null where there was no other. Its columns are guards alone
 * @param fault share of cells or rows at fault before and after
 * @param figures guards that are exact (class gap, verdict, missing rows below the minimum)
 */
export function measureAction(
  correction: Pick<Correction, 'action' | 'issue' | 'columns'> & {
    readonly key: string;
    readonly predictedDelta: number;
  },
  step: Arm,
  whole: Arm | null,
  fault: { readonly before: number; readonly after: number },
  figures: readonly GuardFigure[],
): ActionOutcome {
  const isOwn = ({ untreated }: ArmPair): boolean => correction.columns.includes(untreated.column);
  const own = step.pairs.filter(isOwn).map((pair) => distanceGain(pair, step.turnover));
  const others = [step, whole].flatMap((arm) =>
    (arm?.pairs ?? [])
      .filter((pair) => !isOwn(pair))
      .map((pair) => ({
        name: `distance of ${pair.untreated.column}${arm === step ? '' : ' since it was read'}`,
        ...distanceGain(pair, arm!.turnover),
      })),
  );
  // Each of the guards may cry wolf: together they do so as rarely as one (Bonferroni), at the judge's own level.
  const z = normalQuantile(1 - 0.05 / Math.max(1, others.length));
  const guards = [
    ...others.map(({ name, delta, standardError, skewness }) => ({
      name,
      delta,
      // Cornish & Fisher 1938: the quantile of a skewed sum lies (z^2 - 1) / 6 of its skewness farther out.
      standardError: (standardError * (z + ((z * z - 1) * skewness) / 6)) / DECISION_Z,
    })),
    ...figures.map(({ name, before, after }) => ({ name, delta: before - after, standardError: 0 })),
    ...(own.length > 0 ? [{ name: 'share at fault', delta: fault.before - fault.after, standardError: 0 }] : []),
  ];
  const mean = (pick: (one: (typeof own)[number]) => number): number =>
    own.reduce((sum, one) => sum + pick(one), 0) / own.length;
  return {
    issue: correction.key,
    action: correction.action,
    predictedDelta: correction.predictedDelta,
    measuredDelta: own.length > 0 ? mean(({ delta }) => delta) : fault.before - fault.after,
    standardError: own.length > 0 ? mean(({ standardError }) => standardError) : 0,
    guards,
  };
}

/** Rows that an action lost, and others that it took in their place, as shares of the untreated ones. */
export interface Turnover {
  /** 0 to below 1. */
  readonly lost: number;
  /** 0 or more. */
  readonly gained: number;
}

/**
 * How much nearer to the reference a column came than the same loss of rows, whichever they are, would have left it.
 *
 * Rows lost at random move the share q of each cell by a normal e of variance q (1 - q) v, and so its distance d to the
 * reference to |d + e|: its mean is s sqrt(2 / pi) exp(-d^2 / 2 s^2) + d (1 - 2 Phi(-d / s)) (folded normal, Leone, Nelson &
 * Nottingham 1961), its variance d^2 + s^2 less the square of that. The rows may be the reference's own: then d is 0, and
 * losing any of them leads away from it.
 */
function distanceGain({ untreated, treated }: ArmPair, turnover: Turnover): DistanceGain {
  const rows = [0, 1].map((side) => untreated.present[side] + untreated.missing[side]);
  if (rows[0] === 0 || rows[1] === 0) return { delta: 0, standardError: 0, skewness: 0 };
  const v = turnoverVariance(turnover, rows[1]);
  let [mean, variance, third] = [0, 0, 0];
  for (const [reference, current] of distanceCells(untreated)) {
    const share = current / rows[1];
    const d = Math.abs(share - reference / rows[0]);
    const s = Math.sqrt(Math.max(0, share * (1 - share) * v));
    const moved =
      s === 0 ? d : s * Math.sqrt(2 / Math.PI) * Math.exp(-((d / s) ** 2) / 2) + d * (1 - normalTwoSided(d / s));
    mean += moved;
    const own = Math.max(0, d * d + s * s - moved * moved);
    variance += own;
    third += HALF_NORMAL_SKEWNESS * own ** 1.5;
  }
  const skewness = variance === 0 ? 0 : third / variance ** 1.5;
  return { delta: mean / 2 - sampleDistance(treated), standardError: Math.sqrt(variance) / 2, skewness };
}
/** Skewness of |e|: that of |d + e| is smaller. */
const HALF_NORMAL_SKEWNESS = (Math.SQRT2 * (4 - Math.PI)) / (Math.PI - 2) ** 1.5;

interface DistanceGain {
  readonly delta: number;
  readonly standardError: number;
  /** How much farther the loss of rows may lead away than it may lead nearer, at most. */
  readonly skewness: number;
}

/**
 * Variance of a share of n rows, over q (1 - q), when some are lost and others taken in at random. Those that stay are a part
 * drawn from the n without replacement (Cochran 1977, 2.6); those that come are a draw of their own from what the n were
 * drawn from.
 */
function turnoverVariance({ lost, gained }: Turnover, n: number): number {
  const [stay, come] = [Math.max(1e-9, 1 - lost), gained];
  const whole = stay + come;
  return ((stay / whole) ** 2 * (lost / stay) + (come === 0 ? 0 : (come / whole) ** 2 * (1 / come + 1))) / n;
}

/** Weights that give a column's named values the wanted shares; the mean over the rows is 1. Null when a wanted value has no row. */
export function shareWeights(
  counts: Readonly<Record<string, number>>,
  shares: Readonly<Record<string, number>>,
): Record<string, number> | null {
  const names = Object.keys(counts)
    .filter((name) => counts[name] > 0)
    .sort();
  const total = names.reduce((sum, name) => sum + counts[name], 0);
  const wanted = names.reduce((sum, name) => sum + countOf(shares, name), 0);
  if (total === 0 || wanted <= 0) return null;
  return Object.fromEntries(names.map((name) => [name, (countOf(shares, name) / wanted) * (total / counts[name])]));
}
