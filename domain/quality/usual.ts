/**
 * What a metric of a delivery usually is, learned from its own history, and which of today's values are not usual.
 *
 * Middle and deviation are median and scaled MAD, the hour of the day taken out where that explains the spread. A value
 * alarms when it is improbable under heavy tails, after Benjamini-Hochberg over every metric of the run, *and* far
 * enough from the usual to matter. What is declared is judged elsewhere and is never loosened by what is learned here.
 */
import { benjaminiHochberg } from './shift-probability.js';
import { DEFAULT_MIN_COMPLETENESS, type GateFinding } from './gate.js';
import { learnShares, shareEvidence, type ShareHistory } from './usual-share.js';

/** Fewer values than this teach nothing: the standard error of their deviation is above a quarter of it. */
export const HISTORY_MIN = 20;
/** Values of history that are looked at: a week of hourly deliveries. */
export const HISTORY_MAX = 168;
/** At most one alarm among so many runs over stable data. */
export const UNUSUAL_RATE = 1e-3;
/** Values of one hour of the day that give it a middle of its own. */
const PHASE_MIN = 5;
/** The season is taken out only when it removes half of the spread. */
const SEASON_GAIN = 0.5;
const HOUR_MS = 3_600_000;
/** A normal value lies within so many deviations in 95 % of cases. */
const NORMAL_95 = 1.96;
/** A MAD times this estimates a normal deviation (Hampel 1974). */
const MAD_SCALE = 1.4826;
/** Cycles do not start on the dot: an age differs by a tenth for no reason. */
const AGE_JITTER = 0.1;

export interface HistoryValue {
  readonly atMs: number;
  readonly value: number;
}

/** How a metric behaves when all is well. */
export interface Usual {
  readonly values: number;
  readonly middle: number;
  readonly deviation: number;
  /** Whether `middle` is that of this hour of the day. */
  readonly seasonal: boolean;
  /** Of a share without a season: the history of what is bad of it; absent in records of before it was kept. */
  readonly bad?: ShareHistory;
}

/** One of today's values. `metric` is `completeness`, `invalid`, `duplicates`, `misspelt`, `rows` or `age`. */
export interface Measured {
  readonly id: string;
  readonly metric: MetricName;
  readonly column: string | null;
  readonly value: number;
  /** Rows that the value was counted on: what chance alone moves a share by. */
  readonly rows: number;
  readonly usual: Usual;
  /** Values that it was counted for; absent: it speaks for itself. */
  readonly examples?: readonly string[];
}
export type MetricName = keyof typeof RULES;

interface Rule {
  /** Which way is bad. */
  readonly bad: 'low' | 'high';
  /** Shares are compared as they are, magnitudes by ratio. */
  readonly scale: 'share' | 'ratio';
  /** Least change that matters: two rows in a hundred, one of misspelt ones; half or twice as much. */
  readonly least: number;
  readonly kind: string;
  readonly says: (column: string | null) => string;
}
const RULES = {
  completeness: { bad: 'low', scale: 'share', least: 0.02, kind: 'unusual-missing', says: (c) => `${c} lacks values` },
  invalid: {
    bad: 'high',
    scale: 'share',
    least: 0.02,
    kind: 'unusual-invalid',
    says: (c) => `${c} breaks its contract`,
  },
  duplicates: { bad: 'high', scale: 'share', least: 0.02, kind: 'unusual-duplicates', says: () => 'rows repeat' },
  misspelt: {
    bad: 'high',
    scale: 'share',
    least: 0.01,
    kind: 'unusual-values',
    says: (c) => `${c} has values that nobody had before, a typing error away from known ones`,
  },
  rows: { bad: 'low', scale: 'ratio', least: Math.LN2, kind: 'unusual-volume', says: () => 'rows are missing' },
  age: { bad: 'high', scale: 'ratio', least: Math.LN2, kind: 'unusual-age', says: () => 'the newest row is old' },
} as const satisfies Record<string, Rule>;

/** A magnitude on the scale where changes are ratios; 1 keeps zero finite. */
function scaled(metric: MetricName, value: number): number {
  return RULES[metric].scale === 'share' ? value : Math.log(1 + Math.max(0, value));
}

/**
 * Learns from history, oldest first; the newest `HISTORY_MAX` values count.
 * @returns null for fewer than `HISTORY_MIN` values: they teach nothing
 */
export function learnUsual(metric: MetricName, history: readonly HistoryValue[], atMs: number): Usual | null {
  const known = history
    .filter(({ value }) => Number.isFinite(value))
    .slice(-HISTORY_MAX)
    .map((entry) => ({ hour: hourOf(entry.atMs), value: scaled(metric, entry.value) }));
  if (known.length < HISTORY_MIN) return null;
  const values = known.map(({ value }) => value);
  const plain = spreadOf(values);
  const own = known.filter(({ hour }) => hour === hourOf(atMs));
  const hours = [...new Set(known.map(({ hour }) => hour))];
  const steady: Usual = { values: values.length, ...plain, seasonal: false, ...badOf(metric, values) };
  if (own.length < PHASE_MIN || hours.length < 2) return steady;
  const middles = new Map(
    hours.map((hour) => [
      hour,
      spreadOf(known.filter((entry) => entry.hour === hour).map(({ value }) => value)).middle,
    ]),
  );
  const rest = spreadOf(known.map(({ hour, value }) => value - middles.get(hour)!));
  if (rest.deviation > SEASON_GAIN * plain.deviation || plain.deviation === 0) return steady;
  return { values: values.length, middle: middles.get(hourOf(atMs))!, deviation: rest.deviation, seasonal: true };
}

function badOf(metric: MetricName, values: readonly number[]): Pick<Usual, 'bad'> {
  const { bad, scale }: Rule = RULES[metric];
  if (scale !== 'share') return {};
  const shares = bad === 'low' ? values.map((value) => 1 - value) : values;
  return { bad: learnShares(shares, HISTORY_MIN) };
}

/**
 * Middle and deviation of a history that may have wild values among it: the larger of the scaled MAD and the 95 % distance
 * in normal deviations. One bad day in twenty moves neither; a metric that is wild each week is not called calm.
 */
function spreadOf(values: readonly number[]): { readonly middle: number; readonly deviation: number } {
  const middle = median(values);
  const distances = values.map((value) => Math.abs(value - middle)).sort((a, b) => a - b);
  const far = distances[Math.ceil(0.95 * distances.length) - 1] / NORMAL_95;
  return { middle, deviation: Math.max(MAD_SCALE * median(distances), far) };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function hourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) % 24;
}

/** An unusual value as a finding of its item, with the adjusted p. */
export interface Unusual {
  readonly id: string;
  readonly finding: GateFinding;
  readonly pAdjusted: number;
}

/** Judges all values of a run together. Order of the input carries no meaning; findings come out by id, metric, column. */
export function judgeUnusual(measured: readonly Measured[]): Unusual[] {
  const sorted = [...measured].sort(
    (a, b) => compare(a.id, b.id) || compare(a.metric, b.metric) || compare(a.column ?? '', b.column ?? ''),
  );
  const judged = sorted.map((one) => ({ one, ...distanceOf(one) }));
  const adjusted = benjaminiHochberg(judged.map(({ p }) => p));
  return judged.flatMap(({ one, change, spread, deliveries }, index): Unusual[] => {
    if (adjusted[index] > UNUSUAL_RATE || change < RULES[one.metric].least) return [];
    const found = deliveries === 1 ? one : { ...one, value: meanOf(one, deliveries) };
    return [{ id: one.id, pAdjusted: adjusted[index], finding: findingOf(found, spread, adjusted[index], deliveries) }];
  });
}

interface Distance {
  readonly change: number;
  readonly spread: number;
  readonly p: number;
  /** The value is that of so many deliveries together. */
  readonly deliveries: number;
}

/** How far to the bad side, in what spread, and how probable that or more is. */
function distanceOf({ metric, value, rows, usual }: Measured): Distance {
  const rule: Rule = RULES[metric];
  const difference = scaled(metric, value) - usual.middle;
  const change = rule.bad === 'low' ? -difference : difference;
  const spread = Math.hypot(usual.deviation * Math.sqrt(1 + 1 / usual.values), chanceOf(metric, usual.middle, rows));
  const counted =
    usual.bad === undefined ? null : shareEvidence(usual.bad, rule.bad === 'low' ? 1 - value : value, rows);
  if (counted !== null) return { spread, ...counted };
  return { change, spread, p: change <= 0 ? 1 : studentUpper(change / spread), deliveries: 1 };
}

/** The value over the newest so many deliveries, the one at hand among them. */
function meanOf({ metric, value, usual }: Measured, deliveries: number): number {
  const recent = usual.bad!.recent.slice(1 - deliveries).map((bad) => (RULES[metric].bad === 'low' ? 1 - bad : bad));
  return (recent.reduce((sum, one) => sum + one, 0) + value) / deliveries;
}

/** What chance moves a metric by at this size: a share by its binomial deviation (of one row at least), a count by Poisson's, an age by a tenth. */
function chanceOf(metric: MetricName, middle: number, rows: number): number {
  const size = Math.max(1, rows);
  if (metric === 'age') return AGE_JITTER;
  if (metric === 'rows') return 1 / Math.sqrt(size);
  const share = Math.min(1, Math.max(0, middle));
  return Math.sqrt(Math.max(share * (1 - share), 1 / size) / size);
}

/**
 * Upper tail of Student's t with 4 degrees of freedom, in closed form (Abramowitz & Stegun 26.7.4): heavy tails, since
 * real metrics have them. At the 1e-5 that a hundred metrics ask for it wants 23 deviations where a normal law wants 4.
 */
export function studentUpper(t: number): number {
  const scale = 1 + (t * t) / 4;
  return Math.max(0, 0.5 - (3 / 8) * (t / Math.sqrt(scale)) * (1 - (t * t) / (12 * scale)));
}

/**
 * A learned finding degrades. Over halfway between the usual and total loss it quarantines, by the gate's own rule, where
 * the usual is what the gate asks of a required column. Volume and age have no such bound and only degrade.
 */
function findingOf(
  { metric, column, value, usual, examples = [] }: Measured,
  spread: number,
  pAdjusted: number,
  deliveries: number,
): GateFinding {
  const rule: Rule = RULES[metric];
  const show = (at: number): string =>
    rule.scale === 'share' ? `${round(100 * at)} %` : `${round(Math.expm1(at))} ${metric === 'age' ? 'ms' : 'rows'}`;
  const bad = (share: number): number => (rule.bad === 'low' ? 1 - share : share);
  const lost =
    rule.scale === 'share' &&
    bad(usual.middle) <= 1 - DEFAULT_MIN_COMPLETENESS &&
    bad(value) > (1 + bad(usual.middle)) / 2;
  const season = usual.seasonal ? ' at this hour' : '';
  const named = examples.length === 0 ? '' : `, for example ${examples.join('; ')}`;
  const together = deliveries === 1 ? '' : ` in the last ${deliveries} deliveries together`;
  const margin = rule.scale === 'share' ? `${round(100 * spread)} points` : `a factor of ${round(Math.exp(spread))}`;
  return {
    kind: rule.kind,
    ...(column === null ? {} : { column }),
    severity: lost ? 'quarantine' : 'degrade',
    message: `${rule.says(column)}: ${show(scaled(metric, value))}${together} where ${show(usual.middle)} is usual${season}${named}`,
    expected: `about ${show(usual.middle)}, give or take ${margin} (learned from ${usual.values} deliveries${season})`,
    got: `${show(scaled(metric, value))}, adjusted p ${pAdjusted.toPrecision(2)}`,
  };
}

function round(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
