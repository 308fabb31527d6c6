/**
 * The ensemble behind a batch forecast: lag regressions of different shape, a seasonal profile and analogs, fitted to one
 * transformed series; the forecast is their weighted median, which no single failure can spoil.
 */
import { ANALOG_CYCLES_MIN, forecastAnalogs } from './forecast-analog.js';
import { fitLags, forecastLags, type LagShape } from './forecast-lags.js';
import { forecastProfile, runningSums } from './forecast-profile.js';

/** Forecasts `horizon` steps from the values before index `end`; usable from `since` on. */
export interface EnsembleMember {
  readonly since: number;
  /** Numbers fitted to the series. */
  readonly parameters: number;
  forecast(end: number, horizon: number): Float64Array;
}

/** Lags of a regression on the whole last day: an hourly day and its neighbours. */
const DAY_LAGS_MAX = 24;

/** Distinct seasons used: the shortest and the longest, 0 where there is none. */
export interface Seasons {
  readonly short: number;
  readonly long: number;
}

/**
 * Regressions of different bias, in units of a day `d` and a week `w` (whatever the seasons are): four with many lags (the
 * last two days or the last values around the means of the week; two days and the week around the means of the day; the
 * change since yesterday), three with at most three lags, which are weaker alone and err elsewhere, and one without any
 * season for series that keep to none. Without seasons only the last values remain.
 */
function lagShapes({ short: d, long: w }: Seasons): LagShape[] {
  const recent = [1, 2, 3, 4, 5, 6];
  if (d === 0) return [0, 1].map((difference) => ({ lags: recent, difference, cycle: 0, halfLife: 0 }));
  const around = (lag: number, width: number): number[] => {
    return Array.from({ length: 2 * width + 1 }, (_, i) => lag - width + i);
  };
  // All lags of some days, as far as the regression stays quick.
  const dense = (days: number): number[] => {
    return Array.from({ length: days * Math.min(d, DAY_LAGS_MAX) + 2 }, (_, i) => i + 1);
  };
  const days = [2, 3, 4, 5, 6].map((day) => day * d);
  const week = w > d ? around(w, 2) : [];
  const full = [...recent, ...around(d, 2), ...around(2 * d, 1), ...days, ...around(6 * d, 1), ...week];
  const cycles = [1, d, w];
  return [
    { lags: dense(2), difference: 0, cycle: w, halfLife: 0 },
    { lags: recent, difference: 0, cycle: w, halfLife: 0 },
    { lags: [...dense(2), ...around(d, 2), ...(w > d ? around(w, 1) : [])], difference: 0, cycle: d, halfLife: 0 },
    { lags: full, difference: d, cycle: 0, halfLife: 0 },
    { lags: [1], difference: 0, cycle: w, halfLife: 0 },
    { lags: cycles, difference: 0, cycle: d, halfLife: 2 * w },
    { lags: cycles, difference: d, cycle: 0, halfLife: 0 },
    { lags: recent, difference: 0, cycle: 0, halfLife: 0 },
  ];
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
      ...member,
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
  for (const shape of lagShapes(seasons)) {
    const model = fitLags(values, known, shape);
    if (model === undefined) continue;
    const since = model.lags[model.lags.length - 1] + model.difference;
    const parameters = model.coefficients.length + model.phases.length;
    const forecast = (end: number, horizon: number): Float64Array => {
      return forecastLags(values, end, horizon, model, low, high);
    };
    members.push({ since, parameters, forecast });
  }
  const { short, long } = seasons;
  if (short === 0) return members;
  const sums = runningSums(values);
  members.push({
    since: long + short,
    parameters: 0,
    forecast: (end, horizon) => forecastProfile(values, sums, end, horizon, long, short),
  });
  members.push({
    since: ANALOG_CYCLES_MIN * short,
    parameters: 0,
    forecast: (end, horizon) => forecastAnalogs(values, sums, end, horizon, short),
  });
  return members.filter(({ since }) => since <= values.length);
}

/** For short series: the last value, and the last cycle where there is one. */
function naiveMembers(values: Float64Array, { short }: Seasons): EnsembleMember[] {
  const last: EnsembleMember = {
    since: 1,
    parameters: 0,
    forecast: (end, horizon) => new Float64Array(horizon).fill(values[end - 1]),
  };
  if (short === 0 || values.length < short) return [last];
  const cycle = (end: number, horizon: number): Float64Array =>
    new Float64Array(horizon).map((_, step) => values[end - short + (step % short)]);
  return [{ since: short, parameters: 0, forecast: cycle }];
}

/**
 * Weighted median of the members' forecasts, step by step: the value at which the weights below and above are equal, each
 * weight lying around its own value. Equal weights give the common median. Weights are positive, one per forecast.
 */
export function combineForecasts(forecasts: readonly Float64Array[], weights: readonly number[]): Float64Array {
  const order = forecasts.map((_, i) => i);
  const half = weights.reduce((sum, weight) => sum + weight, 0) / 2;
  return forecasts[0].map((_, step) => {
    sortBy(order, (i) => forecasts[i][step]);
    let middle = weights[order[0]] / 2;
    let k = 1;
    for (; middle < half && k < order.length; k++) {
      const next = middle + (weights[order[k - 1]] + weights[order[k]]) / 2;
      if (next >= half) {
        const [low, high] = [forecasts[order[k - 1]][step], forecasts[order[k]][step]];
        return low + ((half - middle) / (next - middle)) * (high - low);
      }
      middle = next;
    }
    return forecasts[order[k - 1]][step];
  });
}

/** Insertion sort in place: the order of one step is nearly that of the next. Ties keep their order. */
function sortBy(order: number[], key: (i: number) => number): void {
  for (let k = 1; k < order.length; k++) {
    const item = order[k];
    const value = key(item);
    let at = k;
    for (; at > 0 && key(order[at - 1]) > value; at--) order[at] = order[at - 1];
    order[at] = item;
  }
}
