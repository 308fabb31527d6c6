/**
 * What forecasts of a series start from, and the experts that a mixture weighs: all are read from a SeriesMemory for
 * an origin (the newest value that may be used) and a target after it, so that the forecasts of a past origin can be
 * repeated when its target becomes known, without having been stored.
 */
import { slot, type SeriesMemory } from './series-memory.js';

/** In the order of their weights. */
export const EXPERT_NAMES = [
  'last value',
  'fast level',
  'slow level',
  'seasonal naive',
  'long seasonal naive',
  'seasonal profile',
  'long seasonal profile',
  'regression',
] as const;
export const EXPERT_COUNT = EXPERT_NAMES.length;
/** Experts from FIRST_ANCHOR to here (exclusive) are an anchor at the target plus a learned share of the deviation from it. */
export const FIRST_ANCHOR = 2;
export const REGRESSION_EXPERT = 7;
export const ANCHOR_COUNT = REGRESSION_EXPERT - FIRST_ANCHOR;

/** Coefficients before anything was learned: half of the last value, a tenth of the level, a fifth of the profile. */
export const FEATURE_PRIOR: readonly number[] = [0.5, 0, 0.1, 0, 0.2, 0, 0, 0, 0, 0];
/** The intercept's feature: smaller than 1, so that the ridge holds the intercept tighter than the lags. */
const INTERCEPT_FEATURE = 0.3;

/** One origin and target as the experts see them, in z. Reused for every forecast: read it before the next `see`. */
export class SeriesView {
  last = 0;
  fast = 0;
  level = 0;
  /**
   * What each anchor says of the target, and the deviation from what it says of the origin: that of the last value, but from
   * a profile, which averages, the usual one of the last values.
   */
  readonly anchors = new Float64Array(ANCHOR_COUNT);
  readonly deviations = new Float64Array(ANCHOR_COUNT);
  /** Features of the regression, relative to `level`. */
  readonly features = new Float64Array(FEATURE_PRIOR.length);
  private profileNow = 0;
  private profileLongNow = 0;
  private origin = -1;
  private revision = -1;
  private memory: SeriesMemory | undefined;

  /** `origin` must be among the last ORIGINS_KEPT steps, `target` after it. */
  see(memory: SeriesMemory, origin: number, target: number): void {
    if (origin !== this.origin || memory.revision !== this.revision || memory !== this.memory) {
      this.seeOrigin(memory, origin);
    }
    this.seeTarget(memory, origin, target);
  }

  private seeOrigin(memory: SeriesMemory, origin: number): void {
    this.memory = memory;
    this.revision = memory.revision;
    this.origin = origin;
    const { features } = this;
    const level = memory.slow[slot(origin)];
    const fast = memory.fast[slot(origin)];
    const last = memory.at(origin);
    this.level = level;
    this.fast = fast;
    this.last = last;
    this.profileNow = memory.profile(origin, origin - 1, memory.short, fast);
    this.profileLongNow = memory.profile(origin, origin - 1, memory.long, this.profileNow);
    features[0] = last - level;
    features[1] = (memory.holds(origin - 1) ? memory.at(origin - 1) : last) - level;
    features[2] = fast - level;
    features[9] = INTERCEPT_FEATURE;
    this.deviations[3] = memory.deviation[slot(origin)];
    this.deviations[4] = memory.deviationLong[slot(origin)];
  }

  private seeTarget(memory: SeriesMemory, origin: number, target: number): void {
    const { anchors, features, level } = this;
    const ahead = target - origin;
    // Without a cycle of the short season its anchors are the level; without one of the long season, the short one's.
    let naive = level;
    let naiveNow = level;
    let profile = level;
    let profileNow = level;
    const shortIndex = memory.phase(target, origin, memory.short);
    if (shortIndex >= 0) {
      naive = memory.at(shortIndex);
      naiveNow = memory.holds(shortIndex - ahead) ? memory.at(shortIndex - ahead) : this.last;
      profile = memory.profile(target, origin, memory.short, this.fast);
      profileNow = this.profileNow;
    }
    features[3] = naive - level;
    features[4] = profile - level;
    features[5] = profileNow - level;
    features[8] = naiveNow - level;
    anchors[0] = level;
    anchors[1] = naive;
    anchors[3] = profile;
    this.deviate(0, level);
    this.deviate(1, naiveNow);
    const longIndex = memory.phase(target, origin, memory.long);
    features[6] = 0;
    features[7] = 0;
    if (longIndex >= 0) {
      naive = memory.at(longIndex);
      naiveNow = memory.holds(longIndex - ahead) ? memory.at(longIndex - ahead) : this.last;
      profile = memory.profile(target, origin, memory.long, profile);
      profileNow = this.profileLongNow;
      features[6] = profile - level;
      features[7] = profileNow - level;
    }
    anchors[2] = naive;
    anchors[4] = profile;
    this.deviate(2, naiveNow);
  }

  private deviate(anchor: number, now: number): void {
    this.deviations[anchor] = this.last - now;
  }
}
