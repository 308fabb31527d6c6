/**
 * The simple forecasts that a mixture weighs, and the features of its regressions: all are read from a
 * SeriesMemory for an origin (the newest value that may be used) and a target after it, so that the forecasts of
 * a past origin can be repeated when its target becomes known, without having been stored.
 */
import { slot, type SeriesMemory } from './series-memory.js';

/** In the order of their weights. The last two are regressions, computed from the features by the forecaster. */
export const EXPERT_NAMES = [
  'last value',
  'fast level',
  'slow level',
  'seasonal naive',
  'long seasonal naive',
  'seasonal profile',
  'long seasonal profile',
  'regression',
  'small regression',
] as const;
export const EXPERT_COUNT = EXPERT_NAMES.length;
/** Experts before this index need no learning. */
export const REGRESSION_EXPERT = 7;

/** Coefficients before anything was learned: half of the last value, a tenth of the level, a fifth of the profile. */
export const FEATURE_PRIOR: readonly number[] = [0.5, 0, 0.1, 0, 0.2, 0, 0, 0, 0, 0];
/** The same for the small regression: last values, level, and the change that the profiles promise. */
export const SMALL_FEATURE_PRIOR: readonly number[] = [0.5, 0, 0.3, 0.5, 0];
/** The intercept's feature: smaller than 1, so that the ridge holds the intercept tighter than the lags. */
const INTERCEPT_FEATURE = 0.3;
/** Share of the present deviation from the profile that a profile forecast carries forward. */
const DEVIATION_KEPT = 0.5;

/**
 * Fills `experts` (forecasts of z at `target`, without the regressions) and the features of both regressions (relative
 * to the slow level at `origin`, which is returned). `origin` must be among the last ORIGINS_KEPT steps, `target` after it.
 */
export function readExperts(
  memory: SeriesMemory,
  origin: number,
  target: number,
  experts: Float64Array,
  features: Float64Array,
  smallFeatures: Float64Array,
): number {
  const { short, long } = memory;
  const level = memory.slow[slot(origin)];
  const fast = memory.fast[slot(origin)];
  const last = memory.at(origin);
  const shortIndex = memory.phase(target, origin, short);
  const longIndex = memory.phase(target, origin, long);
  const hasShort = shortIndex >= 0;
  const hasLong = longIndex >= 0;
  const naive = hasShort ? memory.at(shortIndex) : last;
  const naiveLong = hasLong ? memory.at(longIndex) : naive;
  const profile = memory.profile(target, origin, short, fast);
  const profileLong = memory.profile(target, origin, long, profile);
  const profileNow = memory.expected[slot(origin)];
  const profileLongNow = memory.profile(origin, origin - 1, long, profileNow);

  experts[0] = last;
  experts[1] = fast;
  experts[2] = level;
  experts[3] = naive;
  experts[4] = naiveLong;
  experts[5] = hasShort ? profile + DEVIATION_KEPT * (fast - profileNow) : fast;
  experts[6] = hasLong ? profileLong + DEVIATION_KEPT * (fast - profileLongNow) : experts[5];

  features[0] = last - level;
  features[1] = (memory.holds(origin - 1) ? memory.at(origin - 1) : last) - level;
  features[2] = fast - level;
  features[3] = hasShort ? naive - level : 0;
  features[4] = hasShort ? profile - level : 0;
  features[5] = hasShort ? profileNow - level : 0;
  features[6] = hasLong ? profileLong - level : 0;
  features[7] = hasLong ? profileLongNow - level : 0;
  features[8] = hasShort && memory.holds(origin - short) ? memory.at(origin - short) - level : 0;
  features[9] = INTERCEPT_FEATURE;

  smallFeatures[0] = features[0];
  smallFeatures[1] = features[1];
  smallFeatures[2] = features[2];
  smallFeatures[3] = features[4] - features[5];
  smallFeatures[4] = features[6] - features[7];
  return level;
}
