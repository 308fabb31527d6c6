/** Arrival times in seconds: the real traces where the data folder is there, and synthetic ones of known kinds. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const DATA = process.env.BALANCE_BENCH_DATA ?? join(import.meta.dirname, '../../shared/data');

/** A small seeded generator (mulberry32), uniform in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Lines of a data file, or null (and a note) where it is absent. */
export function dataLines(path: string): string[] | null {
  const file = join(DATA, path);
  if (!existsSync(file)) {
    console.log(`skipped: ${path} is not there (set BALANCE_BENCH_DATA)`);
    return null;
  }
  return readFileSync(file, 'utf8').trim().split(/\r?\n/);
}

const DAY = 86400;
function codeTimes(): number[] | null {
  const lines = dataLines('traces/llm-code-requests.csv');
  if (lines === null) return null;
  const times = lines.slice(1).map((line) => {
    const [date, time] = line.split(',')[0].split(' ');
    return (
      (Date.parse(`${date}T00:00:00Z`) / DAY / 1000) * DAY +
      time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
    );
  });
  return times.map((time) => time - times[0]).sort((a, b) => a - b);
}

function prefixTimes(): number[] | null {
  const lines = dataLines('traces/prefix-requests.jsonl');
  return lines?.map((line) => (JSON.parse(line) as { timestamp: number }).timestamp / 1000) ?? null;
}

function synthetic(count: number, gap: (index: number) => number): number[] {
  let at = 0;
  return Array.from({ length: count }, (_, index) => (at += gap(index)));
}

/** Name and times of each trace. */
export function arrivalTraces(): [string, number[]][] {
  const random = seeded(7);
  const exponential = (rate: number) => -Math.log(1 - random()) / rate;
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  let [on, left] = [false, 0];
  const bursts = () => {
    if (left-- <= 0) {
      on = !on;
      left = exponential(on ? 1 / 40 : 1 / 3);
    }
    return exponential(on ? 20 : 0.3);
  };
  const real: [string, number[] | null][] = [
    ['llm code', codeTimes()],
    ['prefix', prefixTimes()],
  ];
  return [
    ...real.filter((entry): entry is [string, number[]] => entry[1] !== null),
    ['poisson 0.5/s', synthetic(4000, () => exponential(0.5))],
    ['poisson 3/s', synthetic(4000, () => exponential(3))],
    ['poisson 30/s', synthetic(6000, () => exponential(30))],
    ['on and off', synthetic(5000, bursts)],
    ['pareto 1.3', synthetic(5000, () => 0.02 * (1 - random()) ** (-1 / 1.3))],
    ['log-normal', synthetic(5000, () => Math.exp(-1.5 + 1.5 * normal()))],
    ['day and night', synthetic(6000, (i) => exponential(0.3 + 10 * (1 + Math.sin(i / 500))))],
  ];
}
