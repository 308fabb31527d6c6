/**
 * Patterns of stored series: periods, trend and change points of each, lagged correlations between them, and how likely
 * the next change is. Each series is put on an even grid, its periods are verified on held-out rows and taken out, and
 * what is left is searched for trend and changes.
 */
import { findChangePoints, type ChangePoint } from './change-point.js';
import {
  correlatePairs,
  normalTail,
  significantPairs,
  type GridSeries,
  type LagCorrelation,
} from './lag-correlation.js';
import { findPeriods, median, phaseProfile } from './period.js';
import { linearTrend } from './regression.js';

/** One series as it was recorded; times in seconds, `null` for a missing value. Order of the points is irrelevant. */
export interface RecordedSeries {
  readonly id: string;
  readonly points: readonly { readonly seconds: number; readonly value: number | null }[];
}

export interface PatternOptions {
  /** Largest lag tried between series, in rows. Default 48. */
  readonly lagMaxSteps?: number;
  /** Share of the reported correlations that may be chance. Default 0.05. */
  readonly falseDiscoveryRate?: number;
}

/** What recurs and what changes in one series. */
export interface SeriesPatterns {
  readonly series: string;
  readonly rows: number;
  readonly missing: number;
  readonly stepSeconds: number;
  readonly periods: readonly { readonly steps: number; readonly seconds: number; readonly strength: number }[];
  readonly trend: { readonly direction: 'up' | 'down' | 'none'; readonly perDay: number; readonly pValue: number };
  readonly changePoints: readonly (ChangePoint & { readonly seconds: number })[];
  /** Probability of another change of level within the next day, from how often it changed so far. */
  readonly changeWithinDay: number;
}

export interface PatternReport {
  readonly series: readonly SeriesPatterns[];
  readonly correlations: readonly (LagCorrelation & { readonly lagSeconds: number })[];
  /** Series left out of the correlations because of the bound on pairs. */
  readonly uncorrelated: number;
}

const SECONDS_PER_DAY = 86_400;
/** Most series whose pairs are tried: 4,950 pairs are seconds of work. */
const CORRELATED_SERIES_MAX = 100;
const LAG_STEPS_MAX = 48;
/** Blocks on which the trend is tested: longer than the memory of the noise, and enough for a t test. */
const TREND_BLOCKS = 20;
const TREND_P = 0.001;
/** A grid may have this many cells for each point; sparser series get a wider step. */
const CELLS_PER_POINT = 4;

interface Grid {
  readonly stepSeconds: number;
  readonly startSeconds: number;
  readonly values: readonly (number | null)[];
}

/** Puts points on an even grid of the median step; several points in a cell count by their mean. */
function toGrid(series: RecordedSeries, startSeconds: number, stepSeconds: number, cells: number): Grid {
  const sums = new Array<number>(cells).fill(0);
  const counts = new Array<number>(cells).fill(0);
  for (const { seconds, value } of series.points) {
    if (value === null || !Number.isFinite(value)) continue;
    const cell = Math.round((seconds - startSeconds) / stepSeconds);
    if (cell < 0 || cell >= cells) continue;
    sums[cell] += value;
    counts[cell]++;
  }
  return { stepSeconds, startSeconds, values: sums.map((sum, i) => (counts[i] > 0 ? sum / counts[i] : null)) };
}

/** Extent and step of a set of times. */
function extentOf(times: readonly number[]): { start: number; step: number; cells: number } {
  const sorted = [...new Set(times)].sort((a, b) => a - b);
  if (sorted.length < 2) return { start: sorted[0] ?? 0, step: 1, cells: sorted.length };
  const span = sorted[sorted.length - 1] - sorted[0];
  const typical = median(sorted.slice(1).map((time, i) => time - sorted[i]));
  const step = Math.max(typical, span / (CELLS_PER_POINT * sorted.length));
  return { start: sorted[0], step, cells: Math.round(span / step) + 1 };
}

/** Gaps bridged by straight lines, ends by the nearest value. */
export function bridge(values: readonly (number | null)[]): number[] {
  const known = values.flatMap((value, index) => (value === null ? [] : [index]));
  if (known.length === 0) return [];
  let next = 0;
  return values.map((value, i) => {
    if (value !== null) return value;
    while (next < known.length && known[next] < i) next++;
    const right = known[Math.min(next, known.length - 1)];
    const left = known[Math.max(next - 1, 0)];
    const share = right === left ? 0 : Math.min(Math.max((i - left) / (right - left), 0), 1);
    return values[left]! + share * (values[right]! - values[left]!);
  });
}

/** Straight-line trend, tested on block means so that short memory does not feign significance. */
function trendOf(values: readonly number[], rowsPerDay: number): SeriesPatterns['trend'] {
  const none = { direction: 'none', perDay: 0, pValue: 1 } as const;
  const width = Math.floor(values.length / TREND_BLOCKS);
  if (width < 1) return none;
  const means = Array.from({ length: TREND_BLOCKS }, (_, block) =>
    median(values.slice(block * width, (block + 1) * width)),
  );
  const centre = (TREND_BLOCKS - 1) / 2;
  const mean = means.reduce((sum, x) => sum + x / TREND_BLOCKS, 0);
  const square = means.reduce((sum, _, i) => sum + (i - centre) ** 2, 0);
  const slope = means.reduce((sum, x, i) => sum + ((x - mean) * (i - centre)) / square, 0);
  const rest = means.map((x, i) => x - mean - slope * (i - centre));
  const error = Math.sqrt(rest.reduce((sum, x) => sum + x * x, 0) / (TREND_BLOCKS - 2) / square);
  if (slope === 0) return none;
  // Neighbouring blocks of a random walk are alike: what is left of that widens the error.
  const alike = rest.slice(1).reduce((sum, x, i) => sum + x * rest[i], 0);
  const total = rest.reduce((sum, x) => sum + x * x, 0);
  const memory = total > 0 ? Math.min(Math.max(alike / total, 0), 0.9) : 0;
  const t = error > 0 ? (slope / error) * Math.sqrt((1 - memory) / (1 + memory)) : Infinity * Math.sign(slope);
  // Student's t with 18 degrees as a normal (Wallace, 1959, eq. 2): z = sqrt(v ln(1 + t^2 / v)) (8v + 1) / (8v + 3).
  const degrees = TREND_BLOCKS - 2;
  const z = Math.sqrt(degrees * Math.log1p((t * t) / degrees)) * ((8 * degrees + 1) / (8 * degrees + 3));
  const pValue = normalTail(z);
  const perDay = (slope / width) * rowsPerDay;
  return pValue <= TREND_P ? { direction: slope > 0 ? 'up' : 'down', perDay, pValue } : { ...none, perDay, pValue };
}

/** Squared error of a level that changes at the given rows. */
function stepwiseError(values: readonly number[], changes: readonly ChangePoint[]): number {
  const cuts = [0, ...changes.map((change) => change.index), values.length];
  let total = 0;
  for (let k = 1; k < cuts.length; k++) {
    const part = values.slice(cuts[k - 1], cuts[k]);
    const mean = part.reduce((sum, x) => sum + x / part.length, 0);
    total += part.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  }
  return total;
}

/** Trend and change points of a series without season: changes on top of the trend if that needs fewer parameters. */
function changesOf(
  values: readonly number[],
  rowsPerDay: number,
): Pick<SeriesPatterns, 'trend'> & { changes: ChangePoint[] } {
  const plain = findChangePoints(values);
  const trend = trendOf(values, rowsPerDay);
  if (trend.direction === 'none') return { trend, changes: plain };
  const slope = trend.perDay / rowsPerDay;
  const level = values.map((x, i) => x - slope * i);
  const onTrend = findChangePoints(level);
  // Bayesian information criterion: n ln(error / n) + parameters x ln n, two for each change, one for the slope.
  const n = values.length;
  const cost = (error: number, parameters: number): number =>
    n * Math.log(Math.max(error, 1e-300) / n) + parameters * Math.log(n);
  const costPlain = cost(stepwiseError(values, plain), 2 * plain.length);
  const costTrend = cost(stepwiseError(level, onTrend), 2 * onTrend.length + 1);
  if (costPlain <= costTrend) return { trend: { ...trend, direction: 'none' }, changes: plain };
  return {
    trend,
    changes: onTrend.map((c) => ({ ...c, before: c.before + slope * c.index, after: c.after + slope * c.index })),
  };
}

/**
 * Change a step of a straight line through the values, where the line explains more than no change at all and more than
 * one jump does (Bayesian information criterion, as above); null otherwise: one jump is no trend.
 */
export function steadySlope(values: readonly number[]): number | null {
  const line = linearTrend(values);
  const n = values.length;
  if ('failure' in line || n < 4) return null;
  const mean = values.reduce((sum, x) => sum + x, 0) / n;
  const total = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  if (total === 0) return null;
  let [left, gain] = [0, 0];
  for (let cut = 1; cut < n; cut++) {
    left += values[cut - 1] - mean;
    // What a level of its own on each side takes off the squared error.
    gain = Math.max(gain, left ** 2 / cut + left ** 2 / (n - cut));
  }
  const cost = (error: number, parameters: number): number =>
    n * Math.log(Math.max(error / total, 1e-12)) + parameters * Math.log(n);
  const [none, jump, trend] = [cost(total, 0), cost(total - gain, 2), cost((1 - line.r2) * total, 1)];
  return trend < Math.min(none, jump) ? line.slope : null;
}

/** Values less the phase means of their periods. */
export function withoutPeriods(values: readonly number[], steps: readonly number[]): number[] {
  let rest = [...values];
  for (const period of steps) {
    const profile = phaseProfile(rest, period);
    const mean = profile.reduce((sum, x) => sum + x / period, 0);
    rest = rest.map((x, i) => x - profile[i % period] + mean);
  }
  return rest;
}

function periodsOf(grid: Grid, values: readonly number[]): number[] {
  const calendar = [SECONDS_PER_DAY, 7 * SECONDS_PER_DAY].map((seconds) => Math.round(seconds / grid.stepSeconds));
  return findPeriods(
    values,
    calendar.filter((steps) => steps >= 2 && steps < values.length / 3),
  ).periods.map((p) => p.steps);
}

/** Patterns of one series; an empty or constant one has none. */
export function analyzeSeries(series: RecordedSeries): SeriesPatterns {
  const { start, step, cells } = extentOf(series.points.map((point) => point.seconds));
  const grid = toGrid(series, start, step, cells);
  const values = bridge(grid.values);
  const calendar = [SECONDS_PER_DAY, 7 * SECONDS_PER_DAY].map((seconds) => Math.round(seconds / step));
  const { periods } = findPeriods(
    values,
    calendar.filter((steps) => steps >= 2),
  );
  const rest = withoutPeriods(
    values,
    periods.map((period) => period.steps),
  );
  const { trend, changes } = changesOf(rest, SECONDS_PER_DAY / step);
  const days = (values.length * step) / SECONDS_PER_DAY;
  return {
    series: series.id,
    rows: grid.values.length,
    missing: grid.values.filter((value) => value === null).length,
    stepSeconds: step,
    periods: periods.map(({ steps, strength }) => ({ steps, seconds: steps * step, strength })),
    trend,
    changePoints: changes.map((change) => ({ ...change, seconds: start + change.index * step })),
    // Gamma-Poisson with Jeffreys' prior: P(no change in a day) = (T / (T + 1))^(k + 1/2).
    changeWithinDay: days > 0 ? 1 - (days / (days + 1)) ** (changes.length + 0.5) : 0,
  };
}

/** Patterns of each series, in order of id, and the correlations between them. */
export function analyzePatterns(recorded: readonly RecordedSeries[], options: PatternOptions = {}): PatternReport {
  const { lagMaxSteps = LAG_STEPS_MAX, falseDiscoveryRate = 0.05 } = options;
  const sorted = [...recorded].sort((a, b) => (a.id < b.id ? -1 : 1));
  const correlated = sorted.slice(0, CORRELATED_SERIES_MAX);
  const pairs = correlateBySteps(correlated, lagMaxSteps);
  return {
    series: sorted.map(analyzeSeries),
    correlations: significantPairs(pairs, falseDiscoveryRate),
    uncorrelated: sorted.length - correlated.length,
  };
}

/** Steps that differ by less than this are the same one, measured twice. */
const SAME_STEP_RATIO = 1.1;

/** Every pair on the grid of its coarser series: on a finer one that would be mostly holes. */
function correlateBySteps(series: readonly RecordedSeries[], lagMaxSteps: number): PatternReport['correlations'] {
  const own = new Map<string, number>();
  for (const one of series) own.set(one.id, extentOf(one.points.map((point) => point.seconds)).step);
  const levels: number[] = [];
  for (const step of [...own.values()].sort((a, b) => b - a)) {
    if (levels.length === 0 || step * SAME_STEP_RATIO < levels[levels.length - 1]) levels.push(step);
  }
  const levelOf = (id: string): number => levels.findLast((level) => own.get(id)! <= level)!;
  return levels.flatMap((level) => {
    const finer = series.filter(({ id }) => own.get(id)! <= level);
    const { start, end, points } = spanOf(finer);
    // Series that lie years apart would have a grid of holes.
    const step = Math.max(level, (end - start) / (CELLS_PER_POINT * points));
    const cells = Math.round((end - start) / step) + 1;
    const grids: GridSeries[] = finer.map((one) => {
      const grid = toGrid(one, start, step, cells);
      const values = bridge(grid.values);
      const rest = withoutPeriods(values, periodsOf(grid, values));
      return { id: one.id, values: rest.map((x, i) => (grid.values[i] === null ? null : x)) };
    });
    const wanted = (a: string, b: string): boolean => Math.max(levelOf(a), levelOf(b)) === level;
    return correlatePairs(grids, lagMaxSteps, wanted).map((pair) => ({ ...pair, lagSeconds: pair.lagSteps * step }));
  });
}

function spanOf(series: readonly RecordedSeries[]): { start: number; end: number; points: number } {
  let [start, end, points] = [Infinity, -Infinity, 0];
  for (const one of series) {
    points += one.points.length;
    for (const { seconds } of one.points) {
      start = Math.min(start, seconds);
      end = Math.max(end, seconds);
    }
  }
  return points > 0 ? { start, end, points } : { start: 0, end: 0, points: 1 };
}
