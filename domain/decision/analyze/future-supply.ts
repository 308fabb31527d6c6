/**
 * Will what a need asks still be there in the next steps? Rows that match it are a random walk with a drift, as its past
 * cycles measured them; what arrives for a need with `rows: new` until its next cycle is forecast from stretches of the
 * past that are as long.
 */
import type { Finding, NeedForecast } from '../../analyzers/analyzer.js';
import { createSeriesForecaster } from '../../prediction/series-forecaster.js';
import { median } from '../../prediction/period.js';
import type { HistoryValue } from '../../quality/usual.js';
import { forecastUses, type ForecastUse } from '../forecast-use.js';
import { seasonsOf } from '../steps.js';
import type { ItemFacts, WorkItem } from '../work.js';

/** Changes from one cycle to the next that a drift rests on, at least; more than that many are forgotten. */
const CHANGES_MIN = 8;
export const SUPPLY_CYCLES = 24;
/** One-sided 90 % of the normal distribution: the ends of a central 80 % interval, as for every forecast of demand. */
const Z = 1.2816;
const LEVEL = 0.8;
const LOW_PROBABILITY = 0.1;
/** One-sided 95 % of Student's t with so many degrees of freedom as changes are kept, one less: a drift below that is chance. */
const DRIFT_T = 1.71;

export interface Supply {
  /** End of the steps that are looked at, ascending. */
  readonly stepEndsMs: readonly number[];
  /** Rows that matched each need of a fixed size in its past cycles, oldest first. */
  readonly matched: Readonly<Record<string, readonly HistoryValue[]>>;
  /** The next cycle that serves standing needs, and what came in stretches as long as until then; null: nobody knows when. */
  readonly next: NextCycle | null;
  /** Subject that the rows which match each need are recorded by; absent in records of older versions. */
  readonly recordedAs?: Readonly<Record<string, string>>;
}
export interface NextCycle {
  readonly byMs: number;
  readonly stretchMs: number;
  /** For each need that asks every new row and must have some: rows that arrived, by stretch, oldest first. */
  readonly arrived: Readonly<Record<string, readonly number[]>>;
}
type Rows = NonNullable<NeedForecast['available']>;

/** For each need the first step at whose end it will probably be short; else the last one, with what may be there then. */
export function forecastNeeds(
  items: readonly WorkItem[],
  facts: readonly ItemFacts[],
  { stepEndsMs, matched, next }: Supply,
  asOfMs: number,
): NeedForecast[] {
  const factOf = new Map(facts.map((fact) => [fact.itemId, fact]));
  return items.flatMap((item): NeedForecast[] => {
    const { id, needId, rows, minRows } = item;
    const fact = factOf.get(id);
    if (needId === null || fact?.exact !== true) return [];
    const wanted = rows ?? minRows;
    const steps =
      rows === null
        ? arrivalSteps(needId, next, fact.rows < minRows ? fact.rows : 0)
        : supplySteps([...(matched[needId] ?? []), { atMs: asOfMs, value: fact.rows }], stepEndsMs);
    const step = steps.find(({ available }) => available.median < wanted) ?? steps.at(-1);
    return step === undefined || wanted === 0 ? [] : [{ needId, rowsMedian: wanted, rowsHigh: wanted, ...step }];
  });
}

/** The forecasts that findings of rows to come rest on: a probable shortage on the median, a possible one on the lower end. */
export function supplyForecasts(
  findings: readonly Pick<Finding, 'kind' | 'needId' | 'blocking'>[],
  forecasts: readonly NeedForecast[],
  recordedAs: Readonly<Record<string, string>>,
): ForecastUse[] {
  return forecastUses(
    findings.flatMap(({ kind, needId, blocking }): ForecastUse[] => {
      const forecast = forecasts.find((one) => one.needId === needId);
      if (kind !== 'future-volume' || forecast?.available === undefined || forecast.byMs === undefined) return [];
      const { low, median } = forecast.available;
      const of = { what: 'rows-to-come', metric: 'matched-rows', series: recordedAs[forecast.needId] } as const;
      const value = blocking ? { quantile: 0.5, foreseen: median } : { quantile: LOW_PROBABILITY, foreseen: low };
      return [{ ...of, stepEndMs: forecast.byMs, ...value }];
    }),
  );
}

interface Step {
  readonly byMs: number;
  readonly available: Rows;
}

/** Random walk with drift: variance of its value h later, over a past of T: s2 (h + h2 / T) (Hyndman & Athanasopoulos, FPP3, 5.2). */
function supplySteps(past: readonly HistoryValue[], stepEndsMs: readonly number[]): Step[] {
  const values = past
    .slice(-(SUPPLY_CYCLES + 1))
    .filter(({ atMs }, index, all) => atMs > (all[index - 1]?.atMs ?? -Infinity));
  const changes = values.slice(1).map(({ atMs, value }, index): Change => {
    return { ms: atMs - values[index].atMs, rows: value - values[index].value };
  });
  if (changes.length < CHANGES_MIN) return [];
  const last = values[values.length - 1];
  const spanMs = last.atMs - values[0].atMs;
  const drift = driftOf(changes);
  const variance = squaresAround(changes, drift) / (changes.length - 1);
  return stepEndsMs.map((byMs) => {
    const ms = byMs - last.atMs;
    const expected = last.value + drift * ms;
    const half = Z * Math.sqrt(variance * (ms + ms ** 2 / spanMs));
    return { byMs, available: rowsOf(expected - half, expected, expected + half) };
  });
}

interface Change {
  readonly ms: number;
  readonly rows: number;
}

/**
 * Rows a millisecond by which it grows: without the one change that is least like the others, and only where what the
 * others sum up to is more than chance. One jump is an event, and no drift.
 */
function driftOf(changes: readonly Change[]): number {
  const usual = median(changes.map(({ ms, rows }) => rows / ms));
  const off = changes.map(({ ms, rows }) => Math.abs(rows - usual * ms));
  const oddest = off.indexOf(Math.max(...off));
  const others = changes.filter((_, index) => index !== oddest);
  const spanMs = others.reduce((sum, { ms }) => sum + ms, 0);
  const drift = others.reduce((sum, { rows }) => sum + rows, 0) / spanMs;
  const error = Math.sqrt(squaresAround(others, drift) / (others.length - 1) / spanMs);
  return Math.abs(drift) > DRIFT_T * error ? drift : 0;
}

/** Squared changes beyond a drift, for each millisecond of theirs. */
function squaresAround(changes: readonly Change[], drift: number): number {
  return changes.reduce((sum, { ms, rows }) => sum + (rows - drift * ms) ** 2 / ms, 0);
}

/** @param carried rows that are too few to be handed out now: they are there then, too */
function arrivalSteps(needId: string, next: NextCycle | null, carried: number): Step[] {
  const arrived = next?.arrived[needId] ?? [];
  if (next === null || arrived.length === 0) return [];
  const forecaster = createSeriesForecaster({ seasons: seasonsOf(next.stretchMs) });
  // It begins with the first row: before that there was nothing to arrive.
  arrived.slice(arrived.findIndex((rows) => rows > 0)).forEach((rows) => forecaster.update(rows));
  const { reliable, mean, quantiles } = forecaster.forecast(1, [LEVEL]);
  if (!reliable) return [];
  const [low, middle, high] = [quantiles[0].lower[0], mean[0], quantiles[0].upper[0]].map((rows) => carried + rows);
  return [{ byMs: next.byMs, available: rowsOf(low, middle, high) }];
}

function rowsOf(low: number, median: number, high: number): Rows {
  // A drift of whole rows gives whole rows: what floating point adds is no row.
  const clean = (rows: number): number => Math.max(0, Number(rows.toFixed(6)));
  return { low: clean(low), median: clean(median), high: clean(high) };
}
