/**
 * Online learning beside river in one run: 12-step forecasts of hourly demand (mean absolute scaled error, CPU time of an
 * update, and of an update with a share of the forecasts), and CPU time of an anomaly score.
 *
 * river is fetched by pip into a virtual environment (BALANCE_BENCH_PEERS, else a folder in the temporary one); where it
 * cannot be had, it is named and left out. Run: npx tsx bench/online-peers.ts
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAnomalyDetector } from '../domain/prediction/anomaly.js';
import { createSeriesForecaster } from '../domain/prediction/series-forecaster.js';
import { normal, seeded } from './anomaly-types.js';
import { cpuMicroseconds, mean, naiveScale, printTable, requireData, workloads } from './forecast-data.js';

const RIVER = 'river==0.26.1';
const FETCH_MS_MAX = 300_000;
const HORIZON = 12;
const STRIDE = 7;
const SETS = ['web, hourly', 'llm clients, hourly'];
/** Five-minute rows that are scored: six weeks. */
const SCORED = 12_096;

interface Contender {
  readonly name: string;
  /** Forecasts by series and origin. */
  readonly series: readonly (readonly (readonly number[])[])[];
  readonly updateSeconds: number;
  readonly withForecastSeconds: number;
}

const originsOf = (values: readonly number[], from: number): number[] =>
  values.flatMap((_, t) => (t >= from && (t - from) % STRIDE === 0 && t + HORIZON <= values.length ? [t] : []));

function balance(series: readonly (readonly number[])[], seasons: readonly number[], from: number): Contender {
  const forecasts: number[][][] = [];
  const updates = cpuMicroseconds(() => {
    for (const values of series) {
      const forecaster = createSeriesForecaster({ seasons });
      values.forEach((value) => forecaster.update(value));
    }
  });
  const both = cpuMicroseconds(() => {
    for (const values of series) {
      const forecaster = createSeriesForecaster({ seasons });
      const origins = new Set(originsOf(values, from));
      const found: number[][] = [];
      values.forEach((value, t) => {
        if (origins.has(t)) found.push([...forecaster.forecast(HORIZON, [0.8]).mean]);
        forecaster.update(value);
      });
      forecasts.push(found);
    }
  });
  return { name: 'balance', series: forecasts, updateSeconds: updates / 1e6, withForecastSeconds: both / 1e6 };
}

/** What was a season ago, at the origin. */
function naive(series: readonly (readonly number[])[], season: number, from: number): Contender {
  const found = series.map((values) =>
    originsOf(values, from).map((t) => Array.from({ length: HORIZON }, (_, h) => values[t - season + (h % season)])),
  );
  return { name: 'seasonal naive (day)', series: found, updateSeconds: 0, withForecastSeconds: 0 };
}

function mase({ series: forecasts }: Contender, series: readonly (readonly number[])[], from: number): number {
  return mean(
    series.map((values, index) => {
      const errors = originsOf(values, from).flatMap((t, origin) =>
        forecasts[index][origin].map((one, h) => Math.abs(values[t + h] - one)),
      );
      return mean(errors) / naiveScale(values, 1);
    }),
  );
}

/** A recursive forecast may run away: that is no number to compare. */
const told = (error: number): number | string => (error < 1e6 ? error : 'diverges');

interface River {
  readonly forecasts: readonly Contender[];
  readonly scoreSeconds: number;
  readonly scored: number;
}

/** Null, with the reason printed, where river cannot be had or run. */
function river(task: object): River | null {
  const folder = process.env.BALANCE_BENCH_PEERS ?? join(tmpdir(), 'balance-bench-peers');
  const python = join(folder, 'venv', 'bin', 'python');
  const call = (args: readonly string[], input?: string): string =>
    execFileSync(python, args, { input, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['pipe', 'pipe', 'ignore'] });
  try {
    mkdirSync(folder, { recursive: true });
    if (!existsSync(python)) execFileSync('python3', ['-m', 'venv', join(folder, 'venv')], { timeout: FETCH_MS_MAX });
    try {
      call(['-c', 'import river']);
    } catch {
      execFileSync(python, ['-m', 'pip', 'install', '--quiet', RIVER], { timeout: FETCH_MS_MAX, stdio: 'ignore' });
    }
    const script = join(dirname(fileURLToPath(import.meta.url)), 'online-peers.py');
    return JSON.parse(call([script], JSON.stringify(task))) as River;
  } catch (cause) {
    console.log(`skipped: river cannot be had or run (${(cause as Error).message.split('\n')[0]})`);
    return null;
  }
}

requireData('llm-large-clients-10min.csv', 'nasa-web-5min.csv');
const random = seeded(1);
const scored = Array.from(
  { length: SCORED },
  (_, i) => 50 + 10 * Math.sin((2 * Math.PI * i) / 288) + 2 * normal(random) + (i % 2016 === 1999 ? 40 : 0),
);
// Compiled code, as a service has it: the first rows of a process are slower.
balance([scored], [288], 288);
let scoring: [balance: number, river: number | null] = [0, null];
for (const set of workloads().filter(({ name }) => SETS.includes(name))) {
  const { series, from, day, week } = set;
  const task = { series, from, horizon: HORIZON, stride: STRIDE, season: day, rows: scored };
  const peers = river(task);
  const detector = createAnomalyDetector();
  const own = cpuMicroseconds(() => scored.forEach((value, i) => detector.update(i * 300, value))) / SCORED;
  scoring = [own, peers === null ? null : (1e6 * peers.scoreSeconds) / peers.scored];
  const values = series.reduce((sum, one) => sum + one.length, 0);
  console.log(`${set.name}: ${series.length} series, ${values} values, ${HORIZON} steps ahead every ${STRIDE}`);
  printTable(
    ['forecaster', 'MASE12', 'update us', 'with forecasts us'],
    [balance(series, [day, week], from), naive(series, day, from), ...(peers?.forecasts ?? [])].map((one) => [
      one.name,
      told(mase(one, series, from)),
      (1e6 * one.updateSeconds) / values,
      (1e6 * one.withForecastSeconds) / values,
    ]),
  );
}
const [own, theirs] = scoring;
console.log(
  `anomaly score and update: balance ${own.toFixed(1)} us a row` +
    (theirs === null ? '' : `, river HalfSpaceTrees ${theirs.toFixed(1)} us (ratio ${(theirs / own).toFixed(1)})`),
);
