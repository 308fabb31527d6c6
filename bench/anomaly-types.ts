/**
 * Anomaly types: 7 types x 3 sizes injected into realistic bases, judged by macro F1 and false alarms a series-week.
 *
 * Bases are generated with a seed: a daily season with noise, a season with autocorrelated noise, a plain autocorrelated
 * stream, Poisson counts with a day, sparse counts. Each series is six weeks of rows; one event lies in the last three.
 * The predicted type is the commonest type among the alarms from the onset to the end of the event and a grace of 24 rows.
 * Run: npx tsx bench/anomaly-types.ts [seeds]
 */
import { createAnomalyDetector } from '../domain/prediction/anomaly.js';
import type { AnomalyType } from '../domain/prediction/anomaly-event.js';

export const TYPES: readonly AnomalyType[] = [
  'spike',
  'dip',
  'level-shift',
  'trend',
  'variance',
  'flatline',
  'season-break',
];
const GRACE_ROWS = 24;

/** mulberry32: a 32-bit generator good enough for test data. */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
function poisson(random: () => number, mean: number): number {
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(random)));
  let k = 0;
  for (let p = random(); p > Math.exp(-mean); p *= random()) k++;
  return k;
}

interface Base {
  readonly name: string;
  readonly stepSeconds: number;
  readonly seasonal: boolean;
  readonly counts: boolean;
  /** Season and noise of a row; the noise's standard deviation is the unit of every size. */
  readonly season: (day: number) => number;
  readonly noise: number;
  readonly memory: number;
  readonly level: number;
}
const sine = (day: number): number => Math.sin(2 * Math.PI * day);
const office = (day: number): number => {
  const hour = (day - Math.floor(day)) * 24;
  const weekend = Math.floor(day) % 7 >= 5 ? 0.4 : 1;
  return weekend * (Math.exp(-((hour - 11) ** 2) / 8) + 0.8 * Math.exp(-((hour - 15) ** 2) / 8)) * 2 - 1;
};
export const BASES: readonly Base[] = [
  {
    name: 'sine',
    stepSeconds: 3600,
    seasonal: true,
    counts: false,
    season: (d) => 10 * sine(d),
    noise: 1.5,
    memory: 0,
    level: 50,
  },
  {
    name: 'office',
    stepSeconds: 900,
    seasonal: true,
    counts: false,
    season: (d) => 20 * office(d),
    noise: 3,
    memory: 0.4,
    level: 80,
  },
  {
    name: 'fine sine',
    stepSeconds: 300,
    seasonal: true,
    counts: false,
    season: (d) => 8 * sine(d) + 3 * sine(2 * d),
    noise: 1.5,
    memory: 0.3,
    level: 40,
  },
  { name: 'noise', stepSeconds: 600, seasonal: false, counts: false, season: () => 0, noise: 5, memory: 0, level: 100 },
  {
    name: 'autocorrelated',
    stepSeconds: 300,
    seasonal: false,
    counts: false,
    season: () => 0,
    noise: 5,
    memory: 0.8,
    level: 100,
  },
  {
    name: 'counts day',
    stepSeconds: 900,
    seasonal: true,
    counts: true,
    season: (d) => 25 * sine(d),
    noise: 6.5,
    memory: 0,
    level: 40,
  },
  {
    name: 'sparse counts',
    stepSeconds: 1800,
    seasonal: false,
    counts: true,
    season: () => 0,
    noise: 1.7,
    memory: 0,
    level: 3,
  },
];

export interface Case {
  readonly base: string;
  readonly type: AnomalyType | null;
  readonly size: number;
  readonly seconds: readonly number[];
  readonly values: readonly number[];
  readonly from: number;
  readonly to: number;
}

/** One series with one event; `type` null leaves it clean. Sizes 0, 1, 2 are small, middle, large. */
export function makeCase(base: Base, type: AnomalyType | null, size: number, seed: number): Case {
  const random = seeded(seed);
  const perDay = 86_400 / base.stepSeconds;
  const n = Math.round(42 * perDay);
  const from = Math.round(n * (0.5 + 0.4 * random()));
  const long = Math.round(Math.max(24, Math.min(2 * perDay, 288)));
  const length = type === 'spike' || type === 'dip' ? 1 + Math.floor(random() * 3) : long;
  // Counts cannot fall below none: their shifts and trends go up.
  const sign = random() < 0.5 && !base.counts ? -1 : 1;
  const k = [6, 9, 14][size];
  const seconds: number[] = [];
  const values: number[] = [];
  let error = 0;
  for (let i = 0; i < n; i++) {
    const day = (i * base.stepSeconds) / 86_400;
    const inside = i >= from && i < from + length;
    const rel = i - from;
    let season = base.season(day);
    error = base.memory * error + Math.sqrt(1 - base.memory ** 2) * normal(random) * base.noise;
    let mean = base.level;
    let noise = error;
    if (type === 'season-break' && inside)
      season = [-1, 0, -1][size] === 0 ? base.season(day + 0.5) : size === 0 ? 0 : -season;
    if (type === 'level-shift' && inside) mean += sign * [4, 6, 9][size] * base.noise;
    if (type === 'trend' && inside) mean += (sign * [6, 9, 14][size] * base.noise * rel) / length;
    if (type === 'variance' && inside) noise *= [3, 4.5, 7][size];
    let x = mean + season + noise;
    if (base.counts) x = poisson(random, Math.max(mean + season, 0)) + (type === 'variance' && inside ? noise : 0);
    if (type === 'spike' && inside) x += k * base.noise;
    if (type === 'dip' && inside) x -= k * base.noise;
    if (type === 'flatline' && inside) x = size === 0 ? values[from - 1] : size === 1 ? 0 : base.level * 1.5;
    if (base.counts) x = Math.max(0, Math.round(x));
    seconds.push(i * base.stepSeconds);
    values.push(x);
  }
  return { base: base.name, type, size, seconds, values, from, to: from + length - 1 };
}

/** Cases that make sense: no season to break in a stream without one, no dip below an empty count. */
export function allCases(seeds: number): Case[] {
  const cases: Case[] = [];
  for (let seed = 0; seed < seeds; seed++)
    BASES.forEach((base, b) => {
      for (const type of TYPES) {
        if (type === 'season-break' && !base.seasonal) continue;
        if (type === 'dip' && base.name === 'sparse counts') continue;
        for (let size = 0; size < 3; size++)
          cases.push(makeCase(base, type, size, 1 + seed * 1000 + b * 100 + cases.length));
      }
      cases.push(makeCase(base, null, 0, 77 + seed * 1000 + b));
    });
  return cases;
}

export function runTypes(seeds: number, verbose: boolean): void {
  const confusion = new Map<string, number>();
  const misses: string[] = [];
  const delays = new Map<string, number[]>();
  let falseAlarms = 0;
  let weeks = 0;
  for (const item of allCases(seeds)) {
    const detector = createAnomalyDetector();
    const found: string[] = [];
    let delay = -1;
    item.values.forEach((value, i) => {
      const verdict = detector.update(item.seconds[i], value);
      if (!verdict.isAnomaly) return;
      const inside = item.type !== null && i >= item.from && i <= item.to + GRACE_ROWS;
      if (inside) {
        found.push(verdict.type!);
        if (delay < 0) delay = i - item.from;
      } else {
        falseAlarms++;
        if (verbose)
          misses.push(`FALSE ${item.base} ${item.type ?? 'clean'} at ${i - item.from} ${verdict.type ?? ''}`);
      }
    });
    weeks += (item.seconds.length * item.seconds[1]) / 604_800;
    if (item.type === null) continue;
    if (delay >= 0) delays.set(item.type, [...(delays.get(item.type) ?? []), delay]);
    const counts = new Map<string, number>();
    for (const type of found) counts.set(type, (counts.get(type) ?? 0) + 1);
    const predicted = [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 'none';
    const key = `${item.type}>${predicted}`;
    confusion.set(key, (confusion.get(key) ?? 0) + 1);
    if (verbose && predicted !== item.type)
      misses.push(`${item.base} ${item.type} size ${item.size}: ${found.join(',') || 'none'} delay ${delay}`);
  }
  const f1: number[] = [];
  const names = [...TYPES, 'none'];
  console.log(
    'true \\ said'.padEnd(14),
    names.map((name) => name.slice(0, 9).padStart(10)).join(''),
    '        F1  delay (median rows)',
  );
  for (const type of TYPES) {
    const get = (a: string, b: string): number => confusion.get(`${a}>${b}`) ?? 0;
    const hit = get(type, type);
    const actual = names.reduce((sum, name) => sum + get(type, name), 0);
    const said = TYPES.reduce((sum, name) => sum + get(name, type), 0);
    const value = hit === 0 ? 0 : (2 * hit) / (actual + said);
    f1.push(value);
    console.log(
      type.padEnd(14),
      names.map((name) => String(get(type, name)).padStart(10)).join(''),
      value.toFixed(3).padStart(10),
      String((delays.get(type) ?? []).sort((a, b) => a - b)[(delays.get(type)?.length ?? 0) >> 1] ?? '-').padStart(8),
    );
  }
  if (verbose) console.log(misses.join('\n'));
  console.log(`macro F1 ${(f1.reduce((a, b) => a + b, 0) / f1.length).toFixed(3)} (floor .75, goal .90)`);
  console.log(`false alarms a series-week ${(falseAlarms / weeks).toFixed(3)} (bound 1)`);
}

if (process.argv[1]?.endsWith('anomaly-types.ts'))
  runTypes(Number(process.argv[2] ?? 3), process.argv.includes('--verbose'));
