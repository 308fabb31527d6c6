/** A draw with a wanted class mix: how many rows of each class, how often each, with which weight, and what is missing. */
import { apportion, countOf, sortedKeys, targetShares, type ClassTarget } from '../analyzers/balance.js';
import type { ClassCounts } from '../analyzers/analyzer.js';
import { usageError } from '../types/errors.js';

/** A row occurs at most so often in one draw: beyond about four passes repeated rows no longer help (Muennighoff et al. 2023, arXiv 2305.16264). */
export const REPEATS_MAX = 4;
/** Cui et al. 2019 (CVPR, "Class-balanced loss") use .9 to .9999; .999 means that the thousandth row of a class adds 1/e of a new one. */
export const EFFECTIVE_NUMBER_BETA = 0.999;

/** How rows are weighted: so that the weighted mix is the target, or by Cui's effective number of rows. */
export type WeightRule = 'target' | 'effective';

export interface MixtureClass {
  readonly class: string;
  /** Rows there are. */
  readonly have: number;
  /** Rows that the target asks for. */
  readonly wanted: number;
  /** Rows drawn, repeats included. */
  readonly drawn: number;
  /** Distinct rows drawn. */
  readonly distinct: number;
  /** New rows to ask for, so that nothing is repeated. */
  readonly shortfall: number;
  /** Rows that even repeats cannot give. */
  readonly missing: number;
  /** Copies of every row, and of how many rows there is one copy more. */
  readonly copies: number;
  readonly extra: number;
  /** Weight of each drawn row of the class; the mean over the draw is 1. */
  readonly weight: number;
}
export interface Mixture {
  readonly classes: readonly MixtureClass[];
  readonly rows: number;
}

/**
 * Effective number of rows (1 - beta^n) / (1 - beta) (Cui et al. 2019, eq. 2): n distinct rows are worth less than n,
 * since they overlap. 0 for none, near n for few, at most 1 / (1 - beta).
 */
export function effectiveNumber(rows: number, beta = EFFECTIVE_NUMBER_BETA): number {
  return (1 - beta ** rows) / (1 - beta);
}

/**
 * Plans a draw of `rows` rows with the target's mix.
 *
 * A class with too few rows is repeated, every row as often as the others (one copy more for some), at most
 * `repeatsMax` times; what is then still missing is made up by weight, never by rows of other classes.
 *
 * @param counts rows there are by class
 * @param target shares wanted by class, or uniform over the classes there are; other classes are not drawn
 * @param rows whole number of rows wanted, >= 0
 * @returns classes by name. A class without any row has `missing` rows and weight 0: no weight brings it back
 * @throws BalanceError `InvalidRows` or `InvalidClassTarget`
 */
export function planMixture(
  counts: ClassCounts,
  target: ClassTarget,
  rows: number,
  {
    repeatsMax = REPEATS_MAX,
    weights = 'target',
  }: { readonly repeatsMax?: number; readonly weights?: WeightRule } = {},
): Mixture {
  if (!Number.isSafeInteger(rows) || rows < 0) {
    throw usageError({
      type: 'InvalidRows',
      message: 'not a number of rows',
      expected: 'a whole number >= 0',
      got: String(rows),
    });
  }
  const shares = targetShares(target, counts);
  const wantedRows = apportion(rows, shares);
  const plans = sortedKeys(shares).map((name) => {
    const have = countOf(counts, name);
    const wanted = countOf(wantedRows, name);
    const drawn = Math.min(wanted, have * repeatsMax);
    const copies = have === 0 ? 0 : Math.floor(drawn / have);
    return {
      class: name,
      have,
      wanted,
      drawn,
      distinct: Math.min(drawn, have),
      shortfall: Math.max(0, wanted - have),
      missing: wanted - drawn,
      copies,
      extra: drawn - copies * have,
    };
  });
  const total = plans.reduce((sum, plan) => sum + plan.drawn, 0);
  // Weight of a class before normalisation, for one of its rows.
  const raw = plans.map((plan) => {
    if (plan.drawn === 0) return 0;
    return weights === 'target' ? countOf(shares, plan.class) / plan.drawn : 1 / effectiveNumber(plan.distinct);
  });
  const sum = plans.reduce((mass, plan, i) => mass + raw[i] * plan.drawn, 0);
  return {
    rows: total,
    classes: plans.map((plan, i) => ({ ...plan, weight: sum > 0 ? (raw[i] * total) / sum : 0 })),
  };
}

/** Rows by class that the draw has. */
export function drawnCounts(mixture: Mixture): Record<string, number> {
  return Object.fromEntries(mixture.classes.map((entry) => [entry.class, entry.drawn]));
}

/** Refuses a target that names a class twice: which share is meant is not clear. */
export function checkDistinct(classes: readonly string[]): void {
  const twice = classes.find((name, index) => classes.indexOf(name) !== index);
  if (twice === undefined) return;
  throw usageError({
    type: 'InvalidClassTarget',
    message: `the class target names ${JSON.stringify(twice)} twice`,
    expected: 'each class once',
    got: classes.map((name) => JSON.stringify(name)).join(', '),
  });
}

/** Reads a target as people write it: `uniform`, or `a=0.5,b=0.5`. Null for anything else (a file's name). */
export function parseTarget(text: string): ClassTarget | null {
  if (text === 'uniform') return 'uniform';
  const parts = text.split(',').map((part) => /^\s*(.+?)\s*=\s*([0-9.eE+-]+)\s*$/.exec(part));
  if (parts.some((part) => part === null)) return null;
  const names = parts.map((part) => part![1]);
  checkDistinct(names);
  const target = Object.fromEntries(parts.map((part) => [part![1], Number(part![2])]));
  // Validates: negative, empty and unreadable shares are refused here, with the facts.
  targetShares(target, {});
  return target;
}
