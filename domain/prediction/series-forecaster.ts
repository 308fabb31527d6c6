/**
 * The online forecaster of one series: values arrive one regular step at a time, forecasts with calibrated
 * quantiles are there at any moment, and the whole state is a small plain-JSON snapshot.
 *
 * Horizons are learned on a grid of knots; a horizon between two knots blends both (linear in its logarithm).
 * A missing value is filled with the forecast that was issued for it and is neither scored nor learned from.
 */
import { usageError } from '../types/errors.js';
import { EXPERT_COUNT, EXPERT_NAMES } from './series-experts.js';
import { detectSeasons } from './series-seasons.js';
import { SEASON_STEPS_MAX, SeriesMemory } from './series-memory.js';
import { HorizonMixture } from './series-mixture.js';

/** Horizons that are learned, in steps, where no season is in the way; later ones use the last knot. */
const KNOTS = [1, 4, 12, 48] as const;
/** Longest horizon of one forecast, in steps. */
export const HORIZON_STEPS_MAX = 2016;
/** Larger magnitudes would overflow in sums and squares. */
const VALUE_MAX = 1e300;
export const DEFAULT_LEVELS: readonly number[] = [0.8, 0.95];
/** Two error scales are averaged: one quick (about 10 steps), one steady (about 100). */
const SCALE_FAST = 0.1;
const SCALE_SLOW = 0.01;
/** A quantile may leave the seen range by this share of it: a new record is rarer than any usual level allows for, and
 * intervals never explode. Measured: wider margins cost pinball loss on bursty series and gain no coverage. */
const RANGE_MARGIN = 0.02;
/** Early on records are frequent (one in n + 1 values): the margin has this much more, divided by the steps seen. */
const EARLY_MARGIN = 3;
/** Values needed before a forecast counts as reliable: the first knots were scored at least this often. */
const RELIABLE_VALUES_MIN = 24;
/** A mixture whose loss exceeds the last value's by more than this is not to be relied on. */
const RELIABLE_LOSS_RATIO_MAX = 1.05;

export interface SeriesForecasterOptions {
  /**
   * Seasons in steps, 2 to SEASON_STEPS_MAX; longer ones are ignored. The shortest and the longest are used. Where
   * absent, seasons are found in the values held, again whenever the history has doubled; empty means none.
   */
  readonly seasons?: readonly number[];
  /**
   * Snapshots of series that behave alike (another dataset of the same model, the same resource elsewhere): their
   * weights, coefficients and error distributions are the start, not their level. Others than of the same seasons
   * and version are ignored.
   */
  readonly similar?: readonly SeriesSnapshot[];
}

/** Central intervals: `lower[i]` and `upper[i]` enclose step i + 1 with probability `level`. Level 0 is the median. */
export interface QuantileBand {
  readonly level: number;
  readonly lower: number[];
  readonly upper: number[];
}

export interface SeriesForecast {
  /** Point forecast of steps 1..horizon, in the unit of the series; NaN-free; zeros for an empty history. */
  readonly mean: number[];
  readonly quantiles: QuantileBand[];
  /** Leading expert at the horizon's middle, for example `regression`; `too-little-history` where so. */
  readonly method: string;
  /** Values seen, missing ones excluded. */
  readonly history: number;
  /** Enough history, and the mixture is not worse than the last value over the recent past. */
  readonly reliable: boolean;
}

/** Versioned plain JSON; `state` is the base64 of the arrays in memory (little-endian). */
export interface SeriesSnapshot {
  readonly version: 3;
  readonly seasons: readonly number[];
  /** Whether the seasons were found, and are looked for again. */
  readonly automatic: boolean;
  readonly scalars: readonly number[];
  readonly state: string;
}

export interface SeriesForecaster {
  /** Appends one step; null is a missing value. Throws a usage error for NaN and magnitudes beyond 1e300. */
  update(value: number | null): void;
  /**
   * Puts a late or corrected value in the place of what step `stepsAgo` has (1 is the newest): the next forecasts start
   * from it; it is neither scored nor learned from, as its forecasts were judged, or passed over, in its time. Returns
   * whether the step is still held. Throws a usage error for NaN, magnitudes beyond 1e300 and steps that are no count.
   */
  revise(stepsAgo: number, value: number): boolean;
  /** Forecasts steps 1..horizon (1 to HORIZON_STEPS_MAX) with central intervals of `levels` in [0, 1). */
  forecast(horizon: number, levels?: readonly number[]): SeriesForecast;
  snapshot(): SeriesSnapshot;
}

class MixtureForecaster implements SeriesForecaster {
  private memory = new SeriesMemory(0, 0);
  private knots: readonly HorizonMixture[] = [];
  private blends: readonly KnotBlend[] = [];
  private history = 0;
  private errorFast = 0;
  private errorSlow = 0;
  /** Usual one-step error now, in z. */
  private errorScale = 0;

  constructor(
    private seasons: readonly number[],
    private readonly automatic: boolean,
  ) {
    this.begin(seasons);
  }

  /** Empties the memory, for these seasons. */
  private begin(seasons: readonly number[]): void {
    const usable = seasons.filter((season) => season <= SEASON_STEPS_MAX).sort((a, b) => a - b);
    const memory = new SeriesMemory(usable.at(0) ?? 0, usable.at(-1) ?? 0);
    this.seasons = seasons;
    this.memory = memory;
    const knots = knotsFor(usable);
    let shorter: HorizonMixture | undefined;
    this.knots = knots.map((steps) => (shorter = new HorizonMixture(memory, steps, shorter)));
    this.blends = blendsOf(knots);
  }

  /** Begins with what others of the same seasons have learned. */
  adopt(others: readonly MixtureForecaster[]): void {
    if (others.length > 0) this.knots.forEach((knot, i) => knot.adopt(others.map((other) => other.knots[i])));
  }

  update(value: number | null): void {
    if (value !== null) checkSeriesValue(value);
    if (value === null && this.memory.count === 0) return;
    this.append(value);
    if (value !== null) this.history++;
    if (this.automatic && seasonsDue(this.history)) this.findSeasons();
  }

  revise(stepsAgo: number, value: number): boolean {
    const { memory } = this;
    checkSeriesValue(value);
    if (!Number.isInteger(stepsAgo) || stepsAgo < 1) throw badStepsAgo(stepsAgo);
    const step = memory.count - stepsAgo;
    if (!memory.holds(step)) return false;
    memory.revise(step, this.encode(value));
    for (const knot of this.knots) knot.issue(memory.count - 1, this.errorScale);
    return true;
  }

  /** Adapts the scale to a new value and gives its z. */
  private encode(value: number): number {
    const carry = this.memory.followScale(value);
    if (carry !== undefined) for (const knot of this.knots) knot.carry(carry);
    return this.memory.encode(value);
  }

  private append(value: number | null): void {
    const { memory, knots } = this;
    const step = memory.count;
    if (value === null) {
      memory.append(knots[0].issuedAt(step - 1));
    } else {
      const z = this.encode(value);
      this.followErrors(step, z);
      for (const knot of knots) knot.learn(step, z);
      memory.append(z);
    }
    for (const knot of knots) knot.issue(step, this.errorScale);
  }

  /** Looks for seasons in the values held; where they are new, starts over with them and replays these values. */
  private findSeasons(): void {
    const values = this.memory.values();
    const found = detectSeasons(values);
    if (found.join() === this.seasons.join()) return;
    this.begin(found);
    for (const value of values) this.append(value);
  }

  private followErrors(step: number, z: number): void {
    if (step === 0) return;
    const error = Math.abs(z - this.knots[0].issuedAt(step - 1));
    this.errorFast += Math.max(SCALE_FAST, 1 / step) * (error - this.errorFast);
    this.errorSlow += Math.max(SCALE_SLOW, 1 / step) * (error - this.errorSlow);
    this.errorScale = (this.errorFast + this.errorSlow) / 2;
  }

  forecast(horizon: number, levels: readonly number[] = DEFAULT_LEVELS): SeriesForecast {
    checkForecastRequest(horizon, levels);
    const { memory, knots } = this;
    const origin = memory.count - 1;
    const mean = new Array<number>(horizon).fill(0);
    const quantiles = levels.map((level) => ({ level, lower: [...mean], upper: [...mean] }));
    if (origin >= 0) {
      const margin = RANGE_MARGIN + EARLY_MARGIN / memory.count;
      const errors = this.errorBounds(horizon, levels);
      for (let step = 1; step <= horizon; step++) {
        const { before, after, share } = this.blendAt(step);
        const knot = knots[before];
        const { point, above, below } =
          knot.steps === step
            ? knot.newest(origin, this.errorScale)
            : knot.forecast(origin, origin + step, knots[after], share);
        mean[step - 1] = memory.decode(point);
        for (let i = 0; i < levels.length; i++) {
          const { lower, upper } = errors[i];
          const low = lower[before] + share * (lower[after] - lower[before]);
          const high = upper[before] + share * (upper[after] - upper[before]);
          const down = low * (this.errorScale + (low < 0 ? below : above));
          const up = high * (this.errorScale + (high < 0 ? below : above));
          quantiles[i].lower[step - 1] = memory.decode(memory.clamp(point + down, margin));
          quantiles[i].upper[step - 1] = memory.decode(memory.clamp(point + up, margin));
        }
      }
    }
    return { mean, quantiles, method: this.method(horizon), history: this.history, reliable: this.reliable(horizon) };
  }

  /** Errors at each level's lower and upper quantile, in scales, for the knots that a horizon needs. */
  private errorBounds(horizon: number, levels: readonly number[]): { lower: number[]; upper: number[] }[] {
    const used = this.knots.slice(0, this.blendAt(horizon).after + 1);
    const at = (probability: number): number[] => used.map((knot) => knot.errors.quantile(probability));
    return levels.map((level) => ({ lower: at((1 - level) / 2), upper: at((1 + level) / 2) }));
  }

  private blendAt(step: number): KnotBlend {
    return this.blends[Math.min(step, this.blends.length) - 1];
  }

  private method(horizon: number): string {
    const knot = this.knots[this.blendAt(Math.ceil(horizon / 2)).before];
    if (knot.scored < RELIABLE_VALUES_MIN) return 'too-little-history';
    let lead = 0;
    for (let i = 1; i < EXPERT_COUNT; i++) if (knot.weights[i] > knot.weights[lead]) lead = i;
    return EXPERT_NAMES[lead];
  }

  private reliable(horizon: number): boolean {
    const knot = this.knots[this.blendAt(horizon).before];
    if (this.history < RELIABLE_VALUES_MIN || knot.scored < RELIABLE_VALUES_MIN) return false;
    let loss = 0;
    for (let i = 0; i < EXPERT_COUNT; i++) loss += knot.weights[i] * knot.losses[i];
    return loss <= RELIABLE_LOSS_RATIO_MAX * knot.losses[0];
  }

  snapshot(): SeriesSnapshot {
    return {
      version: 3,
      seasons: this.seasons,
      automatic: this.automatic,
      scalars: [
        ...this.memory.scalars(),
        ...[this.history, this.errorFast, this.errorSlow, this.errorScale],
        ...this.knots.map((knot) => knot.scored),
      ],
      state: Buffer.concat(this.arrays().map(bytesOf)).toString('base64'),
    };
  }

  restore(snapshot: SeriesSnapshot): void {
    const bytes = Buffer.from(snapshot.state, 'base64');
    const arrays = this.arrays().map(bytesOf);
    const size = arrays.reduce((sum, array) => sum + array.length, 0);
    if (bytes.length !== size) throw badSnapshot(`${bytes.length} bytes of state`, `${size} bytes`);
    let offset = 0;
    for (const array of arrays) {
      bytes.copy(array, 0, offset);
      offset += array.length;
    }
    const rest = snapshot.scalars.slice(this.memory.scalars().length);
    this.memory.restoreScalars(snapshot.scalars);
    [this.history, this.errorFast, this.errorSlow, this.errorScale] = rest as [number, number, number, number];
    this.knots.forEach((knot, i) => {
      knot.scored = rest[4 + i];
      knot.reweigh();
    });
  }

  private arrays(): readonly (Float32Array | Int16Array)[] {
    return [...this.memory.arrays(), ...this.knots.flatMap((knot) => knot.arrays())];
  }
}

/** At 64 values, whenever the history has doubled, and every 4096 values: a search costs as much as 500 updates. */
function seasonsDue(history: number): boolean {
  return history >= 64 && ((history & (history - 1)) === 0 || history % 4096 === 0);
}

/** The memory of an array as bytes; writing them writes the array. */
function bytesOf(values: Float32Array | Int16Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

/**
 * The knots of a series with these seasons. Whole seasons ahead the last value is as good as the season's own, and what
 * a knot learns there would mislead the horizons around it: such a knot moves one step nearer, where there is room.
 */
function knotsFor(seasons: readonly number[]): number[] {
  const whole = (steps: number) => seasons.some((season) => steps % season === 0);
  return KNOTS.map((steps, i) => (whole(steps) && i > 0 && !whole(steps - 1) ? steps - 1 : steps));
}

/** The knots on either side of a horizon and the weight of the later one, 0 to 1. */
interface KnotBlend {
  readonly before: number;
  readonly after: number;
  readonly share: number;
}

/** Blends for each horizon up to the last knot; the few that occur are kept, as all series share them. */
const blends = new Map<string, readonly KnotBlend[]>();
function blendsOf(knots: readonly number[]): readonly KnotBlend[] {
  const key = knots.join();
  const known = blends.get(key);
  if (known !== undefined) return known;
  const made = Array.from({ length: knots[knots.length - 1] }, (_, i): KnotBlend => {
    const before = knots.findLastIndex((steps) => steps <= i + 1);
    const after = Math.min(before + 1, knots.length - 1);
    const share = after === before ? 0 : Math.log((i + 1) / knots[before]) / Math.log(knots[after] / knots[before]);
    return { before, after, share };
  });
  blends.set(key, made);
  return made;
}

/** Refuses a horizon or levels that no forecast can have. */
export function checkForecastRequest(horizon: number, levels: readonly number[]): void {
  if (!Number.isInteger(horizon) || horizon < 1 || horizon > HORIZON_STEPS_MAX) {
    throw usageError({
      type: 'InvalidHorizon',
      message: 'the horizon is not a usable number of steps',
      expected: `an integer from 1 to ${HORIZON_STEPS_MAX}`,
      got: String(horizon),
    });
  }
  const bad = levels.find((level) => !(level >= 0 && level < 1));
  if (bad === undefined) return;
  throw usageError({
    type: 'InvalidLevel',
    message: 'an interval level is not a probability',
    expected: 'levels from 0 (the median) to below 1',
    got: String(bad),
  });
}

/** Refuses a value that no series can have. */
export function checkSeriesValue(value: number): void {
  if (Math.abs(value) <= VALUE_MAX) return;
  throw usageError({
    type: 'InvalidValue',
    message: 'a series value is not usable',
    expected: `a number from ${-VALUE_MAX} to ${VALUE_MAX}, or null for a missing value`,
    got: String(value),
  });
}

function badStepsAgo(stepsAgo: number): Error {
  return usageError({
    type: 'InvalidStep',
    message: 'the step of a late value is not usable',
    expected: 'a whole number of steps ago, 1 for the newest step',
    got: String(stepsAgo),
  });
}

function badSnapshot(got: string, expected: string): Error {
  return usageError({
    type: 'InvalidSnapshot',
    message: 'the snapshot does not fit this forecaster',
    expected,
    got,
    hint: 'Snapshots restore with the version that wrote them; replay the series instead.',
  });
}

function restored(snapshot: SeriesSnapshot): MixtureForecaster {
  const forecaster = new MixtureForecaster(snapshot.seasons, snapshot.automatic);
  forecaster.restore(snapshot);
  return forecaster;
}

/** A forecaster without history. Seasons that are not whole numbers of at least 2 are refused. */
export function createSeriesForecaster(options: SeriesForecasterOptions = {}): SeriesForecaster {
  const seasons = options.seasons ?? [];
  const bad = seasons.find((season) => !Number.isInteger(season) || season < 2);
  if (bad !== undefined) {
    throw usageError({
      type: 'InvalidSeason',
      message: 'a season is not a usable number of steps',
      expected: 'integers of at least 2',
      got: String(bad),
    });
  }
  const forecaster = new MixtureForecaster(seasons, options.seasons === undefined);
  const alike = (options.similar ?? []).filter(
    (snapshot) => (snapshot.version as number) === 3 && snapshot.seasons.join() === seasons.join(),
  );
  forecaster.adopt(alike.map(restored));
  return forecaster;
}

/** The forecaster that wrote the snapshot: its forecasts are identical. */
export function restoreSeriesForecaster(snapshot: SeriesSnapshot): SeriesForecaster {
  if ((snapshot.version as number) !== 3) throw badSnapshot(`version ${snapshot.version}`, 'version 3');
  return restored(snapshot);
}
