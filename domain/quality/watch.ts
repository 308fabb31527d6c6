/**
 * Streaming shift detection on one metric, parameters not given: does the level or the spread of the values change?
 *
 * Each value is ranked among the values before it and the rank becomes a normal score. In control these scores are
 * independent and standard normal whatever the distribution of independent values is (sequential normal scores:
 * Conover, Tercero-Gomez & Cordero-Franco 2017, Quality Engineering 29:385), so that evidence gathered from them needs no
 * estimated mean or deviation and its false-alarm rate is known beforehand (`shift-evidence.ts`).
 */
import { BalanceError } from '../types/errors.js';
import { COMPONENTS, leadingChange, type ShiftKind } from './shift-evidence.js';
import { EMPTY_REGIME, HISTORY_MAX, Regime, type RegimeState } from './shift-regime.js';
import { learnSeason } from './shift-season.js';

export type { ShiftKind } from './shift-evidence.js';
export interface ShiftVerdict {
  readonly alarm: boolean;
  readonly kind: ShiftKind | null;
}

/** What held before an alarm that may still turn out to be a false one. */
interface Doubt<Before> {
  readonly before: Before;
  readonly kind: ShiftKind;
  /** Log likelihood ratio of "changed" to "as before" of the values since the alarm, and their number. */
  readonly support: number;
  readonly waited: number;
}
/** Plain JSON state; the next verdict depends on nothing else. */
export interface ShiftState {
  readonly version: 2;
  readonly regime: RegimeState;
  readonly doubt: Doubt<RegimeState> | null;
  /** All values with their times, oldest first, at most `HISTORY_MAX`: a season outlives changes of level. */
  readonly values: readonly number[];
  readonly times: readonly number[];
  /** Rows after which the season is learned again. */
  readonly learnAt: number;
  /** Rows taken, those without a value too, and the newest time given. */
  readonly rows: number;
  readonly time: number | null;
}

export interface ShiftDetector {
  /**
   * Takes the next value; a missing one (null or not finite) gives no alarm. O(log n) search, and now and then O(n log n)
   * where the season is learned.
   *
   * @param seconds its time since 1970, which makes the day and the week likely seasons; absent: values are evenly spaced
   */
  update(value: number | null, seconds?: number): ShiftVerdict;
  snapshot(): ShiftState;
}

/** Size of the change that an alarm is doubted for, and the odds that settle it (Wald 1945): about 30 values bring them. */
const DOUBTED_SIZE = 0.5;
const SETTLED = Math.log(100);
/** An alarm that is not settled after so many values stands. */
const DOUBT_MAX = 256;

/** The season is learned first, and again with so many times more rows, or so many more where that is sooner. */
const LEARN_FIRST = 64;
const LEARN_GROWTH = 1.25;
const LEARN_STEP_MAX = 1024;

const START: ShiftState = {
  version: 2,
  regime: EMPTY_REGIME,
  doubt: null,
  values: [],
  times: [],
  learnAt: LEARN_FIRST,
  rows: 0,
  time: null,
};

/**
 * A detector for one metric.
 *
 * @param state where to go on from (`snapshot()` of an earlier detector); absent: from nothing
 * @returns an object that takes the values in order. The verdict on a value depends on that value and earlier ones only
 * @throws BalanceError `CorruptState` for a state that no `snapshot()` made
 *
 * After an alarm the new level is learned from the values since the change. Where those after the alarm turn out to be as
 * before it, the alarm was false, and what was known before holds again. Degenerate cases: a constant metric never
 * alarms, and alarms after a few values when it moves; missing values are skipped.
 */
export function createShiftDetector(state: ShiftState = START): ShiftDetector {
  checkState(state);
  let regime = new Regime(state.regime);
  let doubt: Doubt<Regime> | null =
    state.doubt === null ? null : { ...state.doubt, before: new Regime(state.doubt.before) };

  let { rows, time, learnAt } = state;
  const [values, times] = [[...state.values], [...state.times]];

  const settle = (value: number, at: number): void => {
    if (doubt === null) return;
    doubt = { ...doubt, support: doubt.support + supportOf(doubt, value, at), waited: doubt.waited + 1 };
    const isFalse = doubt.support <= -SETTLED;
    // What raised the alarm belongs to neither.
    if (isFalse) regime = doubt.before.joinedBy(regime, doubt.waited);
    if (isFalse || doubt.support >= SETTLED || doubt.waited >= DOUBT_MAX) doubt = null;
  };

  const learn = (value: number, at: number): void => {
    values.push(value);
    times.push(at);
    if (values.length > HISTORY_MAX) [values, times].forEach((list) => list.shift());
    if (rows < learnAt || !regime.isTeachable()) return;
    learnAt = Math.ceil(Math.min(LEARN_GROWTH * rows, rows + LEARN_STEP_MAX));
    regime = regime.without(learnSeason(values, times));
  };

  return {
    update(value, seconds) {
      rows++;
      if (seconds !== undefined && Number.isFinite(seconds)) time = seconds;
      if (value === null || !Number.isFinite(value)) return { alarm: false, kind: null };
      const at = time ?? rows;
      regime.add(value, at);
      learn(value, at);
      if (!regime.hasChanged()) {
        settle(value, at);
        return { alarm: false, kind: null };
      }
      const { kind, before } = leadingChange(regime.evidence);
      const parts = regime.split(before);
      regime = parts.later;
      doubt = { before: parts.earlier, kind, support: 0, waited: 0 };
      return { alarm: true, kind };
    },
    snapshot: () => ({
      version: 2,
      regime: regime.snapshot(),
      doubt: doubt === null ? null : { ...doubt, before: doubt.before.snapshot() },
      values: [...values],
      times: [...times],
      learnAt,
      rows,
      time,
    }),
  };
}

/** What a value after the alarm adds to the log likelihood ratio of "changed by half a deviation" to "as before". */
function supportOf({ before, kind }: Doubt<Regime>, value: number, at: number): number {
  const { level, spread, inflation } = before.score(value, at);
  const score = kind.startsWith('level') ? level : spread;
  const shift = kind.endsWith('up') ? DOUBTED_SIZE : -DOUBTED_SIZE;
  return (shift * score - (shift * shift) / 2) / inflation;
}

function checkState(state: ShiftState): void {
  const isList = (list: readonly number[] | undefined): boolean =>
    Array.isArray(list) && list.every((value) => Number.isFinite(value));
  const isRegime = (regime: RegimeState | undefined): boolean =>
    regime !== undefined &&
    [regime.history, regime.times, regime.rests, regime.recent, regime.products].every(isList) &&
    [regime.evidence?.ratios, regime.evidence?.origins].every(isList) &&
    regime.times.length === regime.history.length &&
    regime.rests.length === regime.history.length &&
    regime.evidence.ratios.length === COMPONENTS.length &&
    regime.evidence.origins.length === COMPONENTS.length &&
    regime.inflation >= 1 &&
    regime.uneasy >= 0 &&
    regime.seen >= regime.history.length;
  const isDoubt =
    state.doubt === null ||
    (isRegime(state.doubt?.before) &&
      COMPONENTS.some(({ kind }) => kind === state.doubt?.kind) &&
      [state.doubt.support, state.doubt.waited].every((value) => Number.isFinite(value)));
  const isWhole = [state.values, state.times].every(isList) && state.rows >= 0 && state.learnAt >= 0;
  if ((state.version as number) === 2 && isRegime(state.regime) && isDoubt && isWhole) return;
  throw new BalanceError('usage', {
    type: 'CorruptState',
    message: 'not a state of the shift detector',
    expected: 'the value of snapshot(), version 2',
    got: JSON.stringify(state).slice(0, 80),
  });
}
