/**
 * What a running pool knows of the patterns of its demand: a look at a few series at a time, from their recorded window and
 * what was known before. Each look finds periods, changes and related series anew, and carries the behaviour profile on.
 */
import {
  compareBehaviour,
  emptyBehaviour,
  mergeBehaviour,
  profileBehaviour,
  type BehaviourProfile,
} from './behaviour.js';
import { correlatePairs, significantPairs, type LagCorrelation } from './lag-correlation.js';
import { analyzeSeries, bridge, withoutPeriods, type SeriesPatterns } from './pattern.js';

/** Largest lag between series, in steps: two days of hours. */
const LAG_STEPS_MAX = 48;
/** Related series kept of each, and changes. */
const RELATED_MAX = 8;
const CHANGES_MAX = 5;
/** Pairs less telling than this are chance whatever else was tried: they count, and are not kept. */
const P_VALUE_KEPT = 0.05;
const WEEK_MS = 7 * 86_400_000;
const DAY_MS = 86_400_000;
/** Values of a stretch whose behaviour is compared: as many as a comparison needs. */
const STRETCH_VALUES_MIN = 100;
/** A change is a distance beyond this multiple of what stretches of this series differ by anyway. */
const UNUSUAL_RATIO = 2;
/** Old behaviour counts half after about this many stretches. */
const USUAL_FADE = 0.8;

/** One series on the common grid, `null` where nothing was recorded. */
export interface WatchedSeries {
  readonly id: string;
  readonly values: readonly (number | null)[];
}
/** Two series of which one follows the other; `lagSteps` 0: at the same time. */
export type Relation = Pick<LagCorrelation, 'leader' | 'follower' | 'lagSteps' | 'correlation' | 'pValue'>;

export interface BehaviourShift {
  readonly atMs: number;
  readonly magnitude: number;
  readonly timing: number;
  readonly meanRatio: number | null;
}
/** Plain JSON, about 4 kB. */
export interface KnownPatterns {
  readonly version: 1;
  readonly series: string;
  readonly stepMs: number;
  /** End of the last step that was looked at. */
  readonly upToMs: number;
  readonly periods: readonly { readonly steps: number; readonly strength: number }[];
  readonly trend: SeriesPatterns['trend'];
  /** The newest ones, oldest first. */
  readonly changePoints: readonly { readonly atMs: number; readonly before: number; readonly after: number }[];
  /** Probability of another change of level within a day. */
  readonly changeWithinDay: number;
  readonly behaviour: KnownBehaviour;
  /** Pairs that were tried, and those of them that may be more than chance. */
  readonly tested: number;
  readonly related: readonly Relation[];
}
export interface KnownBehaviour {
  readonly usual: BehaviourProfile;
  /** The stretch that is not complete yet, and where it began. */
  readonly recent: BehaviourProfile;
  readonly recentFromMs: number | null;
  /** Mean distance of stretches that were not said to differ, and how many they were. */
  readonly noise: number;
  readonly compared: number;
  /** The newest ones, oldest first. */
  readonly shifts: readonly BehaviourShift[];
}

export interface PatternWindow {
  readonly stepMs: number;
  /** End of the last step of the grid. */
  readonly upToMs: number;
  /** What is looked at, and what it may be related to: all on the same grid. */
  readonly series: readonly WatchedSeries[];
}

/**
 * A look at the series named, in their order. Of those that the window does not have nothing is found, and they were looked
 * at: the others have their turn.
 * @param known what was known of these and of other series, by id: their periods are taken out before they are compared
 */
export function watchPatterns(
  names: readonly string[],
  { stepMs, upToMs, series }: PatternWindow,
  known: ReadonlyMap<string, KnownPatterns>,
): KnownPatterns[] {
  const byId = new Map(series.map((one) => [one.id, one]));
  const looked = names.map((name): Omit<KnownPatterns, 'tested' | 'related'> => {
    const one = byId.get(name);
    if (one === undefined) return { ...nothingOf(known.get(name)), series: name, stepMs, upToMs };
    const atMs = (index: number): number => upToMs - (one.values.length - 1 - index) * stepMs;
    const points = one.values.map((value, index) => ({ seconds: atMs(index) / 1000, value }));
    const { periods, trend, changePoints, changeWithinDay } = analyzeSeries({ id: name, points });
    return {
      ...{ version: 1, series: name, stepMs, upToMs, trend, changeWithinDay },
      periods: periods.map(({ steps, strength }) => ({ steps, strength })),
      changePoints: changePoints
        .slice(-CHANGES_MAX)
        .map(({ index, before, after }) => ({ atMs: atMs(index), before, after })),
      behaviour: behaviourUpTo(known.get(name), one.values, stepMs, upToMs),
    };
  });
  const periodsOf = new Map([...known.values(), ...looked].map((one) => [one.series, one.periods]));
  const due = new Set(looked.map((one) => one.series));
  const pairs = correlatePairs(
    series.map(({ id, values }) => ({ id, values: withoutSeasons(values, stepMs, periodsOf.get(id) ?? []) })),
    LAG_STEPS_MAX,
    (a, b) => due.has(a) || due.has(b),
  );
  return looked.map((one) => {
    const own = pairs.filter(({ leader, follower }) => leader === one.series || follower === one.series);
    const related = own
      .filter(({ pValue }) => pValue <= P_VALUE_KEPT)
      .sort((a, b) => a.pValue - b.pValue || (a.leader + a.follower < b.leader + b.follower ? -1 : 1))
      .slice(0, RELATED_MAX)
      .map(({ leader, follower, lagSteps, correlation, pValue }) => ({
        leader,
        follower,
        lagSteps,
        correlation,
        pValue,
      }));
    return { ...one, tested: own.length, related };
  });
}

/** What is known of a series with too few values: how it behaved before, if that is known. */
function nothingOf(
  before: KnownPatterns | undefined,
): Omit<KnownPatterns, 'series' | 'stepMs' | 'upToMs' | 'tested' | 'related'> {
  const trend = { direction: 'none', perDay: 0, pValue: 1 } as const;
  const behaviour = before?.behaviour ?? NO_BEHAVIOUR;
  return { version: 1, periods: [], trend, changePoints: [], changeWithinDay: 0, behaviour };
}

/** Values less their means by time of day and week, where there are three of them, and by the periods known. */
function withoutSeasons(
  values: readonly (number | null)[],
  stepMs: number,
  periods: KnownPatterns['periods'],
): (number | null)[] {
  const calendar = [DAY_MS / stepMs, WEEK_MS / stepMs].filter((steps) => Number.isInteger(steps) && steps >= 2);
  const steps = [...new Set([...calendar, ...periods.map((period) => period.steps)])].filter(
    (period) => period <= values.length / 3,
  );
  const rest = withoutPeriods(bridge(values), steps);
  return values.map((value, index) => (value === null ? null : rest[index]));
}

const NO_BEHAVIOUR: KnownBehaviour = {
  ...{ usual: emptyBehaviour(), recent: emptyBehaviour(), recentFromMs: null },
  ...{ noise: 0, compared: 0, shifts: [] },
};

/** Streams what is new into the behaviour profile: whole weeks with values enough are compared with what was usual. */
function behaviourUpTo(
  before: KnownPatterns | undefined,
  values: readonly (number | null)[],
  stepMs: number,
  upToMs: number,
): KnownBehaviour {
  let state = before?.behaviour ?? NO_BEHAVIOUR;
  // Looks that found too few values have streamed none of them in.
  const streamed = before?.stepMs === stepMs && state.usual.count + state.recent.count > 0;
  const sinceMs = streamed ? before.upToMs : -Infinity;
  const lengthMs = Math.ceil((STRETCH_VALUES_MIN * stepMs) / WEEK_MS) * WEEK_MS;
  let stretch: { seconds: number; value: number }[] = [];
  let { recentFromMs } = state;
  const flush = (): void => {
    state = { ...state, recentFromMs, recent: mergeBehaviour(state.recent, profileBehaviour(stretch)) };
    stretch = [];
  };
  values.forEach((value, index) => {
    const atMs = upToMs - (values.length - 1 - index) * stepMs;
    if (atMs <= sinceMs || value === null) return;
    recentFromMs ??= atMs - stepMs;
    // A step is known by its end: its hour is the one that it began in.
    stretch.push({ seconds: (atMs - stepMs) / 1000, value });
    if (atMs - recentFromMs < lengthMs || state.recent.count + stretch.length < STRETCH_VALUES_MIN) return;
    flush();
    state = compared(state, atMs);
    recentFromMs = null;
  });
  flush();
  return state;
}

/** The complete stretch becomes part of what is usual, or takes its place where it differs more than stretches do. */
function compared(state: KnownBehaviour, atMs: number): KnownBehaviour {
  const { usual, recent, noise, compared: count, shifts } = state;
  const next = { ...state, recent: emptyBehaviour(), recentFromMs: null };
  if (usual.count === 0) return { ...next, usual: recent };
  const { magnitude, timing, meanRatio, changed } = compareBehaviour(usual, recent);
  const distance = Math.max(magnitude, timing);
  // Before two stretches were compared, nobody knows what is usual of them.
  if (changed && count > 0 && distance > UNUSUAL_RATIO * noise)
    return {
      ...next,
      usual: recent,
      shifts: [...shifts, { atMs, magnitude, timing, meanRatio }].slice(-CHANGES_MAX),
    };
  return {
    ...next,
    usual: mergeBehaviour(faded(usual), recent),
    noise: noise + (distance - noise) / (count + 1),
    compared: count + 1,
  };
}

function faded(profile: BehaviourProfile): BehaviourProfile {
  const less = (values: readonly number[]): number[] => values.map((value) => short(USUAL_FADE * value));
  const { count, sum, squares, hourSums, hourCounts, magnitudes } = profile;
  return {
    ...{ count: short(USUAL_FADE * count), sum: short(USUAL_FADE * sum), squares: short(USUAL_FADE * squares) },
    ...{ hourSums: less(hourSums), hourCounts: less(hourCounts), magnitudes: less(magnitudes) },
  };
}

/** Six digits are enough for a profile, and keep it small. */
function short(value: number): number {
  return Number(value.toPrecision(6));
}

/** Relations of all that is known of which at most 5 % are chance, the strongest first. */
export function confirmedRelations(known: readonly KnownPatterns[]): (Relation & { readonly qValue: number })[] {
  const pairs = new Map<string, Relation>();
  // Looked at from both sides, a pair counts as the newer look has it.
  for (const { related } of [...known].sort((a, b) => a.upToMs - b.upToMs || (a.series < b.series ? -1 : 1)))
    for (const one of related) pairs.set(JSON.stringify([one.leader, one.follower].sort()), one);
  const tested = known.reduce((sum, one) => sum + one.tested, 0);
  return significantPairs(
    [...pairs.values()].map((pair) => ({ ...pair, qValue: 1 })),
    0.05,
    Math.max(tested, pairs.size),
  );
}
