/** What every source will be asked for: its own series where that is known well, else the sum of the demand on it. */
import type { SeriesCosts, SeriesInput, SeriesOutcome, SeriesPrediction } from './series-outcome.js';
import type { ForecastUse } from '../forecast-use.js';
import { valueAt, type Bottleneck, type SourceCapacity, type SourceLoad, type StepDistribution } from './shortage.js';

/** Series of the bytes that are asked of one source, and of all sources. */
export const sourceSeries = (source: string): string => `source:${source}`;
export const SYSTEM_SERIES = 'system';

/** Whether a source's own series is known well enough to be what is forecast of it; else it is the sum of the demand on it. */
export function hasOwnForecast(predictions: readonly SeriesPrediction[], source: string): boolean {
  return predictions.some(({ series, reliable }) => reliable && series === sourceSeries(source));
}

/** @param outcomes cut to the steps that are still to come */
export function sourceLoads(outcomes: readonly SeriesOutcome[], costs: SeriesCosts): SourceLoad[] {
  const bySeries = new Map(outcomes.map((outcome) => [outcome.prediction.series, outcome]));
  const sources = [...new Set(Object.values(costs).map(({ source }) => source))].sort();
  return sources.flatMap((source): SourceLoad[] => {
    const own = bySeries.get(sourceSeries(source));
    const demand = outcomes.filter(({ prediction: { series } }) => costs[series]?.source === source);
    const inBytes = demand.map((outcome) => ({ outcome, bytesPerRow: costs[outcome.prediction.series].bytesPerRow }));
    const steps = own?.prediction.reliable ? distributions(own) : summed(inBytes);
    if (steps.length === 0) return [];
    return [{ source, steps, models: modelBytes(inBytes), recent: own?.recent ?? [] }];
  });
}

interface Demand {
  readonly outcome: SeriesOutcome;
  readonly bytesPerRow: number;
}

function distributions({ prediction, distribution }: SeriesOutcome): StepDistribution[] {
  return prediction.steps.map(({ targetMs }, index) => ({
    targetMs,
    quantiles: distribution.map(({ probability, values }) => ({ probability, value: values[index] })),
  }));
}

/**
 * The sum of demand series, each quantile the sum of theirs: exact where they rise and fall together, too wide where
 * they do not, so that a shortage is rather expected than missed. Series that cannot be relied on count with their mean.
 */
function summed(demand: readonly Demand[]): StepDistribution[] {
  const first = demand.find(({ outcome }) => outcome.prediction.reliable)?.outcome;
  if (first === undefined) return [];
  return first.prediction.steps.map(({ targetMs }, index) => ({
    targetMs,
    quantiles: first.distribution.map(({ probability }, quantile) => ({
      probability,
      value: demand.reduce((sum, { outcome: { prediction, distribution }, bytesPerRow }) => {
        const rows = prediction.reliable ? distribution[quantile].values[index] : prediction.steps[index].mean;
        return sum + bytesPerRow * rows;
      }, 0),
    })),
  }));
}

function modelBytes(demand: readonly Demand[]): SourceLoad['models'] {
  const models = new Map<string, number[]>();
  for (const { outcome, bytesPerRow } of demand) {
    const { series, steps } = outcome.prediction;
    const model = series.slice(0, series.indexOf('/'));
    const bytes = models.get(model) ?? steps.map(() => 0);
    models.set(
      model,
      steps.map(({ mean }, index) => bytes[index] + bytesPerRow * mean),
    );
  }
  return [...models].map(([model, bytes]) => ({ model, bytes }));
}

/**
 * The loads with what scarcity has put off: it is asked on top of the first step, and what a step cannot give at its
 * median on top of the next one (Lindley's recursion, 1952: left = max(0, left + asked - capacity)).
 * @param atStepEnd the running step ends with this cycle, which gives one step's capacity before the first step ahead
 */
export function withBacklog(
  loads: readonly SourceLoad[],
  inputs: readonly SeriesInput[],
  costs: SeriesCosts,
  capacities: readonly SourceCapacity[],
  atStepEnd: boolean,
): SourceLoad[] {
  const capacityOf = new Map(capacities.map(({ source, bytesPerStep }) => [source, bytesPerStep]));
  return loads.map((load) => {
    const capacity = capacityOf.get(load.source);
    if (capacity === undefined) return load;
    const owed = new Map<string, number>();
    for (const { series, asked, backlog, waiting = 0 } of inputs) {
      if (costs[series]?.source !== load.source) continue;
      const model = series.slice(0, series.indexOf('/'));
      const rows = (backlog?.rows ?? 0) + waiting + (atStepEnd ? asked : 0);
      owed.set(model, (owed.get(model) ?? 0) + costs[series].bytesPerRow * rows);
    }
    const all = [...owed.values()].reduce((sum, bytes) => sum + bytes, 0);
    let left = atStepEnd ? Math.max(0, all - capacity) : all;
    if (left === 0) return load;
    const carried = load.steps.map(({ quantiles }) => {
      const before = left;
      left = Math.max(0, before + valueAt(quantiles, 0.5) - capacity);
      return before;
    });
    const share = (model: string): number => (owed.get(model) ?? 0) / all;
    const models = [...new Set([...load.models.map(({ model }) => model), ...owed.keys()])].sort();
    const expected = new Map(load.models.map(({ model, bytes }) => [model, bytes]));
    return {
      ...load,
      carried,
      steps: load.steps.map(({ targetMs, quantiles }, step) => ({
        targetMs,
        quantiles: quantiles.map(({ probability, value }) => ({ probability, value: value + carried[step] })),
      })),
      models: models.map((model) => ({
        model,
        bytes: carried.map((bytes, step) => (expected.get(model)?.[step] ?? 0) + share(model) * bytes),
      })),
    };
  });
}

/** What was foreseen to be newly asked in the step of a bottleneck: without what was put off from before. */
export function shortageForecasts(
  { source, targetMs, medianBytes, highBytes, backlogBytes = 0 }: Bottleneck,
  predictions: readonly SeriesPrediction[],
): ForecastUse[] {
  const summed = hasOwnForecast(predictions, source) ? {} : { summed: true as const };
  const of = { what: 'shortage', metric: 'demand', series: sourceSeries(source), ...summed } as const;
  const at = (quantile: number, bytes: number): ForecastUse => {
    return { ...of, stepEndMs: targetMs, quantile, foreseen: Math.max(0, bytes - backlogBytes) };
  };
  return [at(0.5, medianBytes), at(0.9, highBytes)];
}
