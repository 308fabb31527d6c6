/**
 * Batch forecasts of the M4 hourly series: the last 48 values of each are held out, and three earlier cuts.
 * OWA = mean of sMAPE / 18.383 and MASE / 2.395 (Makridakis et al., The M4 Competition, 2020); MSIS of 95 % intervals.
 */
import { forecastSeries } from '../domain/prediction/forecast-batch.js';
import { cpuMicroseconds, m4Hourly, mean, naiveScale, printTable, requireData } from './forecast-data.js';

const HORIZON = 48;
const DAY = 24;
/** Penalty of a value outside a 95 % interval, per unit of distance: 2 / 0.05. */
const OUTSIDE = 40;

interface Interval {
  readonly mean: readonly number[];
  readonly lower: readonly number[];
  readonly upper: readonly number[];
}
interface Score {
  smape: number;
  mase: number;
  msis: number;
  covered: number;
}

function score(past: readonly number[], actual: readonly number[], { mean: point, lower, upper }: Interval): Score {
  const scale = naiveScale(past, DAY);
  const per = (term: (value: number, i: number) => number): number => mean(actual.map(term));
  return {
    smape: per((y, i) => (200 * Math.abs(y - point[i])) / (Math.abs(y) + Math.abs(point[i]) || 1)),
    mase: per((y, i) => Math.abs(y - point[i])) / scale,
    msis:
      per((y, i) => upper[i] - lower[i] + OUTSIDE * (Math.max(0, lower[i] - y) + Math.max(0, y - upper[i]))) / scale,
    covered: per((y, i) => (y >= lower[i] && y <= upper[i] ? 1 : 0)),
  };
}

/** Last day repeated; normal interval of the seasonal differences, growing with the number of days. */
function seasonalNaive(past: readonly number[]): Interval {
  const differences = past.slice(DAY).map((value, t) => value - past[t]);
  const sigma = Math.sqrt(mean(differences.map((value) => value ** 2)));
  const point = Array.from({ length: HORIZON }, (_, i) => past[past.length - DAY + (i % DAY)]);
  const width = point.map((_, i) => 1.96 * sigma * Math.sqrt(Math.floor(i / DAY) + 1));
  return { mean: point, lower: point.map((p, i) => p - width[i]), upper: point.map((p, i) => p + width[i]) };
}

function balance(seasons: readonly number[] | undefined): (past: readonly number[]) => Interval {
  return (past) => {
    const forecast = forecastSeries(past, { horizon: HORIZON, seasons, levels: [0.95] });
    return { mean: forecast.mean, ...forecast.quantiles[0] };
  };
}

requireData('m4-hourly-train.csv');
const series = m4Hourly();
const methods = {
  'seasonal naive': seasonalNaive,
  balance: balance([24, 168]),
  'balance, seasons found': balance(undefined),
};
const rows: (string | number)[][] = [];
for (const cut of [48, 96, 144, 192]) {
  for (const [name, method] of Object.entries(methods)) {
    const scores: Score[] = [];
    const cpu = cpuMicroseconds(() => {
      for (const values of series) {
        const past = values.slice(0, values.length - cut);
        scores.push(score(past, values.slice(past.length, past.length + HORIZON), method(past)));
      }
    });
    const smape = mean(scores.map((s) => s.smape));
    const mase = mean(scores.map((s) => s.mase));
    const owa = (smape / 18.383 + mase / 2.395) / 2;
    const [msis, covered] = [mean(scores.map((s) => s.msis)), mean(scores.map((s) => s.covered))];
    rows.push([`last ${cut}, ${name}`, owa, smape, mase, msis, covered, cpu / 1000 / series.length]);
  }
}
printTable(['held out', 'OWA', 'sMAPE', 'MASE', 'MSIS95', 'cov95', 'ms/series'], rows);
