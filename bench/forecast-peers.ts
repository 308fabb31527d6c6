/**
 * Batch forecasts beside their peers in one run: every n-th M4 hourly series, the last 48 values held out.
 *
 * Peers are fetched into a folder of their own (BALANCE_BENCH_PEERS, else one in the temporary folder): augurs by npm,
 * statsforecast by pip in a virtual environment. One that cannot be had is named and left out.
 * Run: npx tsx bench/forecast-peers.ts [take every n-th series, default 20]
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { forecastSeries } from '../domain/prediction/forecast-batch.js';
import { cpuMicroseconds, m4Hourly, printTable, requireData } from './forecast-data.js';
import { HORIZON, score, seasonalNaive, summary, SUMMARY_HEADER, type Interval } from './forecast-m4-score.js';

const SEASONS = [24, 168];
const FETCH_MS_MAX = 300_000;
const AUGURS = '@bsull/augurs@0.10.2';
const STATSFORECAST = 'statsforecast==2.1.1';

interface Result {
  readonly name: string;
  readonly forecasts: readonly Interval[];
  readonly cpuMicroseconds: number;
}

const folder = process.env.BALANCE_BENCH_PEERS ?? join(tmpdir(), 'balance-bench-peers');

function run(command: string, args: readonly string[], input?: string): string {
  return execFileSync(command, args, {
    cwd: folder,
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
}

function fetchPeer(command: string, args: readonly string[]): void {
  execFileSync(command, args, { cwd: folder, timeout: FETCH_MS_MAX, stdio: 'ignore' });
}

function measured(name: string, past: readonly (readonly number[])[], one: (p: readonly number[]) => Interval): Result {
  const forecasts: Interval[] = [];
  const cpu = cpuMicroseconds(() => past.forEach((values) => forecasts.push(one(values))));
  return { name, forecasts, cpuMicroseconds: cpu };
}

/** augurs in WebAssembly: MSTL with automatic exponential smoothing of what is left. */
async function augurs(past: readonly (readonly number[])[]): Promise<Result[]> {
  const require = createRequire(join(folder, 'index.js'));
  const home = (): string => dirname(require.resolve('@bsull/augurs'));
  if (!existsSync(join(folder, 'node_modules', '@bsull', 'augurs'))) {
    fetchPeer('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder, AUGURS]);
  }
  const library = (await import(pathToFileURL(join(home(), 'mstl.js')).href)) as {
    initSync(input: { module: Uint8Array }): void;
    MSTL: {
      ets(seasons: readonly number[]): {
        fit(values: Float64Array): void;
        predict(horizon: number, level: number): { point: number[]; intervals: { lower: number[]; upper: number[] } };
      };
    };
  };
  library.initSync({ module: readFileSync(join(home(), 'mstl_bg.wasm')) });
  const mstl = (values: readonly number[]): Interval => {
    const model = library.MSTL.ets(SEASONS);
    model.fit(Float64Array.from(values));
    const { point, intervals } = model.predict(HORIZON, 0.95);
    return { mean: Array.from(point), lower: Array.from(intervals.lower), upper: Array.from(intervals.upper) };
  };
  return [measured('augurs MSTL', past, mstl)];
}

/** statsforecast in Python: its own CPU time, without that of loading it. */
function statsforecast(past: readonly (readonly number[])[]): Result[] {
  const python = join(folder, 'venv', 'bin', 'python');
  if (!existsSync(python)) fetchPeer('python3', ['-m', 'venv', join(folder, 'venv')]);
  const script = join(dirname(fileURLToPath(import.meta.url)), 'forecast-peers.py');
  try {
    run(python, ['-c', 'import statsforecast']);
  } catch {
    fetchPeer(python, ['-m', 'pip', 'install', '--quiet', STATSFORECAST]);
  }
  return JSON.parse(run(python, [script], JSON.stringify({ past, horizon: HORIZON, seasons: SEASONS }))) as Result[];
}

requireData('m4-hourly-train.csv');
mkdirSync(folder, { recursive: true });
const every = Number(process.argv[2] ?? 20);
const series = m4Hourly().filter((_, i) => i % every === 0);
const past = series.map((values) => values.slice(0, -HORIZON));
const results = [
  measured('seasonal naive', past, seasonalNaive),
  measured('balance', past, (values) => {
    const { mean, quantiles } = forecastSeries(values, { horizon: HORIZON, seasons: SEASONS, levels: [0.95] });
    return { mean, ...quantiles[0] };
  }),
];
for (const [name, peers] of [
  ['augurs', augurs],
  ['statsforecast', statsforecast],
] as const) {
  try {
    results.push(...(await peers(past)));
  } catch (cause) {
    console.log(`skipped: ${name} cannot be had or run (${(cause as Error).message.split('\n')[0]})`);
  }
}
console.log(`${series.length} of the M4 hourly series, last ${HORIZON} values held out`);
printTable(
  ['forecaster', ...SUMMARY_HEADER],
  results.map(({ name, forecasts, cpuMicroseconds: cpu }) => {
    const scores = forecasts.map((forecast, i) => score(past[i], series[i].slice(-HORIZON), forecast));
    return [name, ...summary(scores, cpu)];
  }),
);
