/**
 * Will what a need asks still be there in the next steps? Rows that match it are a random walk with a drift, as its past
 * cycles measured them; what arrives for a need with `rows: new` is what is forecast of its series.
 */
import type { NeedForecast } from '../../analyzers/analyzer.js';
import type { HistoryValue } from '../../quality/usual.js';
import type { SeriesPrediction } from '../predict/series-outcome.js';
import type { ItemFacts, WorkItem } from '../work.js';

/** Changes from one cycle to the next that a drift rests on, at least; more than that many are forgotten. */
const CHANGES_MIN = 8;
export const SUPPLY_CYCLES = 24;
/** One-sided 90 % of the normal distribution: the ends of a central 80 % interval, as for every forecast of demand. */
const Z = 1.2816;

export interface Supply {
  /** End of the steps that are looked at, ascending. */
  readonly stepEndsMs: readonly number[];
  /** Rows that matched each need of a fixed size in its past cycles, oldest first. */
  readonly matched: Readonly<Record<string, readonly HistoryValue[]>>;
  /** The last forecast of each series that one need alone makes, which asks every new row. */
  readonly arrivals: Readonly<Record<string, Pick<SeriesPrediction, 'reliable' | 'steps'>>>;
}
type Rows = NonNullable<NeedForecast['available']>;

/** For each need the first step at whose end it will probably be short; else the last one, with what may be there then. */
export function forecastNeeds(
  items: readonly WorkItem[],
  facts: readonly ItemFacts[],
  { stepEndsMs, matched, arrivals }: Supply,
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
        ? arrivalSteps(arrivals[`${item.model}/${item.dataset}`], asOfMs)
        : supplySteps([...(matched[needId] ?? []), { atMs: asOfMs, value: fact.rows }], stepEndsMs);
    const step = steps.find(({ available }) => available.median < wanted) ?? steps.at(-1);
    return step === undefined || wanted === 0 ? [] : [{ needId, rowsMedian: wanted, rowsHigh: wanted, ...step }];
  });
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
  const changes = values.length - 1;
  if (changes < CHANGES_MIN) return [];
  const [first, last] = [values[0], values[changes]];
  const spanMs = last.atMs - first.atMs;
  const drift = (last.value - first.value) / spanMs;
  let squares = 0;
  for (let index = 1; index < values.length; index++) {
    const ms = values[index].atMs - values[index - 1].atMs;
    squares += (values[index].value - values[index - 1].value - drift * ms) ** 2 / ms;
  }
  const variance = squares / (changes - 1);
  return stepEndsMs.map((byMs) => {
    const ms = byMs - last.atMs;
    const median = last.value + drift * ms;
    const half = Z * Math.sqrt(variance * (ms + ms ** 2 / spanMs));
    return { byMs, available: rowsOf(median - half, median, median + half) };
  });
}

function arrivalSteps(forecast: Supply['arrivals'][string] | undefined, asOfMs: number): Step[] {
  if (forecast?.reliable !== true) return [];
  return forecast.steps
    .filter(({ targetMs }) => targetMs > asOfMs)
    .map(({ targetMs, lower, mean, upper }) => ({ byMs: targetMs, available: rowsOf(lower, mean, upper) }));
}

function rowsOf(low: number, median: number, high: number): Rows {
  // A drift of whole rows gives whole rows: what floating point adds is no row.
  const clean = (rows: number): number => Math.max(0, Number(rows.toFixed(6)));
  return { low: clean(low), median: clean(median), high: clean(high) };
}
