/** Stage 2, predict: what will each model ask of each dataset next, what will a source be short of, what is not as it was? */
import { steadySlope } from '../../prediction/pattern.js';
import { LED } from '../../prediction/led-run.js';
import type { Predictor } from '../../prediction/predictor.js';
import { SeriesTrack, type TrackChange, type TrackSnapshot } from '../../prediction/series-track.js';
import { DECLARED, withDeclared } from './declared-runs.js';
import { forecastUses, type ForecastUse } from '../forecast-use.js';
import { demandSurges, surgeForecasts, warnAnomalies, type Surge } from './demand-anomalies.js';
import { expectRequests, type ExpectedRequest, type KnownRequest } from './expected-requests.js';
import {
  bottlenecks,
  warnShortages,
  type Bottleneck,
  type OpenWarning,
  type SourceCapacity,
  type Warning,
} from './shortage.js';
import { warnShifts, type PatternInputs } from './patterns-used.js';
import type { SeriesCosts, SeriesInput, SeriesOutcome, SeriesPrediction, StateRef } from './series-outcome.js';
import { shortageForecasts, sourceLoads, withBacklog } from './source-loads.js';

/** Steps ahead that are forecast and recorded. */
export const FORECAST_STEPS = 4;
/** Central interval recorded with each forecast: decisions use its upper end. */
export const FORECAST_LEVEL = 0.8;
const BAND_PROBABILITIES = [(1 - FORECAST_LEVEL) / 2, (1 + FORECAST_LEVEL) / 2] as const;
/** Central intervals from which the distribution of a step is put together; the first is the recorded one, 0 the median. */
export const DISTRIBUTION_LEVELS: readonly number[] = [FORECAST_LEVEL, 0, 0.5, 0.9, 0.95, 0.98];
/** Values that the trend looks back on. */
const TREND_STEPS = 48;

export interface PredictInputs {
  readonly asOfMs: number;
  readonly stepMs: number;
  /** Season candidates in steps: day and week. */
  readonly seasons: readonly number[];
  readonly series: readonly SeriesInput[];
  /** Requests that came again and again. */
  readonly known: readonly KnownRequest[];
  /** Bytes a row of each demand series, and the source that it is read from. */
  readonly costs: SeriesCosts;
  readonly capacities: readonly SourceCapacity[];
  /** Share of steps in which a source may be short, for the recommended capacity. */
  readonly violation: number;
  readonly openWarnings: readonly OpenWarning[];
  /** Most alarms in a week, and those that this week still has. */
  readonly alarmsPerWeek: number;
  readonly alarmsLeft: number;
  /** Whether the outcome names the forecasts that it rests on; absent in records of older versions: it does not. */
  readonly namesForecasts?: true;
  /** Patterns that are known; absent in records of older versions, and of slices of the past. */
  readonly patterns?: PatternInputs;
}
export interface PredictOutcome {
  readonly predictions: readonly SeriesPrediction[];
  /** Requests that are likely to come again, the most probable first. */
  readonly expected: readonly ExpectedRequest[];
  readonly bottlenecks: readonly Bottleneck[];
  readonly warnings: readonly Warning[];
  /** Alarms beyond the week's bound: counted, not raised. */
  readonly alarmsWithheld: number;
  /** Demand beyond what any forecast allows for, in the step that runs now. */
  readonly surges: readonly Surge[];
  /** The forecasts that its warnings and surges rest on. */
  readonly forecastsUsed?: readonly ForecastUse[];
  readonly changes: readonly (TrackChange & { readonly series: string })[];
  /** Values that were learned, and those learned once more for tuning: what predicting has cost. */
  readonly cost: { readonly learned: number; readonly tuned: number };
}

/** Key of a stored state among those given to `predictSeries`. */
export function stateKey({ series, upToMs }: Pick<StateRef, 'series' | 'upToMs'>): string {
  return `${series}@${upToMs}`;
}

/** A stored state: the track, and the declared demand that was taken out of what it learned; absent: none. */
export interface StoredTrack extends TrackSnapshot {
  readonly calendar?: string;
}

/** Whether today's predictors can go on from a stored state; one that they cannot is learned afresh from history. */
export function isRestorable(snapshot: unknown, predictors: readonly Predictor[]): boolean {
  try {
    if ((snapshot as StoredTrack | null)?.version !== 1) return false;
    SeriesTrack.restore(predictors, { series: '', stepMs: 1 }, snapshot as TrackSnapshot);
    return true;
  } catch {
    return false;
  }
}

/**
 * Learns the new steps of one series and forecasts the next ones. A series without history says so.
 * @param states the stored states that the input names, by `stateKey`
 */
export function predictSeries(
  input: SeriesInput,
  { stepMs, seasons, alarmsPerWeek }: Pick<PredictInputs, 'stepMs' | 'seasons' | 'alarmsPerWeek'>,
  states: ReadonlyMap<string, unknown>,
  predictors: readonly Predictor[],
): SeriesOutcome & { readonly snapshot: () => StoredTrack } {
  const { series, state, similar, values, upToMs, seenUpToMs, declared, leader } = input;
  const stored = state === null ? undefined : (states.get(stateKey(state)) as TrackSnapshot | undefined);
  const alike = similar.flatMap((ref) => (states.get(stateKey(ref)) as TrackSnapshot | undefined) ?? []);
  const track =
    stored === undefined
      ? SeriesTrack.create(predictors, { series, seasons, stepMs, alarmsPerWeek, similar: alike })
      : SeriesTrack.restore(predictors, { series, stepMs }, stored, leader);
  let outlying = false;
  values.forEach((value, index) => {
    const before = track.withheld;
    const lead = leader?.leads.at(index - values.length) ?? null;
    track.update(upToMs - (values.length - 1 - index) * stepMs, value, lead);
    outlying = track.withheld > before;
  });
  // Without a new step there is no new state to keep what it would learn.
  const isNew = values.length > 0;
  const proposes = isNew && input.seasons !== undefined && track.propose(upToMs, input.seasons);
  const begins = isNew && leader !== undefined && !track.isLedBy(leader);
  if (begins) track.follow(upToMs, leader, leader.leads);
  const forecast = track.forecast(FORECAST_STEPS, DISTRIBUTION_LEVELS);
  const [band] = forecast.quantiles;
  const recent = track.recentValues();
  const [accuracy] = track.accuracy();
  const isNews = ({ atMs }: { atMs: number }): boolean => seenUpToMs !== null && atMs > seenUpToMs;
  const outcome = {
    prediction: {
      ...{ series, predictor: track.championId, method: forecast.method },
      ...{ reliable: forecast.reliable, history: forecast.history },
      errorToNaive: accuracy.errorToNaive,
      coverage: accuracy.coverage,
      trend: steadySlope(recent.filter((value) => value !== null).slice(-TREND_STEPS)),
      // Demand is a number of rows or bytes: never below zero.
      steps: forecast.mean.map((mean, index) => ({
        targetMs: upToMs + (index + 1) * stepMs,
        mean: Math.max(0, mean),
        lower: Math.max(0, band.lower[index]),
        upper: Math.max(0, band.upper[index]),
      })),
    },
    distribution: distributionOf(forecast.quantiles),
  };
  return {
    ...(declared === undefined ? outcome : withDeclared(outcome, declared, BAND_PROBABILITIES)),
    recent: series.includes('/') ? [] : [...recent],
    alarms: track.alarms.filter(isNews),
    changes: track.changes.filter(isNews),
    outlying,
    tuned: track.tuned,
    turned: begins || proposes,
    snapshot: () => ({ ...track.snapshot(), ...(declared === undefined ? {} : { calendar: declared.calendar }) }),
  };
}

/** Quantiles of each step from its central intervals, by ascending probability. */
function distributionOf(
  bands: readonly { readonly level: number; readonly lower: readonly number[]; readonly upper: readonly number[] }[],
): SeriesOutcome['distribution'] {
  const ends = bands.flatMap(({ level, lower, upper }) => [
    { probability: (1 - level) / 2, values: lower },
    ...(level === 0 ? [] : [{ probability: (1 + level) / 2, values: upper }]),
  ]);
  return ends
    .map(({ probability, values }) => ({ probability, values: values.map((value) => Math.max(0, value)) }))
    .sort((a, b) => a.probability - b.probability);
}

/** Puts together what the series gave; the order of `outcomes` is that of `inputs.series`. */
export function predict(inputs: PredictInputs, outcomes: readonly SeriesOutcome[]): PredictOutcome {
  const { asOfMs, openWarnings, alarmsLeft, violation, seasons } = inputs;
  const ahead = outcomes.map((outcome) => stepsAfter(outcome, asOfMs));
  const { costs, capacities } = inputs;
  const atStepEnd = inputs.series.every(({ upToMs }) => upToMs + inputs.stepMs <= asOfMs);
  const loads = withBacklog(sourceLoads(ahead, costs), inputs.series, costs, capacities, atStepEnd);
  const found = bottlenecks(capacities, loads, { violation, seasons });
  const shortages = warnShortages(found, openWarnings, asOfMs);
  const surges = demandSurges(inputs.series, outcomes);
  const anomalies = warnAnomalies(inputs.series, outcomes, openWarnings, asOfMs, alarmsLeft);
  return {
    predictions: outcomes.map(({ prediction }) => prediction),
    expected: expectRequests(inputs.known, asOfMs),
    bottlenecks: found,
    warnings: [...shortages, ...anomalies.warnings, ...warnShifts(inputs.patterns?.shifts ?? [], openWarnings, asOfMs)],
    alarmsWithheld: anomalies.withheld,
    surges,
    ...(inputs.namesForecasts === undefined
      ? {}
      : { forecastsUsed: forecastsUsed(inputs, outcomes, { found, shortages, surges }) }),
    changes: outcomes.flatMap(({ prediction: { series }, changes }) => changes.map((one) => ({ series, ...one }))),
    cost: {
      learned: inputs.series.reduce((sum, { values }) => sum + values.length, 0),
      tuned: outcomes.reduce((sum, { tuned }) => sum + tuned, 0),
    },
  };
}

function forecastsUsed(
  { series, stepMs }: PredictInputs,
  outcomes: readonly SeriesOutcome[],
  {
    found,
    shortages,
    surges,
  }: { found: readonly Bottleneck[]; shortages: readonly Warning[]; surges: readonly Surge[] },
): ForecastUse[] {
  const predictions = outcomes.map(({ prediction }) => prediction);
  const warned = new Set(shortages.map(({ subject }) => subject));
  return forecastUses([
    ...found
      .filter(({ source }) => warned.has(`bytes:${source}`))
      .flatMap((one) => shortageForecasts(one, predictions)),
    ...surgeForecasts(series, outcomes, surges, stepMs),
  ]);
}

/** The steps that are still to come: a replay clock stands at the end of a step, a clock on the wall within one. */
function stepsAfter(outcome: SeriesOutcome, asOfMs: number): SeriesOutcome {
  const { steps } = outcome.prediction;
  const past = steps.filter(({ targetMs }) => targetMs <= asOfMs).length;
  return {
    ...outcome,
    prediction: { ...outcome.prediction, steps: steps.slice(past) },
    distribution: outcome.distribution.map(({ probability, values }) => ({ probability, values: values.slice(past) })),
  };
}

/** A sentence for each warning, change and prediction. */
export function predictReasons(outcome: PredictOutcome): string[] {
  const { predictions, warnings, changes, surges, alarmsWithheld, bottlenecks: found } = outcome;
  return [
    ...warnings.map(({ state, message, action }) => `${state}: ${message}${action === 'none' ? '' : `: ${action}`}`),
    ...(alarmsWithheld > 0 ? [`${alarmsWithheld} more anomalies exceed this week's bound of alarms`] : []),
    ...surges.map(
      ({ series, asked, upper }) =>
        `${series}: ${Math.round(asked)} rows are asked, at most ${Math.round(upper)} were to be expected: the rest counts with the base weight`,
    ),
    ...changes.map(({ series, kind, from, to, reason }) => `${series}: ${kind} from ${from} to ${to}: ${reason}`),
    ...found.map(
      ({ source, probability, recommendedBytesPerSecond }) =>
        `bytes:${source}: at most ${Math.round(100 * probability)} % likely to be short within ${FORECAST_STEPS} steps${recommendedBytesPerSecond === null ? '' : `; ${Math.round(recommendedBytesPerSecond)} bytes/s would suffice at the accepted rate of shortages`}`,
    ),
    ...predictions.map(predictionReason),
  ];
}

function predictionReason(prediction: SeriesPrediction): string {
  const { series, reliable, history, predictor, method, steps, trend, declared } = prediction;
  const unit = series.includes('/') ? 'rows' : 'bytes';
  if (!reliable)
    return `${series}: ${history} ${history === 1 ? 'step' : 'steps'} of history are too little to rely on: nothing is planned on it`;
  const slope =
    trend === null || Math.abs(trend) < 0.5 ? '' : `, trend ${trend > 0 ? '+' : ''}${trend.toFixed(0)} ${unit} a step`;
  const by = ['mixture', LED].includes(predictor) || method === DECLARED ? method : predictor;
  const known = declared?.[0] ? `, ${Math.round(declared[0])} of them declared` : '';
  return `${series}: ${Math.round(steps[0].mean)} ${unit} expected next${known} (${Math.round(steps[0].lower)} to ${Math.round(steps[0].upper)}, ${by} over ${history} steps${slope})`;
}
