/** Seeded samples for the drift benchmarks: exact multinomial counts and continuous columns as paired counts. */
import { lnGamma } from '../domain/quality/shift-probability.js';
import type { PairedColumn } from '../domain/quality/shift.js';

/** Uniform numbers in [0, 1) from a 32-bit state (Steele, Lea & Flood 2014, SplitMix; 32-bit variant mulberry32). */
export function uniforms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Exact binomial draw: inversion outward from the mode, O(standard deviation). */
export function binomial(random: () => number, n: number, p: number): number {
  if (n === 0 || p <= 0) return 0;
  if (p >= 1) return n;
  const mode = Math.min(n, Math.floor((n + 1) * p));
  const ln =
    lnGamma(n + 1) - lnGamma(mode + 1) - lnGamma(n - mode + 1) + mode * Math.log(p) + (n - mode) * Math.log1p(-p);
  const atMode = Math.exp(ln);
  const odds = p / (1 - p);
  let left = random() - atMode;
  for (let up = mode, down = mode, pUp = atMode, pDown = atMode; left > 0 && (up < n || down > 0);) {
    if (up < n) {
      pUp *= ((n - up) / (up + 1)) * odds;
      up++;
      left -= pUp;
      if (left <= 0) return up;
    }
    if (down > 0) {
      pDown *= down / ((n - down + 1) * odds);
      down--;
      left -= pDown;
      if (left <= 0) return down;
    }
    if (pUp + pDown < 1e-18) break;
  }
  return mode;
}

export function multinomial(random: () => number, n: number, shares: readonly number[]): number[] {
  let rows = n;
  let mass = 1;
  return shares.map((share, i) => {
    const count = i === shares.length - 1 ? rows : binomial(random, rows, Math.min(1, share / mass));
    rows -= count;
    mass -= share;
    return count;
  });
}

export function zipf(k: number): number[] {
  const weights = Array.from({ length: k }, (_, i) => 1 / (i + 1));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

export function categoryColumn(column: string, reference: readonly number[], current: readonly number[]): PairedColumn {
  const kept = reference.map((_, i) => i).filter((i) => reference[i] + current[i] > 0);
  return {
    column,
    kind: 'category',
    values: kept.map((i) => `c${i}`),
    reference: kept.map((i) => reference[i]),
    current: kept.map((i) => current[i]),
    present: [reference.reduce((a, b) => a + b, 0), current.reduce((a, b) => a + b, 0)],
    missing: [0, 0],
    malformed: [0, 0],
  };
}

export function numberColumn(column: string, reference: readonly number[], current: readonly number[]): PairedColumn {
  const counts = new Map<number, [number, number]>();
  [reference, current].forEach((sample, side) =>
    sample.forEach((value) => {
      const entry = counts.get(value) ?? [0, 0];
      entry[side]++;
      counts.set(value, entry);
    }),
  );
  const values = [...counts.keys()].sort((a, b) => a - b);
  return {
    column,
    kind: 'number',
    values,
    reference: values.map((value) => counts.get(value)![0]),
    current: values.map((value) => counts.get(value)![1]),
    present: [reference.length, current.length],
    missing: [0, 0],
    malformed: [0, 0],
  };
}
