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
import { EMPTY_REGIME, Regime, type RegimeState } from './shift-regime.js';

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
}

export interface ShiftDetector {
  /** Takes the next value; a missing one (null or not finite) changes nothing and gives no alarm. O(log n) amortised search. */
  update(value: number | null): ShiftVerdict;
  snapshot(): ShiftState;
}

/** Size of the change that an alarm is doubted for, and the odds that settle it (Wald 1945): about 30 values bring them. */
const DOUBTED_SIZE = 0.5;
const SETTLED = Math.log(100);
/** An alarm that is not settled after so many values stands. */
const DOUBT_MAX = 256;

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
export function createShiftDetector(
  state: ShiftState = { version: 2, regime: EMPTY_REGIME, doubt: null },
): ShiftDetector {
  checkState(state);
  let regime = new Regime(state.regime);
  let doubt: Doubt<Regime> | null =
    state.doubt === null ? null : { ...state.doubt, before: new Regime(state.doubt.before) };

  const settle = (value: number): void => {
    if (doubt === null) return;
    doubt = { ...doubt, support: doubt.support + supportOf(doubt, value), waited: doubt.waited + 1 };
    const isFalse = doubt.support <= -SETTLED;
    // What raised the alarm belongs to neither.
    if (isFalse) regime = Regime.of([...doubt.before.history, ...regime.history.slice(-doubt.waited)]);
    if (isFalse || doubt.support >= SETTLED || doubt.waited >= DOUBT_MAX) doubt = null;
  };

  return {
    update(value) {
      if (value === null || !Number.isFinite(value)) return { alarm: false, kind: null };
      regime.add(value);
      if (!regime.hasChanged()) {
        settle(value);
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
    }),
  };
}

/** What a value after the alarm adds to the log likelihood ratio of "changed by half a deviation" to "as before". */
function supportOf({ before, kind }: Doubt<Regime>, value: number): number {
  const { level, spread } = before.scoresOf(value);
  const score = kind.startsWith('level') ? level : spread;
  const shift = kind.endsWith('up') ? DOUBTED_SIZE : -DOUBTED_SIZE;
  return (shift * score - (shift * shift) / 2) / before.inflation;
}

function checkState(state: ShiftState): void {
  const isList = (list: readonly number[] | undefined): boolean =>
    Array.isArray(list) && list.every((value) => Number.isFinite(value));
  const isRegime = (regime: RegimeState | undefined): boolean =>
    regime !== undefined &&
    [regime.history, regime.recent, regime.products, regime.evidence?.ratios, regime.evidence?.origins].every(isList) &&
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
  if ((state.version as number) === 2 && isRegime(state.regime) && isDoubt) return;
  throw new BalanceError('usage', {
    type: 'CorruptState',
    message: 'not a state of the shift detector',
    expected: 'the value of snapshot(), version 2',
    got: JSON.stringify(state).slice(0, 80),
  });
}
