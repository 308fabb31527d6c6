/**
 * What a series forecaster remembers of the past: a bounded ring of transformed values and, for the last
 * origins, the levels that forecasts start from. Everything else is recomputed from these.
 *
 * Values are kept as z = asinh(y / scale): like a logarithm for large values, linear through zero, defined for
 * negative ones. `scale` follows the mean magnitude, so forecasts scale with the unit of the series.
 */

/** Origins whose levels are kept; must exceed the largest knot of the forecaster. A power of two, so that `&` wraps. */
export const ORIGINS_KEPT = 64;
/** Longest season in steps that the ring can hold: a week of five-minute steps. */
export const SEASON_STEPS_MAX = 2016;
/** Ring length where seasons are short: several cycles of them help the profile, and unknown ones can be found. */
const RING_STEPS_MIN = 512;
/** A long season is kept as so many means of two or three steps, not step by step: its shape needs no more, its noise
 * is less, and the state stays small. */
const SEASON_BLOCKS_MAX = 1024;
/** Not where the short season is this short: its last cycle must be complete blocks when a forecast asks for it. */
const SHORT_STEPS_MIN = 2 * ORIGINS_KEPT;
/** Steps of the ring beside the long season and the kept origins: the neighbours of its oldest value. */
const RING_STEPS_SPARE = 16;

/** Smoothing of the fast level (about the last 6 values) and of the slow one (about the last 20). */
const LEVEL_FAST = 0.3;
const LEVEL_SLOW = 0.1;
/** Smoothing of the deviations from the profiles of the short and of the long season: about the last 10 and 20 values. */
const DEVIATION_SHORT = 0.2;
const DEVIATION_LONG = 0.1;
/** Weight of a cycle against the next younger one in a seasonal profile. */
const CYCLE_FADE = 0.8;
/** Cycles that a profile averages: a week of days. */
const CYCLES_MAX = 7;

/** The extremes decay towards the present over this many steps: a peak bounds forecasts for longer than a season. */
const EXTREMES_STEPS = SEASON_STEPS_MAX;
/** Smaller mean magnitudes count as zero: their reciprocal would overflow. */
const MAGNITUDE_MIN = 1e-300;
/** A value of so many scales renews the scale at once, so that z stays small and decodes without overflow. */
const SCALES_MAX = 1e6;

/** Resolution of older values: a two-thousandth of z, which spans sixteen either way, a ratio of 10^7 about the scale. */
const RING_UNITS = 2048;
const RING_LIMIT = 32_767;

const smoothed = (last: number, now: number, rate: number): number => last + rate * (now - last);

const packed = (z: number): number => Math.round(Math.max(-RING_LIMIT, Math.min(RING_LIMIT, z * RING_UNITS)));

/** Profiles of recent and coming targets that are kept; derived, so not part of a snapshot. A power of two. */
const PROFILES_CACHED = 2 * ORIGINS_KEPT;
const emptyCache = (): { targets: Int32Array; values: Float64Array } => ({
  targets: new Int32Array(PROFILES_CACHED).fill(-1),
  values: new Float64Array(PROFILES_CACHED),
});

/** The indices of a ring of origins are taken modulo its length. */
export const slot = (index: number): number => index & (ORIGINS_KEPT - 1);

export class SeriesMemory {
  /** Steps seen so far, missing ones included. The newest value has index `count - 1`. */
  count = 0;
  /** Grows with every change: what was read before is stale. */
  revision = 0;
  /** Oldest step that the ring holds in full. */
  private oldest = 0;
  scale = 1;
  /** Slowly decaying extremes of z. */
  high = 0;
  low = 0;
  /** z in units of 1 / RING_UNITS: two bytes a block of steps. */
  private readonly ring: Int16Array;
  /** Steps that the ring holds in full. */
  private readonly heldSteps: number;
  /** Steps whose mean is one entry of the ring. */
  private readonly blockSteps: number;
  readonly fast = new Float32Array(ORIGINS_KEPT);
  readonly slow = new Float32Array(ORIGINS_KEPT);
  /** How far the last values lay above the profile of the short and of the long season, on average. */
  readonly deviation = new Float32Array(ORIGINS_KEPT);
  readonly deviationLong = new Float32Array(ORIGINS_KEPT);
  /** The exact values of the recent origins. */
  private readonly recent = new Float32Array(ORIGINS_KEPT);
  private magnitude = 0;
  private readonly shortProfiles = emptyCache();
  private readonly longProfiles = emptyCache();

  /** `short` and `long` are seasons in steps, 0 where there is none. */
  constructor(
    readonly short: number,
    readonly long: number,
  ) {
    this.blockSteps = short >= SHORT_STEPS_MIN ? Math.ceil(long / SEASON_BLOCKS_MAX) : 1;
    const blocks = Math.ceil((long + ORIGINS_KEPT + RING_STEPS_SPARE) / this.blockSteps);
    // An even length: the arrays of a snapshot stay aligned.
    this.ring = new Int16Array(Math.max(RING_STEPS_MIN, blocks + (blocks & 1)));
    this.heldSteps = (this.ring.length - 1) * this.blockSteps + 1;
  }

  /** Position in the ring of the block that holds `index`. */
  private block(index: number): number {
    return (this.blockSteps === 1 ? index : Math.floor(index / this.blockSteps)) % this.ring.length;
  }

  at(index: number): number {
    if (index > this.count - ORIGINS_KEPT) return this.recent[slot(index)];
    return this.ring[this.block(index)] / RING_UNITS;
  }

  holds(index: number): boolean {
    return index >= this.oldest && index < this.count;
  }

  /** The values held, oldest first, in the unit of the series. */
  values(): number[] {
    const first = this.oldest;
    return Array.from({ length: this.count - first }, (_, i) => this.decode(this.at(first + i)));
  }

  encode(value: number): number {
    return Math.asinh(value / this.scale);
  }

  decode(z: number): number {
    return this.scale * Math.sinh(z);
  }

  /** Keeps a forecast within what was seen, widened by `share` of the seen range: no recursion may explode. */
  clamp(z: number, share: number): number {
    return Math.max(this.floor(share), Math.min(this.ceiling(share), z));
  }

  /** The highest z that a forecast may take. */
  ceiling(share: number): number {
    return this.high + share * (this.high - this.low);
  }

  /** The lowest one: not below zero where nothing was, as demand and counts are not. */
  floor(share: number): number {
    const lowest = this.low - share * (this.high - this.low);
    return this.low >= 0 ? Math.max(0, lowest) : lowest;
  }

  /** Index of the youngest value at or before `origin` with the phase of `target`; -1 where none is held. */
  phase(target: number, origin: number, season: number): number {
    if (season === 0) return -1;
    const ahead = target - origin;
    const index = target - (ahead <= season ? season : season * Math.ceil(ahead / season));
    return this.holds(index) ? index : -1;
  }

  /**
   * Mean of the values with the phase of `target`, younger cycles weighing more, each averaged with its
   * neighbours; `otherwise` where no full cycle is held. Uses values at or before `origin` only.
   *
   * Less than a season ahead the result does not depend on the origin, so it is computed once per target.
   */
  profile(target: number, origin: number, season: number, otherwise: number): number {
    const youngest = this.phase(target, origin, season);
    if (youngest < 0) return otherwise;
    if (target - origin >= season) return this.profileFrom(youngest, target, origin, season);
    const cache = season === this.short ? this.shortProfiles : this.longProfiles;
    const entry = target & (PROFILES_CACHED - 1);
    if (cache.targets[entry] !== target) {
      cache.values[entry] = this.profileFrom(youngest, target, origin, season);
      cache.targets[entry] = target;
    }
    return cache.values[entry];
  }

  private profileFrom(youngest: number, target: number, origin: number, season: number): number {
    const { ring } = this;
    // What every origin of this target still holds: the result must not depend on when it is asked for.
    const oldest = Math.max(1, target - this.heldSteps + ORIGINS_KEPT);
    let sum = 0;
    let weight = 0;
    let cycleWeight = 1;
    for (let index = youngest, cycle = 0; cycle < CYCLES_MAX && index >= oldest; cycle++, index -= season) {
      const at = this.block(index);
      sum += cycleWeight * ring[at];
      weight += cycleWeight;
      if (index < origin) {
        const before = at === 0 ? ring.length - 1 : at - 1;
        const after = at === ring.length - 1 ? 0 : at + 1;
        sum += cycleWeight * 0.5 * (ring[before] + ring[after]);
        weight += cycleWeight;
      }
      cycleWeight *= CYCLE_FADE;
    }
    return weight === 0 ? ring[this.block(youngest)] / RING_UNITS : sum / weight / RING_UNITS;
  }

  /** Adopts a new scale when the mean magnitude has left [1/2, 2] of it. Returns how to carry a z over, or nothing. */
  followScale(value: number): ((z: number) => number) | undefined {
    this.magnitude += (Math.abs(value) - this.magnitude) / Math.min(this.count + 1, this.heldSteps);
    const step = this.count;
    const regular = step >= 8 && ((step & (step - 1)) === 0 || step % 256 === 0);
    const urgent = this.scaleUnset() || Math.abs(value) > SCALES_MAX * this.scale;
    if (!(regular || urgent) || this.magnitude < MAGNITUDE_MIN) return undefined;
    const ratio = this.scale / this.magnitude;
    if (ratio <= 2 && ratio >= 0.5 && step > 0) return undefined;
    this.scale = this.magnitude;
    this.revision++;
    const carry = (z: number): number => Math.asinh(ratio * Math.sinh(z));
    for (const deviation of [this.deviation, this.deviationLong]) {
      deviation.forEach((above, i) => (deviation[i] = carry(this.slow[i] + above) - carry(this.slow[i])));
    }
    for (const values of [this.recent, this.fast, this.slow]) {
      for (let i = 0; i < values.length; i++) values[i] = carry(values[i]);
    }
    for (let i = 0; i < this.ring.length; i++) this.ring[i] = packed(carry(this.ring[i] / RING_UNITS));
    this.high = carry(this.high);
    this.low = carry(this.low);
    this.forgetProfiles();
    return carry;
  }

  private forgetProfiles(): void {
    this.shortProfiles.targets.fill(-1);
    this.longProfiles.targets.fill(-1);
  }

  /** True while only zeros were seen: the first other value sets the scale. */
  private scaleUnset(): boolean {
    return this.high === 0 && this.low === 0;
  }

  append(z: number): void {
    const step = this.count++;
    this.revision++;
    this.oldest = Math.max(0, this.count - this.heldSteps);
    const block = this.block(step);
    const before = step % this.blockSteps;
    this.ring[block] = packed((before * (this.ring[block] / RING_UNITS) + z) / (before + 1));
    this.recent[slot(step)] = z;
    this.followLevels(step);
    const fade = 1 / EXTREMES_STEPS;
    this.high = step === 0 ? z : Math.max(z, this.high - fade * (this.high - z));
    this.low = step === 0 ? z : Math.min(z, this.low + fade * (z - this.low));
  }

  /** Sets the levels of a recent step from those of the one before. */
  private followLevels(step: number): void {
    const now = slot(step);
    const last = slot(step - 1);
    const z = this.recent[now];
    this.fast[now] = step === 0 ? z : smoothed(this.fast[last], z, LEVEL_FAST);
    this.slow[now] = step === 0 ? z : smoothed(this.slow[last], z, LEVEL_SLOW);
    const profile = this.profile(step, step - 1, this.short, this.slow[now]);
    const profileLong = this.profile(step, step - 1, this.long, profile);
    this.deviation[now] = smoothed(step === 0 ? 0 : this.deviation[last], z - profile, DEVIATION_SHORT);
    this.deviationLong[now] = smoothed(step === 0 ? 0 : this.deviationLong[last], z - profileLong, DEVIATION_LONG);
  }

  /** Replaces the value of a step that is held: of levels, those of the recent steps from there on follow. */
  revise(step: number, z: number): void {
    const block = this.block(step);
    const known = Math.min(this.blockSteps, this.count - (step - (step % this.blockSteps)));
    this.ring[block] = packed(this.ring[block] / RING_UNITS + (z - this.at(step)) / known);
    this.forgetProfiles();
    const firstRecent = Math.max(0, this.count - ORIGINS_KEPT + 1);
    if (step >= firstRecent) {
      this.recent[slot(step)] = z;
      for (let later = Math.max(step, firstRecent); later < this.count; later++) this.followLevels(later);
    }
    this.high = Math.max(this.high, z);
    this.low = Math.min(this.low, z);
    this.revision++;
  }

  /** The state beside the constructor's arguments, for snapshots. */
  arrays(): readonly (Float32Array | Int16Array)[] {
    return [this.fast, this.slow, this.deviation, this.deviationLong, this.recent, this.ring];
  }

  scalars(): number[] {
    return [this.count, this.scale, this.high, this.low, this.magnitude];
  }

  restoreScalars([count, scale, high, low, magnitude]: readonly number[]): void {
    Object.assign(this, { count, scale, high, low, magnitude });
    this.oldest = Math.max(0, count - this.heldSteps);
    this.revision++;
  }
}
