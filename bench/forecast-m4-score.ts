/**
 * Measures of the M4 competition (Makridakis et al., 2020) for its hourly series, and the naive forecast that they are
 * compared with: OWA = mean of sMAPE / 18.383 and MASE / 2.395; MSIS of 95 % intervals.
 */
import { mean, naiveScale } from './forecast-data.js';

export const HORIZON = 48;
const DAY = 24;
/** Penalty of a value outside a 95 % interval, per unit of distance: 2 / 0.05. */
const OUTSIDE = 40;

/** Point forecast and its 95 % interval. */
export interface Interval {
  readonly mean: readonly number[];
  readonly lower: readonly number[];
  readonly upper: readonly number[];
}
export interface Score {
  smape: number;
  mase: number;
  msis: number;
  covered: number;
}

/** Measures of one series, as the competition defines them. */
export function score(
  past: readonly number[],
  actual: readonly number[],
  { mean: point, lower, upper }: Interval,
): Score {
  const scale = naiveScale(past, DAY);
  const per = (term: (value: number, i: number) => number): number => mean(actual.map(term));
  return {
    smape: per((y, i) => (200 * Math.abs(y - point[i])) / (Math.abs(y) + Math.abs(point[i]) || 1)),
    mase: per((y, i) => Math.abs(y - point[i])) / scale,
    msis:
      per((y, i) => upper[i] - lower[i] + OUTSIDE * (Math.max(0, lower[i] - y) + Math.max(0, y - upper[i]))) / scale,
    covered: per((y, i) => (y >= lower[i] && y <= upper[i] ? 1 : 0)),
  };
}

/** Last day repeated; normal interval of the seasonal differences, growing with the number of days. */
export function seasonalNaive(past: readonly number[]): Interval {
  const differences = past.slice(DAY).map((value, t) => value - past[t]);
  const sigma = Math.sqrt(mean(differences.map((value) => value ** 2)));
  const point = Array.from({ length: HORIZON }, (_, i) => past[past.length - DAY + (i % DAY)]);
  const width = point.map((_, i) => 1.96 * sigma * Math.sqrt(Math.floor(i / DAY) + 1));
  return { mean: point, lower: point.map((p, i) => p - width[i]), upper: point.map((p, i) => p + width[i]) };
}

/** One row of a table: OWA, sMAPE, MASE, MSIS, coverage, CPU milliseconds a series. */
export function summary(scores: readonly Score[], cpuMicroseconds: number): number[] {
  const of = (key: keyof Score): number => mean(scores.map((one) => one[key]));
  const owa = (of('smape') / 18.383 + of('mase') / 2.395) / 2;
  return [owa, of('smape'), of('mase'), of('msis'), of('covered'), cpuMicroseconds / 1000 / scores.length];
}

export const SUMMARY_HEADER = ['OWA', 'sMAPE', 'MASE', 'MSIS95', 'cov95', 'ms/series'] as const;
