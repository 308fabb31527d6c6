/**
 * Forecast of a whole series at once: slower and more accurate than the online forecaster where seasons are strong.
 *
 * The series is filled where values are missing, transformed (logarithm where all values are positive), and
 * forecast by an ensemble. Intervals come from the ensemble's own errors at past origins.
 */
import { usageError } from '../types/errors.js';
import { combineForecasts, fitEnsemble, type Seasons, type SeriesView } from './forecast-ensemble.js';
import { measureIntervals } from './forecast-interval.js';
import { checkForecastRequest, DEFAULT_LEVELS, type SeriesForecast } from './series-forecaster.js';
import { SEASON_STEPS_MAX } from './series-memory.js';
import { forecastPast, memberWeights, unseenRatio } from './forecast-past.js';
import { findBatchSeasons } from './forecast-seasons.js';

/** Values below which nothing but repeating them is honest. */
const RELIABLE_VALUES_MIN = 24;

/** Values used, the last ones: ten of the longest seasons. Older ones cost time and teach little. */
const VALUES_MAX = 10 * SEASON_STEPS_MAX;

export interface BatchForecastOptions {
  /** Steps ahead, 1 to HORIZON_STEPS_MAX. */
  readonly horizon: number;
  /** Central interval levels in [0, 1); default 0.8 and 0.95. */
  readonly levels?: readonly number[];
  /** Seasons in steps; found by itself where absent, none where empty. */
  readonly seasons?: readonly number[];
}

interface Transformed {
  /** Logarithms first, where all values are positive, then the values themselves. */
  readonly views: readonly SeriesView[];
  readonly known: Uint8Array;
  readonly decode: (z: number) => number;
}

/**
 * Forecasts the steps after the last value of `series` (null is missing; leading missing values are dropped).
 * An empty series gives zeros, a constant one itself. The mean is the ensemble's weighted median.
 */
export function forecastSeries(series: readonly (number | null)[], options: BatchForecastOptions): SeriesForecast {
  const { horizon, levels = DEFAULT_LEVELS } = options;
  checkForecastRequest(horizon, levels);
  const recent = series.slice(-VALUES_MAX);
  const first = recent.findIndex((value) => value !== null);
  const given = first < 0 ? [] : recent.slice(first);
  const history = given.filter((value) => value !== null).length;
  if (history === 0) return constantForecast(0, horizon, levels, 0);
  if (given.some((value) => value !== null && !Number.isFinite(value))) throw notFinite();
  const seasons = usableSeasons(options.seasons ?? findBatchSeasons(given), given.length);
  const { views, known, decode } = transform(given, seasons.short);
  const { values } = views[0];
  if (values.every((value) => value === values[0]))
    return constantForecast(decode(values[0]), horizon, levels, history);

  const members = fitEnsemble(views, known, seasons);
  const past = forecastPast(values.length, members, seasons.short, horizon);
  const weights = memberWeights(values, known, members, past);
  const forecasts = members.map((member) => member.forecast(values.length, horizon));
  const center = combineForecasts(forecasts, weights);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const parameters = members.reduce((sum, member, m) => sum + (weights[m] / total) * member.parameters, 0);
  const unseen = unseenRatio(values.length, parameters);
  const intervals = measureIntervals({ values, known, past, weights, unseen, season: seasons.short, horizon });
  const quantiles = levels.map((level) => {
    const { lower, upper } = intervals.bounds(level);
    return {
      level,
      lower: Array.from(center, (z, step) => decode(z + lower[step])),
      upper: Array.from(center, (z, step) => decode(z + upper[step])),
    };
  });
  const reliable = history >= RELIABLE_VALUES_MIN;
  const method = reliable
    ? `weighted median of ${members.length} regressions, profiles and analogs`
    : 'too-little-history';
  return { mean: Array.from(center, decode), quantiles, method, history, reliable };
}

/** Seasons of which the series holds at least two cycles: the shortest and the longest of them. */
function usableSeasons(seasons: readonly number[], length: number): Seasons {
  const usable = seasons.filter((season) => season >= 2 && 2 * season <= length).sort((a, b) => a - b);
  return { short: usable.at(0) ?? 0, long: usable.at(-1) ?? 0 };
}

function constantForecast(value: number, horizon: number, levels: readonly number[], history: number): SeriesForecast {
  const repeated = (): number[] => new Array<number>(horizon).fill(value);
  const reliable = history >= RELIABLE_VALUES_MIN;
  return {
    mean: repeated(),
    quantiles: levels.map((level) => ({ level, lower: repeated(), upper: repeated() })),
    method: reliable ? 'constant' : 'too-little-history',
    history,
    reliable,
  };
}

/** Fills gaps with the value one season before (else the last one), then standardises, in logarithms where possible. */
function transform(series: readonly (number | null)[], season: number): Transformed {
  const known = Uint8Array.from(series, (value) => (value === null ? 0 : 1));
  const filled = new Float64Array(series.length);
  series.forEach((value, t) => (filled[t] = value ?? filled[season > 0 && t >= season ? t - season : t - 1]));
  const least = filled.reduce((low, value) => Math.min(low, value), Infinity);
  const plain = standardised(filled);
  if (!(least > 0)) {
    // What was never negative is not forecast to be.
    const decode = (z: number): number => Math.max(least === 0 ? 0 : -Infinity, plain.decode(z));
    return { views: [{ values: plain.values, toFirst: (z) => z }], known, decode };
  }
  const logs = standardised(filled.map(Math.log));
  const views: SeriesView[] = [
    { values: logs.values, toFirst: (z) => z },
    { values: plain.values, toFirst: (z) => logs.encode(Math.log(Math.max(least, plain.decode(z)))) },
  ];
  return { views, known, decode: (z) => Math.min(Number.MAX_VALUE, Math.exp(logs.decode(z))) };
}

/** Zero mean and unit variance, safe for magnitudes whose squares overflow. */
function standardised(values: Float64Array): {
  readonly values: Float64Array;
  readonly encode: (value: number) => number;
  readonly decode: (z: number) => number;
} {
  const size = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const mean = values.reduce((sum, value) => sum + value / values.length, 0);
  const spread = size * Math.sqrt(values.reduce((sum, value) => sum + ((value - mean) / size) ** 2 / values.length, 0));
  const scale = spread || 1;
  const encode = (value: number): number => (value - mean) / scale;
  return { values: values.map(encode), encode, decode: (z) => mean + scale * z };
}

function notFinite(): Error {
  return usageError({
    type: 'InvalidValue',
    message: 'a series value is not finite',
    expected: 'finite numbers, or null for a missing value',
    got: 'NaN or an infinity',
  });
}
