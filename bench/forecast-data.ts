/** Real series for the forecasting benchmarks, and the measures that they share. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(process.env.BALANCE_BENCH_DATA ?? join(repository, '../shared/data'), 'series');

/** Ends the benchmark with success where the data is not at hand. */
export function requireData(...files: readonly string[]): void {
  const missing = files.find((file) => !existsSync(join(folder, file)));
  if (missing === undefined) return;
  console.log(`skipped: ${join(folder, missing)} is not there (set BALANCE_BENCH_DATA)`);
  process.exit(0);
}

const read = (file: string): string[] => readFileSync(join(folder, file), 'utf8').trim().split('\n').slice(1);

/** The 414 hourly series of the M4 competition's training set. */
export function m4Hourly(): number[][] {
  return read('m4-hourly-train.csv').map((line) =>
    line
      .split(',')
      .slice(1)
      .map((cell) => cell.replaceAll('"', ''))
      .filter((cell) => cell !== '' && cell !== 'NA')
      .map(Number),
  );
}

export interface WorkloadSet {
  readonly name: string;
  /** Day and week in steps. */
  readonly day: number;
  readonly week: number;
  readonly series: readonly (readonly number[])[];
  /** First origin. */
  readonly from: number;
}

function longForm(file: string): Map<string, number[]> {
  const result = new Map<string, number[]>();
  for (const line of read(file)) {
    const [name, , value] = line.split(',');
    const list = result.get(name) ?? [];
    list.push(Number(value));
    result.set(name, list);
  }
  return result;
}

/** Sums of `width` consecutive values. */
function summed(values: readonly number[], width: number): number[] {
  return Array.from({ length: Math.floor(values.length / width) }, (_, i) =>
    values.slice(i * width, (i + 1) * width).reduce((sum, value) => sum + value, 0),
  );
}

/** Request rates of LLM clients and of a web server, as recorded and as hourly sums. */
export function workloads(): WorkloadSet[] {
  const clients = [...longForm('llm-large-clients-10min.csv')];
  const one = clients.filter(([name]) => name !== 'all').map(([, values]) => values);
  const all = clients.filter(([name]) => name === 'all').map(([, values]) => values);
  const web = [...longForm('nasa-web-5min.csv').values()];
  return [
    { name: 'llm clients, 10 min', day: 144, week: 1008, series: one, from: 1008 },
    { name: 'llm total, 10 min', day: 144, week: 1008, series: all, from: 1008 },
    { name: 'web, 5 min', day: 288, week: 2016, series: web, from: 4032 },
    { name: 'web, hourly', day: 24, week: 168, series: web.map((v) => summed(v, 12)), from: 336 },
    { name: 'llm clients, hourly', day: 24, week: 168, series: one.map((v) => summed(v, 6)), from: 168 },
  ];
}

/** Mean absolute change over `season` steps: the scale of MASE. */
export function naiveScale(values: readonly number[], season: number): number {
  let sum = 0;
  for (let t = season; t < values.length; t++) sum += Math.abs(values[t] - values[t - season]);
  return sum / (values.length - season) || 1;
}

export const pinball = (actual: number, quantile: number, level: number): number =>
  actual > quantile ? level * (actual - quantile) : (1 - level) * (quantile - actual);

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

export const geometricMean = (values: readonly number[]): number => Math.exp(mean(values.map(Math.log)));

/** CPU microseconds of this process spent in `work`. */
export function cpuMicroseconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const used = process.cpuUsage(before);
  return used.user + used.system;
}

export function printTable(header: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const cells = [header, ...rows].map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toFixed(3) : cell)));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  for (const row of cells) {
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '));
  }
}
