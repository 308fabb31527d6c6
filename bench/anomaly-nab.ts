/**
 * Standard score of the Numenta Anomaly Benchmark (Lavin and Ahmad, 2015), one configuration for all files, no look-ahead.
 *
 * Windows and rows as published: the first min(floor(0.15 n), 750) rows do not count; a window gives the sigmoid of its
 * earliest detection, a missed one costs 1, a false detection up to 0.11; one threshold for all files, the best of a sweep.
 * Cross-validation: the threshold of one half of the files scores the other half.
 * Peers in the same run: a windowed normal tail probability, and a random score of the same resolution.
 * Run: npx tsx bench/anomaly-nab.ts [--verbose]
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAnomalyDetector } from '../domain/prediction/anomaly.js';
import { seeded } from './anomaly-types.js';

interface Stream {
  readonly name: string;
  readonly seconds: readonly number[];
  readonly values: readonly number[];
  /** First and last row of each labelled window. */
  readonly windows: readonly (readonly [number, number])[];
}

const FALSE_COST = 0.11;
/** Value of the sigmoid at the first row of a window, by which detections are normalised. */
const SIGMOID_MAX = 0.98661;
const sigmoid = (x: number): number => 2 / (1 + Math.exp(5 * x)) - 1;

function loadStreams(folder: string): Stream[] {
  const windows = JSON.parse(readFileSync(join(folder, 'windows.json'), 'utf8')) as Record<string, [string, string][]>;
  const parse = (text: string): number => Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`) / 1000;
  return Object.keys(windows)
    .sort()
    .map((name) => {
      const rows = readFileSync(join(folder, name), 'utf8').trim().split('\n').slice(1);
      const seconds = rows.map((row) => parse(row));
      return {
        name,
        seconds,
        values: rows.map((row) => Number(row.split(',')[1])),
        windows: windows[name].map(([from, to]) => [
          seconds.findIndex((at) => at >= parse(from)),
          seconds.findLastIndex((at) => at <= parse(to)),
        ]),
      };
    });
}

/** Worth of a detection on a row: its window (-1 outside any) and its contribution. */
function worth(stream: Stream, row: number): { window: number; value: number } {
  const window = stream.windows.findIndex(([from, to]) => row >= from && row <= to);
  if (window >= 0) {
    const [from, to] = stream.windows[window];
    return { window, value: sigmoid(-(to - row + 1) / (to - from + 1)) / SIGMOID_MAX };
  }
  const earlier = stream.windows.filter(([, to]) => to < row).sort((a, b) => b[1] - a[1])[0] as
    readonly [number, number] | undefined;
  if (earlier === undefined) return { window, value: -FALSE_COST };
  const q = (row - earlier[1]) / (earlier[1] - earlier[0]);
  return { window, value: FALSE_COST * (q > 3 ? -1 : sigmoid(q)) };
}

interface Result {
  readonly score: number;
  readonly threshold: number;
}

/** Normalised score at the best threshold, or at a given one. */
function nabScore(streams: readonly Stream[], scores: readonly (readonly number[])[], given?: number): Result {
  const items: { score: number; key: string; window: number; value: number }[] = [];
  let windows = 0;
  streams.forEach((stream, s) => {
    windows += stream.windows.length;
    const n = stream.values.length;
    for (let row = Math.min(Math.floor(0.15 * n), 750); row < n; row++) {
      const score = scores[s][row];
      if (score > 0) items.push({ score, key: `${s}`, ...worth(stream, row) });
    }
  });
  items.sort((a, b) => b.score - a.score);
  const best = new Map<string, number>();
  let sum = -windows;
  let top: Result = { score: given === undefined ? sum : NaN, threshold: Infinity };
  items.forEach((item, i) => {
    if (given !== undefined && item.score < given) return;
    const key = `${item.key}/${item.window}`;
    const before = item.window < 0 ? 0 : (best.get(key) ?? -1);
    if (item.window < 0) sum += item.value;
    else if (item.value > before) {
      sum += item.value - before;
      best.set(key, item.value);
    }
    const last = i + 1 === items.length || items[i + 1].score < item.score;
    if (given === undefined && last && sum > top.score) top = { score: sum, threshold: item.score };
  });
  if (given !== undefined) top = { score: sum, threshold: given };
  return { score: (100 * (top.score + windows)) / (2 * windows), threshold: top.threshold };
}

function detectorScores(stream: Stream): number[] {
  const detector = createAnomalyDetector();
  return stream.values.map((value, i) => detector.update(stream.seconds[i], value).score);
}

/** Distance from the mean of the last 100 rows in their deviations: the benchmark's windowed Gaussian in its simplest form. */
function windowedScores(stream: Stream): number[] {
  return stream.values.map((value, i) => {
    const past = stream.values.slice(Math.max(0, i - 100), i);
    if (past.length < 20) return 0;
    const mean = past.reduce((sum, x) => sum + x / past.length, 0);
    const deviation = Math.sqrt(past.reduce((sum, x) => sum + (x - mean) ** 2 / past.length, 0));
    return deviation > 0 ? Math.abs(value - mean) / deviation : value === mean ? 0 : 100;
  });
}

const folder = join(process.env.BALANCE_BENCH_DATA ?? '../shared/data', 'anomalies');
if (!existsSync(join(folder, 'windows.json'))) {
  console.log(`skipped: no labelled streams in ${folder}`);
} else {
  const streams = loadStreams(folder);
  const random = seeded(7);
  const entries: [string, (number[] | readonly number[])[]][] = [
    ['this detector', streams.map(detectorScores)],
    ['windowed deviation', streams.map(windowedScores)],
    ['random', streams.map((stream) => stream.values.map(() => random()))],
  ];
  console.log(`${streams.length} files, ${streams.reduce((sum, s) => sum + s.windows.length, 0)} windows`);
  console.log('detector              score  threshold   art.  cloud  traffic  threshold of the other half');
  for (const [name, scores] of entries) {
    const part = (keep: (stream: Stream, index: number) => boolean, given?: number): Result => {
      const kept = streams.flatMap((stream, i) => (keep(stream, i) ? [i] : []));
      return nabScore(
        kept.map((i) => streams[i]),
        kept.map((i) => scores[i]),
        given,
      );
    };
    const all = nabScore(streams, scores);
    const kinds = ['artificial', 'realAWS', 'realTraffic'].map((kind) =>
      part((stream) => stream.name.startsWith(kind)),
    );
    const halves = [0, 1].map(
      (half) => part((_, i) => i % 2 === half, part((__, i) => i % 2 !== half).threshold).score,
    );
    console.log(
      name.padEnd(20),
      all.score.toFixed(1).padStart(6),
      all.threshold.toFixed(3).padStart(10),
      kinds.map((kind) => kind.score.toFixed(1).padStart(6)).join(' '),
      '  ',
      halves.map((half) => half.toFixed(1)).join(' / '),
    );
  }
  console.log('floor 65, goal 75; published: ARTime 74.9 (with the files ranges given), HTM 70.1, CAD OSE 69.9');
}
