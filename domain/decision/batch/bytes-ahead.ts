/** What demand will ask of a source in the steps to come, in bytes. */
import type { BatchInputs } from './batch-inputs.js';
import type { SeriesPrediction } from '../predict/series-outcome.js';
import type { ForecastUse } from '../forecast-use.js';
import { hasOwnForecast, sourceSeries } from '../predict/source-loads.js';
import type { DatasetFacts } from '../work.js';

/** Of a forecast's upper end: it is that of a central 80 % interval (`FORECAST_LEVEL`). */
const UPPER_PROBABILITY = 0.9;

export interface StepBytes {
  /** End of the step. */
  readonly targetMs: number;
  readonly bytes: number;
}

/**
 * Upper ends of the forecasts of a source, of the reliable ones (`likely`), or of all but what is declared; a step for
 * each that has not ended. A replay clock stands at the end of a step: that one is being decided now, and left out.
 * Empty where nothing is forecast.
 */
export function bytesAhead(inputs: BatchInputs, source: string, what: 'likely' | 'undeclared'): StepBytes[] {
  const byId = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset]));
  const own = inputs.predictions.find(({ series, reliable }) => reliable && series === sourceSeries(source));
  if (own !== undefined) return upperEnds(own, 1, inputs.asOfMs, what);
  const sums = new Map<number, number>();
  for (const prediction of inputs.predictions) {
    const { series, reliable } = prediction;
    // The series of a source, and of all of them, have no slash: no dataset is meant, whatever it is called.
    const dataset = series.includes('/') ? byId.get(series.slice(series.indexOf('/') + 1)) : undefined;
    if ((what === 'likely' && !reliable) || dataset?.source !== source) continue;
    for (const { targetMs, bytes } of upperEnds(prediction, meanRowBytes(inputs, series, dataset), inputs.asOfMs, what))
      sums.set(targetMs, (sums.get(targetMs) ?? 0) + bytes);
  }
  return [...sums].map(([targetMs, bytes]) => ({ targetMs, bytes })).sort((a, b) => a.targetMs - b.targetMs);
}

/** What is kept of `bytesAhead(…, 'likely')` for the record. */
export function forecastAhead(
  { predictions }: BatchInputs,
  source: string,
  what: ForecastUse['what'],
  { targetMs, bytes }: StepBytes,
): ForecastUse {
  const summed = hasOwnForecast(predictions, source) ? {} : { summed: true as const };
  const of = { what, metric: 'demand', series: sourceSeries(source), ...summed } as const;
  return { ...of, stepEndMs: targetMs, quantile: UPPER_PROBABILITY, foreseen: bytes };
}

function upperEnds(
  { steps, declared }: SeriesPrediction,
  bytesPerUnit: number,
  asOfMs: number,
  what: 'likely' | 'undeclared',
): StepBytes[] {
  return steps.flatMap(({ targetMs, upper }, index) => {
    const known = what === 'undeclared' ? (declared?.[index] ?? 0) : 0;
    return targetMs > asOfMs ? [{ targetMs, bytes: Math.max(0, upper - known) * bytesPerUnit }] : [];
  });
}

/** Bytes a row that the items of this series ask for, or of the whole dataset when none asks now. */
function meanRowBytes(inputs: BatchInputs, series: string, dataset: DatasetFacts): number {
  const items = inputs.items.filter((item) => `${item.model}/${item.dataset}` === series);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  if (items.length === 0) return sum(Object.values(dataset.bytesPerValue));
  return sum(items.map(({ fields }) => sum(fields.map((field) => dataset.bytesPerValue[field] ?? 8)))) / items.length;
}
