/** What treating a slice costs and brings: measured by those who do it, foreseen from what it was before. Pure. */
import type { Correction } from '../../quality/correction.js';

/** What an action took. */
export interface Cost {
  /** Time of reading, treating, writing and measuring the file. */
  readonly ms: number;
  /** Bytes of the files read and written. */
  readonly bytes: number;
}
/** A figure that is foreseen. */
export interface Estimate {
  readonly mean: number;
  /** Of one further case: s sqrt(1 + 1/n), its own spread and that of the mean; null from one case, which shows no spread. */
  readonly standardError: number | null;
}
/** What a further action will take, from `cases` earlier ones of its kind. */
export interface ForeseenCost {
  readonly cases: number;
  readonly ms: Estimate;
  readonly bytes: Estimate;
}

/** Earlier cases that foresee the next: as many as the strategy of actions remembers (`FADE`). */
export const COST_CASES_MAX = 20;

/** What the costs of an action are kept under: it, and the dataset whose slices it treats. */
export const costKey = (dataset: string, action: Correction['action']): string => `${dataset}/${action}`;

/** What a further action will bring, from what `cases` earlier ones on the same issue of the same dataset brought. */
export interface ForeseenGain {
  readonly cases: number;
  /** Share of rows that come nearer to what the model had in good order. */
  readonly delta: Estimate;
}

/** What the gains of an action are kept under. */
export const gainKey = (dataset: string, { issue, action }: Pick<Correction, 'issue' | 'action'>): string =>
  `${dataset}/${issue}/${action}`;

/** Null without an earlier case. */
export function foreseeGain(deltas: readonly number[]): ForeseenGain | null {
  return deltas.length === 0 ? null : { cases: deltas.length, delta: estimate(deltas) };
}

/** Null without an earlier case. */
export function foreseeCost(costs: readonly Cost[]): ForeseenCost | null {
  if (costs.length === 0) return null;
  return {
    cases: costs.length,
    ms: estimate(costs.map(({ ms }) => ms)),
    bytes: estimate(costs.map(({ bytes }) => bytes)),
  };
}

function estimate(values: readonly number[]): Estimate {
  const n = values.length;
  // Sums in one order, whatever order the cases come in.
  const sorted = [...values].sort((a, b) => a - b);
  const mean = sorted.reduce((sum, value) => sum + value, 0) / n;
  if (n === 1) return { mean, standardError: null };
  const squares = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, standardError: Math.sqrt((squares / (n - 1)) * (1 + 1 / n)) };
}
