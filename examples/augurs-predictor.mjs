// @ts-check
/**
 * A predictor from outside: MSTL of augurs (Rust in WebAssembly, MIT or Apache-2.0), as a challenger of Balance's own.
 *
 *   npm install @bsull/augurs@0.10.2
 *   BALANCE_PREDICTORS=./augurs-predictor.mjs npx balance up
 *
 * It learns beside the others on every series and speaks for those on which it proves better; `balance explain` names it.
 * MSTL (Bandara, Hyndman, Bergmeir 2021) is fitted as a whole, in 10 to 50 ms: once in each shortest season, and forecast
 * farther ahead in between. Copy this file to write one of your own; docs/FORECASTING.md has the contract.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { initSync, MSTL } from '@bsull/augurs/mstl';

initSync({
  module: readFileSync(fileURLToPath(import.meta.resolve('@bsull/augurs/mstl').replace(/\.js$/, '_bg.wasm'))),
});

/** Seasons of past values that are fitted, of the longest season that has been seen twice. */
const SEASONS_FITTED = 4;
/** Without a season there is nothing to decompose: the step from one fit to the next, and the values fitted. */
const PLAIN_STEPS = 24;
const RELIABLE_VALUES_MIN = 24;

/**
 * @typedef {object} State
 * @property {readonly number[]} seasons
 * @property {number[]} values values that were fitted, then those since; missing ones are filled with the last
 * @property {number} since how many came since the fit
 * @property {number} history values seen, the missing ones not counted
 */

/** @implements {PredictorRun} */
class AugursRun {
  /** @param {State} state */
  constructor(state) {
    this.state = state;
    /** @type {MSTL | null | undefined} undefined: not fitted yet, which a restored run does when it first forecasts */
    this.model = undefined;
  }

  /** @param {number | null} value */
  update(value) {
    const { state } = this;
    if (value === null && state.values.length === 0) return;
    if (value !== null) state.history++;
    // A snapshot is JSON, which has no negative zero: adding zero makes it the plain one.
    state.values.push((value ?? state.values.at(-1) ?? 0) + 0);
    state.since++;
    if (state.since < (state.seasons[0] ?? PLAIN_STEPS) && state.values.length > RELIABLE_VALUES_MIN) return;
    state.values = state.values.slice(-SEASONS_FITTED * (this.usable().at(-1) ?? PLAIN_STEPS));
    state.since = 0;
    this.model = undefined;
  }

  /** Seasons that the values show twice. */
  usable() {
    const { seasons, values, since } = this.state;
    return seasons.filter((season) => 2 * season <= values.length - since);
  }

  /**
   * @param {number} horizon
   * @param {readonly number[]} levels
   */
  forecast(horizon, levels) {
    const { values, since, history } = this.state;
    const answer = { method: 'augurs-mstl', history, reliable: history >= RELIABLE_VALUES_MIN };
    try {
      const model = (this.model ??= fitted(values.slice(0, values.length - since), this.usable()));
      const bands = levels.map((level) => ({ level, ...ahead(model, since, horizon, level) }));
      const { point } = ahead(model, since, horizon, 0.8);
      return { ...answer, mean: point, quantiles: bands.map(({ level, lower, upper }) => ({ level, lower, upper })) };
    } catch {
      return { ...answer, ...lastValue(values, horizon, levels), reliable: false };
    }
  }

  snapshot() {
    return structuredClone(this.state);
  }
}

/**
 * @param {number[]} values
 * @param {readonly number[]} seasons
 */
function fitted(values, seasons) {
  if (seasons.length === 0) throw new Error('no season was seen twice');
  const model = MSTL.ets(Uint32Array.from(seasons));
  model.fit(Float64Array.from(values));
  return model;
}

/**
 * @param {MSTL} model
 * @param {number} since
 * @param {number} horizon
 * @param {number} level
 */
function ahead(model, since, horizon, level) {
  const { point, intervals } = model.predict(since + horizon, level);
  const cut = (/** @type {Iterable<number>} */ steps) => Array.from(steps).slice(since);
  const [mean, lower, upper] = [cut(point), cut(intervals?.lower ?? point), cut(intervals?.upper ?? point)];
  if (![...mean, ...lower, ...upper].every(Number.isFinite)) throw new Error('not finite');
  return { point: mean, lower, upper };
}

/**
 * Where there is nothing to decompose: the last value, within the range of those kept.
 * @param {number[]} values
 * @param {number} horizon
 * @param {readonly number[]} levels
 */
function lastValue(values, horizon, levels) {
  const steps = (/** @type {number} */ value) => Array.from({ length: horizon }, () => value);
  const last = values.at(-1) ?? 0;
  const [least, most] = [Math.min(last, ...values), Math.max(last, ...values)];
  const quantiles = levels.map((level) => {
    return { level, lower: steps(level === 0 ? last : least), upper: steps(level === 0 ? last : most) };
  });
  return { mean: steps(last), quantiles };
}

export default {
  id: 'augurs-mstl',
  version: 1,
  /** @param {{ readonly seasons: readonly number[] }} options */
  create: ({ seasons }) =>
    new AugursRun({ seasons: [...seasons].sort((a, b) => a - b), values: [], since: 0, history: 0 }),
  /** @param {unknown} snapshot */
  restore: (snapshot) => new AugursRun(structuredClone(/** @type {State} */ (snapshot))),
};
