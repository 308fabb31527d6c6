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
import { sampleDistance } from './sample.js';
import { DECISION_Z, type ActionOutcome } from './strategy.js';
import { normalQuantile } from './watch-scores.js';

/** What can be done with a delivery's file. Others act elsewhere: resample (the draw), last good, ask for data. */
export const FILE_ACTIONS = ['drop-rows', 'impute', 'repair', 'reweight'] as const;
export type FileAction = (typeof FILE_ACTIONS)[number];

/** What is wrong, as far as an action cares: the kinds of the gate and those learned from history. */
export type Issue = 'invalid' | 'missing' | 'duplicates' | 'rule' | 'class-mix' | 'drift';
const ISSUES: Readonly<Record<string, Issue | undefined>> = {
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
  rule: ['drop-rows'],
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
  return ISSUES[finding.kind] ?? null;
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
 * @param pairs columns of both arms beside the reference; empty without a reference: then `fault` alone tells
 * @param fault share of cells or rows at fault before and after
 * @param figures guards that are exact (class gap, verdict, missing rows below the minimum)
 * @param lost share of rows dropped, 0 to below 1
 */
export function measureAction(
  correction: Pick<Correction, 'action' | 'issue' | 'columns'> & {
    readonly key: string;
    readonly predictedDelta: number;
  },
  pairs: readonly ArmPair[],
  fault: { readonly before: number; readonly after: number },
  figures: readonly GuardFigure[],
  lost: number,
): ActionOutcome {
  const moved = pairs.map((pair) => ({ column: pair.untreated.column, ...distanceGain(pair, lost) }));
  const own = moved.filter(({ column }) => correction.columns.includes(column));
  const others = moved.filter(({ column }) => !correction.columns.includes(column));
  const guards = [
    ...others.map(({ column, delta, standardError }) => ({ name: `distance of ${column}`, delta, standardError })),
    ...figures.map(({ name, before, after }) => ({ name, delta: before - after, standardError: 0 })),
    ...(own.length > 0 ? [{ name: 'share at fault', delta: fault.before - fault.after, standardError: 0 }] : []),
  ];
  // Each of the guards may cry wolf: together they do so as rarely as one (Bonferroni), at the judge's own level.
  const wider = normalQuantile(1 - 0.05 / Math.max(1, others.length)) / DECISION_Z;
  const mean = (pick: (one: (typeof own)[number]) => number): number =>
    own.reduce((sum, one) => sum + pick(one), 0) / own.length;
  return {
    issue: correction.key,
    action: correction.action,
    predictedDelta: correction.predictedDelta,
    measuredDelta: own.length > 0 ? mean(({ delta }) => delta) : fault.before - fault.after,
    standardError: own.length > 0 ? mean(({ standardError }) => standardError) : 0,
    guards: guards.map((guard) => ({ ...guard, standardError: guard.standardError * wider })),
  };
}

/**
 * How much nearer to the reference a column came: total variation beyond what chance gives at each size, before less after.
 * The standard error is that of losing the share `lost` of n rows at random: each cell's share p moves with variance
 * p (1 - p) lost / (n (1 - lost)) (a sample against its own random part, Cochran 1977, 2.6), half the root of their sum.
 */
function distanceGain({ untreated, treated }: ArmPair, lost: number): { delta: number; standardError: number } {
  const rows = untreated.present[1] + untreated.missing[1];
  const spread = cellSpread(untreated);
  return {
    delta:
      sampleDistance(untreated) - noise(untreated, spread.sum) - (sampleDistance(treated) - noise(treated, spread.sum)),
    standardError: rows === 0 ? 0 : (spread.root * Math.sqrt(lost / (rows * Math.max(1e-9, 1 - lost)))) / 2,
  };
}

/** Sum of sqrt(p (1 - p)) over the reference's cells, and the root of the sum of p (1 - p). */
function cellSpread({ reference, present, missing }: PairedColumn): { sum: number; root: number } {
  const rows = present[0] + missing[0];
  const cells = [...reference, present[0] - reference.reduce((sum, count) => sum + count, 0), missing[0]];
  const terms = rows === 0 ? [] : cells.map((count) => (count / rows) * (1 - count / rows));
  return {
    sum: terms.reduce((sum, term) => sum + Math.sqrt(Math.max(0, term)), 0),
    root: Math.sqrt(terms.reduce((sum, term) => sum + Math.max(0, term), 0)),
  };
}

/** Expected total variation of two samples of one distribution (`classGapNoise`, with the sizes of both). */
function noise({ present, missing }: PairedColumn, spread: number): number {
  const [n1, n2] = [0, 1].map((side) => present[side] + missing[side]);
  return n1 === 0 || n2 === 0 ? 0 : (spread * Math.sqrt(1 / n1 + 1 / n2)) / Math.sqrt(2 * Math.PI);
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
