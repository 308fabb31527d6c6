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
/** Ring length where seasons are short: several cycles of them help the profile. */
const RING_STEPS_MIN = 512;

/** Smoothing of the fast level (about the last 6 values) and the slow one (about the last 20). */
const LEVEL_FAST = 0.3;
const LEVEL_SLOW = 0.1;
/** Weight of a cycle against the next younger one in a seasonal profile. */
const CYCLE_FADE = 0.8;
/** Cycles that a profile averages: a week of days. */
const CYCLES_MAX = 7;

/** A value of so many scales renews the scale at once, so that z stays small and decodes without overflow. */
const SCALES_MAX = 1e6;

/** The indices of a ring of origins are taken modulo its length. */
export const slot = (index: number): number => index & (ORIGINS_KEPT - 1);

export class SeriesMemory {
  /** Steps seen so far, missing ones included. The newest value has index `count - 1`. */
  count = 0;
  scale = 1;
  /** Slowly decaying extremes of z. */
  high = 0;
  low = 0;
  readonly ring: Float32Array;
  readonly fast = new Float32Array(ORIGINS_KEPT);
  readonly slow = new Float32Array(ORIGINS_KEPT);
  /** What the short-season profile said of each recent origin, before its value was known. */
  readonly expected = new Float32Array(ORIGINS_KEPT);
  private magnitude = 0;

  /** `short` and `long` are seasons in steps, 0 where there is none. */
  constructor(
    readonly short: number,
    readonly long: number,
  ) {
    this.ring = new Float32Array(Math.max(RING_STEPS_MIN, long + ORIGINS_KEPT + 16));
  }

  at(index: number): number {
    return this.ring[index % this.ring.length];
  }

  holds(index: number): boolean {
    return index >= 0 && index >= this.count - this.ring.length && index < this.count;
  }

  encode(value: number): number {
    return Math.asinh(value / this.scale);
  }

  decode(z: number): number {
    return this.scale * Math.sinh(z);
  }

  /** Keeps a forecast within what was seen, widened by `share` of the seen range: no recursion may explode. */
  clamp(z: number, share: number): number {
    const margin = share * (this.high - this.low);
    return Math.max(this.low - margin, Math.min(this.high + margin, z));
  }

  /** Index of the youngest value at or before `origin` with the phase of `target`; -1 where none is held. */
  phase(target: number, origin: number, season: number): number {
    if (season === 0) return -1;
    const index = target - season * Math.max(1, Math.ceil((target - origin) / season));
    return this.holds(index) ? index : -1;
  }

  /**
   * Mean of the values with the phase of `target`, younger cycles weighing more, each averaged with its
   * neighbours; `otherwise` where no full cycle is held. Uses values at or before `origin` only.
   */
  profile(target: number, origin: number, season: number, otherwise: number): number {
    let index = this.phase(target, origin, season);
    if (index < 0) return otherwise;
    let sum = 0;
    let weight = 0;
    let cycleWeight = 1;
    for (let cycle = 0; cycle < CYCLES_MAX && index >= 0 && this.holds(index); cycle++, index -= season) {
      sum += cycleWeight * this.at(index);
      weight += cycleWeight;
      if (index + 1 <= origin && this.holds(index - 1)) {
        sum += cycleWeight * 0.5 * (this.at(index - 1) + this.at(index + 1));
        weight += cycleWeight;
      }
      cycleWeight *= CYCLE_FADE;
    }
    return sum / weight;
  }

  /** Adopts a new scale when the mean magnitude has left [1/2, 2] of it. Returns how to carry a z over, or nothing. */
  followScale(value: number): ((z: number) => number) | undefined {
    this.magnitude += (Math.abs(value) - this.magnitude) / Math.min(this.count + 1, this.ring.length);
    const step = this.count;
    const regular = step >= 8 && ((step & (step - 1)) === 0 || step % 256 === 0);
    const urgent = this.scaleUnset() || Math.abs(value) > SCALES_MAX * this.scale;
    if (!(regular || urgent) || this.magnitude === 0) return undefined;
    const ratio = this.scale / this.magnitude;
    if (ratio <= 2 && ratio >= 0.5 && step > 0) return undefined;
    this.scale = this.magnitude;
    const carry = (z: number): number => Math.asinh(ratio * Math.sinh(z));
    for (const values of [this.ring, this.fast, this.slow, this.expected]) {
      for (let i = 0; i < values.length; i++) values[i] = carry(values[i]);
    }
    this.high = carry(this.high);
    this.low = carry(this.low);
    return carry;
  }

  /** True while only zeros were seen: the first other value sets the scale. */
  private scaleUnset(): boolean {
    return this.high === 0 && this.low === 0;
  }

  append(z: number): void {
    const step = this.count++;
    this.ring[step % this.ring.length] = z;
    const now = slot(step);
    const before = slot(step - 1);
    const first = step === 0;
    this.fast[now] = first ? z : this.fast[before] + LEVEL_FAST * (z - this.fast[before]);
    this.slow[now] = first ? z : this.slow[before] + LEVEL_SLOW * (z - this.slow[before]);
    this.expected[now] = this.profile(step, step - 1, this.short, this.fast[now]);
    const fade = 1 / this.ring.length;
    this.high = first ? z : Math.max(z, this.high - fade * (this.high - z));
    this.low = first ? z : Math.min(z, this.low + fade * (z - this.low));
  }

  /** The state beside the constructor's arguments, for snapshots. */
  arrays(): readonly Float32Array[] {
    return [this.ring, this.fast, this.slow, this.expected];
  }

  scalars(): number[] {
    return [this.count, this.scale, this.high, this.low, this.magnitude];
  }

  restoreScalars([count, scale, high, low, magnitude]: readonly number[]): void {
    Object.assign(this, { count, scale, high, low, magnitude });
  }
}
