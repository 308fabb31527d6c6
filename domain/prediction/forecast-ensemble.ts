/**
 * The ensemble behind a batch forecast: lag regressions of different shape and seasonal profiles, fitted to one
 * transformed series; the forecast is their median, which no single failure can spoil.
 */
import { fitLags, forecastLags } from './forecast-lags.js';
import { forecastProfile, runningSums } from './forecast-profile.js';

/** Forecasts `horizon` steps from the values before index `end`; usable from `since` on. */
export interface EnsembleMember {
  readonly since: number;
  forecast(end: number, horizon: number): Float64Array;
}

/** Lags of a regression on the whole last day: an hourly day and its neighbours. */
const DENSE_LAGS_MAX = 26;

interface LagShape {
  readonly lags: readonly number[];
  readonly difference: number;
}

/** Distinct seasons used: the shortest and the longest, 0 where there is none. */
export interface Seasons {
  readonly short: number;
  readonly long: number;
}

/**
 * Lags in units of a day `d` and a week `w` (whatever the seasons are): the last values, one and two days ago with
 * neighbours, each further day, and the week with neighbours. Without seasons only the last values remain.
 */
function lagShapes({ short: d, long: w }: Seasons): LagShape[] {
  const recent = [1, 2, 3, 4, 5, 6];
  if (d === 0) return [0, 1].map((difference) => ({ lags: recent, difference }));
  const around = (lag: number, width: number): number[] => {
    return Array.from({ length: 2 * width + 1 }, (_, i) => lag - width + i);
  };
  const days = [2, 3, 4, 5, 6].map((day) => day * d);
  const week = w > d ? around(w, 2) : [];
  const full = [...recent, ...around(d, 2), ...around(2 * d, 1), ...days, ...around(6 * d, 1), ...week];
  // All lags of a day, as far as the regression stays quick: the dense recent past that the others skip.
  const dense = Array.from({ length: Math.min(d + 2, DENSE_LAGS_MAX) }, (_, i) => i + 1);
  const shapes = [
    { lags: [...dense, ...around(d, 2), ...(w > d ? around(w, 1) : [])], difference: 0 },
    { lags: full, difference: d },
    { lags: full, difference: 1 },
    { lags: [1, 2, d, d + 1, w, w + 1], difference: d },
  ];
  if (w > d) shapes.push({ lags: full, difference: w });
  return shapes;
}

/** The series in one scale: as it is, or in logarithms. */
export interface SeriesView {
  /** About zero mean and unit variance. */
  readonly values: Float64Array;
  /** From this scale to that of the first view, increasing on the range of `values`. */
  readonly toFirst: (z: number) => number;
}

/**
 * Fits every member that the series is long enough for to each of its views; all forecast in the scale of the first.
 * Growth that multiplies and growth that adds are then both represented. `known` marks values that are not filled in.
 */
export function fitEnsemble(
  views: readonly SeriesView[],
  known: Uint8Array,
  seasons: Seasons,
): readonly EnsembleMember[] {
  const members = views.flatMap(({ values, toFirst }) =>
    fitView(values, known, seasons).map((member): EnsembleMember => ({
      since: member.since,
      forecast: (end, horizon) => member.forecast(end, horizon).map(toFirst),
    })),
  );
  if (members.length < 2) members.push(...naiveMembers(views[0].values, seasons));
  return members;
}

function fitView(values: Float64Array, known: Uint8Array, seasons: Seasons): EnsembleMember[] {
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const members: EnsembleMember[] = [];
  for (const { lags, difference } of lagShapes(seasons)) {
    const model = fitLags(values, known, lags, difference);
    if (model === undefined) continue;
    const since = model.lags[model.lags.length - 1] + difference;
    members.push({ since, forecast: (end, horizon) => forecastLags(values, end, horizon, model, low, high) });
  }
  const sums = runningSums(values);
  const { short, long } = seasons;
  for (const window of new Set([short, long])) {
    if (window === 0 || values.length < long + window) continue;
    const forecast = (end: number, horizon: number): Float64Array => {
      return forecastProfile(values, sums, end, horizon, long, window);
    };
    members.push({ since: long + window, forecast });
  }
  return members;
}

/** For short series: the last value, and the last cycle where there is one. */
function naiveMembers(values: Float64Array, { short }: Seasons): EnsembleMember[] {
  const last: EnsembleMember = {
    since: 1,
    forecast: (end, horizon) => new Float64Array(horizon).fill(values[end - 1]),
  };
  if (short === 0 || values.length < short) return [last];
  const cycle = (end: number, horizon: number): Float64Array =>
    new Float64Array(horizon).map((_, step) => values[end - short + (step % short)]);
  return [{ since: short, forecast: cycle }];
}

/** Median over the members, step by step. */
export function ensembleForecast(members: readonly EnsembleMember[], end: number, horizon: number): Float64Array {
  const forecasts = members.filter(({ since }) => since <= end).map((member) => member.forecast(end, horizon));
  const column = new Float64Array(forecasts.length);
  const middle = forecasts.length >> 1;
  return new Float64Array(horizon).map((_, step) => {
    forecasts.forEach((forecast, i) => (column[i] = forecast[step]));
    column.sort();
    return forecasts.length % 2 === 1 ? column[middle] : (column[middle - 1] + column[middle]) / 2;
  });
}
