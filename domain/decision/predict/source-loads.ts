/** What every source will be asked for: its own series where that is known well, else the sum of the demand on it. */
import type { SeriesCosts, SeriesOutcome } from './series-outcome.js';
import type { SourceLoad, StepDistribution } from './shortage.js';

/** Series of the bytes that are asked of one source, and of all sources. */
export const sourceSeries = (source: string): string => `source:${source}`;
export const SYSTEM_SERIES = 'system';

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
