/**
 * Will something that was done at these times be done again within a window? From how long it took until the next time,
 * and from the same hours of earlier days and weeks. The answer is a lower bound: decisions rest on what is likely
 * enough, not on a point.
 */

const DAY_MS = 86_400_000;
/** Fewer chances than this say nothing: three of three may still be chance. */
const CHANCES_MIN = 3;
/** Days or weeks looked back on: older habits count for less than they would seem. */
const CYCLES_MAX = 8;
/** One-sided 90 % of the normal distribution: the lower end of a central 80 % interval, as for every forecast of demand. */
const Z = 1.2816;

export interface Recurrence {
  /** At least this probable; 0 where there are too few chances to tell. */
  readonly probability: number;
  readonly basis: 'interval' | 'day' | 'week' | 'none';
  /** Windows like this one in the past, and those in which it was done. */
  readonly chances: number;
  readonly hits: number;
}

/**
 * Probability that it is done again within [fromMs, toMs], both included, given `askedMs` (ascending, distinct) up to
 * `nowMs`. The most telling of three views counts: the times from one to the next, the same window of each of the last
 * days, and of the last weeks.
 */
export function recurrenceWithin(askedMs: readonly number[], nowMs: number, fromMs: number, toMs: number): Recurrence {
  const views: readonly Recurrence[] = [
    byInterval(askedMs, nowMs, fromMs, toMs),
    byCycle('day', DAY_MS, askedMs, fromMs, toMs),
    byCycle('week', 7 * DAY_MS, askedMs, fromMs, toMs),
  ];
  // The first of equals: the interval before the calendar.
  return views.reduce((best, one) => (one.probability > best.probability ? one : best), NEVER);
}

const NEVER: Recurrence = { probability: 0, basis: 'none', chances: 0, hits: 0 };

/** Of the times that it took at least as long as it has taken by now: how often was the next one within the window? */
function byInterval(askedMs: readonly number[], nowMs: number, fromMs: number, toMs: number): Recurrence {
  const last = askedMs.at(-1);
  if (last === undefined) return NEVER;
  const gaps = askedMs.slice(1).map((at, index) => at - askedMs[index]);
  const open = gaps.filter((gap) => gap >= nowMs - last);
  const within = open.filter((gap) => last + gap >= fromMs && last + gap <= toMs);
  return bounded('interval', open.length, within.length);
}

/** Was it done in the same window of each earlier cycle that the record reaches back to? */
function byCycle(
  basis: 'day' | 'week',
  cycleMs: number,
  askedMs: readonly number[],
  fromMs: number,
  toMs: number,
): Recurrence {
  const first = askedMs.at(0);
  if (first === undefined || toMs - fromMs >= cycleMs) return NEVER;
  let chances = 0;
  let hits = 0;
  for (let cycle = 1; cycle <= CYCLES_MAX && toMs - cycle * cycleMs >= first; cycle++) {
    const [from, to] = [fromMs - cycle * cycleMs, toMs - cycle * cycleMs];
    chances++;
    if (askedMs.some((at) => at >= from && at <= to)) hits++;
  }
  return bounded(basis, chances, hits);
}

function bounded(basis: Recurrence['basis'], chances: number, hits: number): Recurrence {
  if (chances < CHANCES_MIN || hits === 0) return NEVER;
  return { probability: wilsonLower(hits, chances), basis, chances, hits };
}

/** Lower end of Wilson's score interval (1927, JASA 22:209) for `hits` of `chances`. */
function wilsonLower(hits: number, chances: number): number {
  const share = hits / chances;
  const square = Z ** 2;
  const centre = share + square / (2 * chances);
  const spread = Z * Math.sqrt((share * (1 - share)) / chances + square / (4 * chances ** 2));
  return Math.max(0, (centre - spread) / (1 + square / chances));
}
