/**
 * Batch forecasts of the M4 hourly series: the last 48 values of each are held out, and three earlier cuts.
 * OWA = mean of sMAPE / 18.383 and MASE / 2.395 (Makridakis et al., The M4 Competition, 2020); MSIS of 95 % intervals.
 */
import { forecastSeries } from '../domain/prediction/forecast-batch.js';
import { cpuMicroseconds, m4Hourly, printTable, requireData } from './forecast-data.js';
import {
  HORIZON,
  score,
  seasonalNaive,
  summary,
  SUMMARY_HEADER,
  type Interval,
  type Score,
} from './forecast-m4-score.js';

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
    rows.push([`last ${cut}, ${name}`, ...summary(scores, cpu)]);
  }
}
printTable(['held out', ...SUMMARY_HEADER], rows);
