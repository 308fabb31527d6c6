/**
 * Periods of a series, found by itself and believed only when they predict.
 *
 * Candidates are the hills of the autocorrelation (Vlachos, Yu and Castelli, "On periodicity detection and structural
 * periodic similarity", SDM 2005, sect. 3); each is verified on rows that it has not seen: the profile of
 * the cycles so far must predict the next one better than a level does.
 */

/** One verified period. */
export interface Period {
  /** Length in rows, at least 2. */
  readonly steps: number;
  /** Share of the held-out variance that its profile removes, in (0, 1]. */
  readonly strength: number;
}

/** Share of rows at the start that only teach the profile. */
const TAUGHT_SHARE = 0.5;
/** A profile forgets over eight cycles. */
const PROFILE_RATE = 1 / 8;
/** Least held-out gain over what shorter periods already explain. */
const GAIN_MIN = 0.03;
/** Where one cycle is judged, the best of the tried lengths explains about half of a wandering series by chance, and the
 * less the more cycles there are: with this 3 of 100 autoregressions of 1000 rows have a period (without, 18). */
const CHANCE_GAIN = 0.5;
/** A divisor of a stronger period is its harmonic unless it explains this share of it by itself. */
const HARMONIC_SHARE = 0.5;
/** What another length must gain to be preferred: less is within the noise of the estimate. */
const REFINE_GAIN = 0.02;
const CANDIDATES_MAX = 24;
/** A calendar length is preferred to a neighbour if it has this share of the neighbour's gain. */
const CALENDAR_SHARE = 0.75;
const PERIODS_MAX = 6;
/** Outliers count as if they were this many median deviations away. */
const CLIP = 6;

/** Fast Fourier transform in place, length a power of two (Cooley and Tukey, 1965). */
function transform(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
  }
  for (let length = 2; length <= n; length *= 2) {
    const half = length / 2;
    for (let k = 0; k < half; k++) {
      const angle = (-2 * Math.PI * k) / length;
      const c = Math.cos(angle);
      const s = Math.sin(angle);
      for (let at = k; at < n; at += length) {
        const other = at + half;
        const xr = re[other] * c - im[other] * s;
        const xi = re[other] * s + im[other] * c;
        re[other] = re[at] - xr;
        im[other] = im[at] - xi;
        re[at] += xr;
        im[at] += xi;
      }
    }
  }
}

/** Autocorrelation at lags 0 ... `lagMax`, by the Wiener-Khinchin theorem; zeros for a constant series. O(n log n). */
export function autocorrelation(values: readonly number[], lagMax: number): number[] {
  const n = values.length;
  let size = 1;
  while (size < n + lagMax + 1) size *= 2;
  const re = new Float64Array(size);
  const im = new Float64Array(size);
  const mean = values.reduce((sum, x) => sum + x / n, 0);
  values.forEach((x, i) => (re[i] = x - mean));
  transform(re, im);
  for (let i = 0; i < size; i++) {
    re[i] = re[i] ** 2 + im[i] ** 2;
    im[i] = 0;
  }
  transform(re, im);
  // Each lag is divided by its own number of pairs, so that long periods are not held down.
  const variance = re[0] / n;
  return Array.from({ length: lagMax + 1 }, (_, lag) =>
    variance > 1e-12 * mean * mean && lag < n ? re[lag] / (n - lag) / variance : 0,
  );
}

/** Median of a non-empty list. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Values less their straight line, outliers drawn in. */
export function flatten(values: readonly number[]): number[] {
  const n = values.length;
  const centre = (n - 1) / 2;
  const mean = values.reduce((sum, x) => sum + x / n, 0);
  let cross = 0;
  let square = 0;
  values.forEach((x, i) => {
    cross += (x - mean) * (i - centre);
    square += (i - centre) ** 2;
  });
  const slope = square > 0 ? cross / square : 0;
  const rest = values.map((x, i) => x - mean - slope * (i - centre));
  const middle = median(rest);
  const spread = median(rest.map((x) => Math.abs(x - middle)));
  if (spread === 0) return rest;
  const limit = CLIP * 1.4826 * spread;
  return rest.map((x) => Math.min(Math.max(x - middle, -limit), limit));
}

/** Mean of each phase of a period over rows `from` ... `to` - 1; a phase never met is 0. */
export function phaseProfile(values: readonly number[], steps: number, from = 0, to = values.length): number[] {
  const sums = new Array<number>(steps).fill(0);
  const counts = new Array<number>(steps).fill(0);
  for (let i = from; i < to; i++) {
    sums[i % steps] += values[i];
    counts[i % steps]++;
  }
  return sums.map((sum, phase) => (counts[phase] > 0 ? sum / counts[phase] : 0));
}

/**
 * Held-out gain of a period: 1 - squared error of its profile / squared error of a level alone.
 * Each row is predicted before it is learned, by a profile and by a level of the same memory, so a period that drifts
 * or shifts its phase still counts, and a wandering level gains nothing. The first half only teaches.
 */
export function periodGain(values: readonly number[], steps: number): number {
  const n = values.length;
  const split = Math.max(Math.floor(n * TAUGHT_SHARE), 2 * steps);
  // Less than one whole cycle to be judged on is chance.
  if (n - split < Math.min(steps, 8) || n < 3 * steps) return 0;
  const profile = new Float64Array(steps);
  let level = 0;
  let before = 0;
  let after = 0;
  for (let i = 0; i < n; i++) {
    const phase = i % steps;
    if (i >= split) {
      before += (values[i] - level) ** 2;
      after += (values[i] - profile[phase]) ** 2;
    }
    const visits = (i - phase) / steps + 1;
    profile[phase] += Math.max(1 / visits, PROFILE_RATE) * (values[i] - profile[phase]);
    level += Math.max(1 / (i + 1), PROFILE_RATE / steps) * (values[i] - level);
  }
  return before > 0 ? 1 - after / before : 0;
}

/** Values less what the profile of earlier cycles predicts; the first cycle less the mean of all. */
function withoutPeriod(values: readonly number[], steps: number): number[] {
  const profile = phaseProfile(values, steps);
  return values.map((x, i) => {
    const phase = i % steps;
    const expected = profile[phase];
    const rate = Math.max(1 / ((i - phase) / steps + 2), PROFILE_RATE);
    profile[phase] += rate * (x - expected);
    return x - expected;
  });
}

/** Half width, in rows, within which neighbouring lags count as the same period: a thirty-second of the lag. */
function tolerance(lag: number): number {
  return Math.floor(lag / 32);
}

/** Hills of the smoothed autocorrelation that stand out of noise: the highest ones, in rising order of lag. */
function candidates(values: readonly number[]): number[] {
  const lagMax = Math.floor(values.length / 3);
  const raw = autocorrelation(values, lagMax + tolerance(lagMax));
  const sums = [0];
  for (const x of raw) sums.push(sums[sums.length - 1] + x);
  const r = Array.from({ length: lagMax + 1 }, (_, lag) => {
    const wide = tolerance(lag);
    return (sums[lag + wide + 1] - sums[lag - wide]) / (2 * wide + 1);
  });
  const noise = 2 / Math.sqrt(values.length);
  const hills: number[] = [];
  let valley = r[1] ?? 0;
  for (let lag = 2; lag < lagMax; lag++) {
    valley = Math.min(valley, r[lag]);
    if (r[lag] > noise && r[lag] >= r[lag - 1] && r[lag] > r[lag + 1] && r[lag] - valley > noise) {
      hills.push(lag);
      valley = r[lag];
    }
  }
  return hills
    .sort((a, b) => (r[a] === r[b] ? a - b : r[b] - r[a]))
    .slice(0, CANDIDATES_MAX)
    .sort((a, b) => a - b);
}

/** The length near `steps` that predicts best; the nearest one where several do. */
function refine(values: readonly number[], steps: number): { steps: number; gain: number } {
  let best = { steps, gain: periodGain(values, steps) };
  for (let off = 1; off <= tolerance(steps); off++) {
    for (const near of [steps - off, steps + off]) {
      const gain = periodGain(values, near);
      if (gain > best.gain + REFINE_GAIN) best = { steps: near, gain };
    }
  }
  return best;
}

/** A series with its periods and what is left without them. */
export interface PeriodReport {
  readonly periods: readonly Period[];
  /** The values less their line and their periods, outliers drawn in. */
  readonly rest: readonly number[];
}

/**
 * Finds the periods of an evenly spaced series, shortest first; none for fewer than 12 or constant values.
 * @param calendarSteps lengths worth trying whatever the autocorrelation says: the day and the week in rows.
 * O(n log n) and a few passes for each of at most 24 candidates and 6 periods.
 */
export function findPeriods(values: readonly number[], calendarSteps: readonly number[] = []): PeriodReport {
  if (values.length < 12) return { periods: [], rest: values.length === 0 ? [] : flatten(values) };
  const flat = flatten(values);
  const accepted: Period[] = [];
  let rest = flat;
  while (accepted.length < PERIODS_MAX) {
    const isKnown = (steps: number): boolean => accepted.some((one) => Math.abs(one.steps - steps) <= one.steps / 16);
    const tried = [...new Set([...calendarSteps, ...candidates(rest)])]
      .sort((a, b) => a - b)
      // A calendar length is exact as it is.
      .map((steps) => (calendarSteps.includes(steps) ? { steps, gain: periodGain(rest, steps) } : refine(rest, steps)))
      .filter(({ steps, gain }) => gain >= leastGain(values.length, steps, calendarSteps) && !isKnown(steps));
    const gainMax = Math.max(0, ...tried.map(({ gain }) => gain));
    // The shortest one that explains most of what any explains: a week repeats the day, and is asked again later.
    const short = tried.find(({ gain }) => gain >= HARMONIC_SHARE * gainMax);
    if (short === undefined) break;
    const near = tried.filter(({ steps }) => steps <= short.steps * (1 + 1 / 16));
    const best = near.reduce((a, b) => (b.gain > a.gain ? b : a), short);
    // A day is the likelier truth than 23.8 hours: people keep calendars.
    const found =
      near.find((one) => calendarSteps.includes(one.steps) && one.gain >= CALENDAR_SHARE * best.gain) ?? best;
    accepted.push({ steps: found.steps, strength: periodGain(flat, found.steps) });
    rest = withoutPeriod(rest, found.steps);
  }
  const periods = accepted.filter((one) => one.strength >= GAIN_MIN && !accepted.some((other) => repeats(one, other)));
  return { periods: periods.sort((a, b) => a.steps - b.steps), rest };
}

/** Held-out gain that a length needs: a calendar one is likely from the start, any other was chosen among many. */
function leastGain(rows: number, steps: number, calendarSteps: readonly number[]): number {
  if (calendarSteps.includes(steps)) return GAIN_MIN;
  return Math.max(GAIN_MIN, (CHANCE_GAIN * steps) / (rows * (1 - TAUGHT_SHARE)));
}

/** True when a period is only the harmonic of a longer one, or only the repetition of a shorter one. */
function repeats(one: Period, other: Period): boolean {
  if (other.steps > one.steps) return other.steps % one.steps === 0 && one.strength < HARMONIC_SHARE * other.strength;
  if (other.steps === one.steps || one.strength >= other.strength) return false;
  // A long length is found to within a few rows only.
  const multiple = other.steps * Math.round(one.steps / other.steps);
  return multiple > other.steps && Math.abs(one.steps - multiple) <= tolerance(one.steps);
}
