/**
 * Novelty of a value in its own stream: how far it leaves the range that the stream has shown so far.
 *
 * Every feature (the value, its step, means, spreads, the deviation from the time of day) keeps a decaying envelope
 * [lo, hi]. A value outside scores by how much it widens the envelope, as a fraction of the envelope's width; then the
 * envelope includes it, so the onset of an event scores once and its continuation is quiet. The score has no unit and
 * needs no distribution, so one threshold means the same for every stream.
 */

const SECONDS_PER_DAY = 86_400;
/** Half-hour bins of the day: fine enough for a commuter peak, coarse enough to be filled by hourly rows. */
const DAY_BINS = 48;
/** Rates of the running mean and spread: memories of 5 and 20 rows, a burst and an episode. */
const FAST_RATE = 0.2;
const SLOW_RATE = 0.05;
/** Share by which an envelope moves towards its centre each row: memory of about eight weeks of 5-minute rows. */
const ENVELOPE_DECAY = 1 / 16_000;
/** Rate of the time-of-day profile: at 5-minute rows six visits a day, so a memory of about a week. */
const PROFILE_RATE = 0.02;
/** Rows before the first score: five memories of the slow mean. */
const WARM_UP_ROWS = 100;
/** Just after a clear novelty (a tenth of the envelope's width) the rest of the same event counts a fifth, for some 25 rows. */
const QUIET_SHARE = 0.8;
const QUIET_DECAY = 0.04;
const CLEAR_NOVELTY = 0.1;
const FEATURES = 8;
const DEVIATION = 6;

/** Plain-JSON state of one stream. */
export interface NoveltyState {
  rows: number;
  firstSeconds: number;
  previous: number;
  fastMean: number;
  slowMean: number;
  fastSpread: number;
  slowSpread: number;
  deviationMean: number;
  /** Values compared with the profile so far; none during the first day. */
  deviations: number;
  /** How fresh the last clear novelty is: 1 on its row, fading to 0. */
  fresh: number;
  readonly low: number[];
  readonly high: number[];
  /** Mean of each half hour of the day (UTC); meaningful where `visited` is 1. */
  readonly profile: number[];
  readonly visited: number[];
}

/** The state before the first value. */
export function emptyNovelty(): NoveltyState {
  const zeros = (length: number): number[] => new Array<number>(length).fill(0);
  return {
    rows: 0,
    firstSeconds: 0,
    previous: 0,
    fastMean: 0,
    slowMean: 0,
    fastSpread: 0,
    slowSpread: 0,
    deviationMean: 0,
    deviations: 0,
    fresh: 0,
    low: zeros(FEATURES),
    high: zeros(FEATURES),
    profile: zeros(DAY_BINS),
    visited: zeros(DAY_BINS),
  };
}

/** Widens envelope `k` to include `x`; returns the widening over the former width, at most 1. */
function widen(state: NoveltyState, k: number, x: number, first: boolean): number {
  const { low, high } = state;
  if (first) {
    low[k] = x;
    high[k] = x;
    return 0;
  }
  const lo = low[k];
  const hi = high[k];
  // A constant stream has no width: any change then scores 1, up to rounding of the stored value.
  const width = hi - lo + 1e-9 * Math.abs(hi) + 1e-12;
  const excess = x > hi ? x - hi : x < lo ? lo - x : 0;
  const newHi = x > hi ? x : hi;
  const newLo = x < lo ? x : lo;
  const pull = ENVELOPE_DECAY * 0.5 * (newHi - newLo);
  low[k] = newLo + pull;
  high[k] = newHi - pull;
  return excess > width ? 1 : excess / width;
}

/**
 * Learns one finite value and returns its novelty in [0, 1]; 0 while warming up. O(1).
 * @param seconds time of the value, seconds since an epoch; only the time of day matters, in UTC.
 */
export function updateNovelty(state: NoveltyState, seconds: number, x: number): number {
  const first = state.rows === 0;
  if (first) {
    state.firstSeconds = seconds;
    state.previous = state.fastMean = state.slowMean = x;
  }
  state.rows++;
  const step = x - state.previous;
  state.previous = x;
  const fastResidual = x - state.fastMean;
  const slowResidual = x - state.slowMean;
  state.fastMean += FAST_RATE * fastResidual;
  state.slowMean += SLOW_RATE * slowResidual;
  state.fastSpread += FAST_RATE * (Math.abs(fastResidual) - state.fastSpread);
  state.slowSpread += SLOW_RATE * (Math.abs(slowResidual) - state.slowSpread);
  let score = Math.max(
    widen(state, 0, x, first),
    widen(state, 1, step, first),
    widen(state, 2, state.fastMean, first),
    widen(state, 3, state.fastSpread, first),
    widen(state, 4, state.slowMean, first),
    widen(state, 5, state.slowSpread, first),
  );
  const day = seconds / SECONDS_PER_DAY;
  const bin = Math.floor((day - Math.floor(day)) * DAY_BINS);
  if (state.visited[bin] === 0) {
    state.visited[bin] = 1;
    state.profile[bin] = x;
  }
  const deviation = x - state.profile[bin];
  if (seconds - state.firstSeconds >= SECONDS_PER_DAY) {
    state.deviationMean += SLOW_RATE * (deviation - state.deviationMean);
    score = Math.max(
      score,
      widen(state, DEVIATION, deviation, state.deviations === 0),
      widen(state, DEVIATION + 1, state.deviationMean, state.deviations === 0),
    );
    state.deviations++;
  }
  state.profile[bin] = state.profile[bin] + PROFILE_RATE * deviation;
  const quiet = score * (1 - QUIET_SHARE * state.fresh);
  state.fresh = Math.max(state.fresh * (1 - QUIET_DECAY), Math.min(1, score / CLEAR_NOVELTY));
  return state.rows <= WARM_UP_ROWS ? 0 : quiet;
}
