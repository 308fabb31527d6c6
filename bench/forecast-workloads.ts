/**
 * Online forecasts of real demand, 12 steps ahead, against the best of six baselines of each set: mean absolute
 * scaled error (scale: mean one-step change of the series) and pinball loss of the 90 % quantile.
 */
import { backtestSeries } from '../domain/prediction/backtest.js';
import { baselineQuantile, baselines } from './forecast-baselines.js';
import { geometricMean, mean, naiveScale, pinball, printTable, requireData, workloads } from './forecast-data.js';
import type { WorkloadSet } from './forecast-data.js';

const HORIZON = 12;
const STRIDE = 7;
/** Steps at which the baselines' quantiles are computed: each is a sort. */
const QUANTILE_STEPS = [1, 4, 8, 12];

interface Result {
  mase: number;
  pinball: number;
}

function ours({ series, from, day, week }: WorkloadSet): Result & { covered: number } {
  const results = series.map((values) => {
    const scale = naiveScale(values, 1);
    const { rows } = backtestSeries(values, { horizon: HORIZON, from, step: STRIDE, seasons: [day, week] });
    const whole = rows.filter(({ origin }) => origin + HORIZON <= values.length);
    return {
      mase: mean(whole.map((row) => Math.abs(row.actual! - row.mean))) / scale,
      pinball:
        mean(
          whole.filter(({ step }) => QUANTILE_STEPS.includes(step)).map((row) => pinball(row.actual!, row.q90, 0.9)),
        ) / scale,
      covered: mean(whole.map((row) => (row.actual! <= row.q90 ? 1 : 0))),
    };
  });
  const column = (name: 'mase' | 'pinball' | 'covered'): number => mean(results.map((result) => result[name]));
  return { mase: column('mase'), pinball: column('pinball'), covered: column('covered') };
}

function theirs({ series, from, day, week }: WorkloadSet): Record<string, Result> {
  const sums: Record<string, Result> = {};
  for (const values of series) {
    const scale = naiveScale(values, 1);
    for (const [name, baseline] of Object.entries(baselines(values, day, week, from))) {
      const misses: number[] = [];
      const losses: number[] = [];
      for (let origin = from; origin + HORIZON <= values.length; origin += STRIDE) {
        for (let step = 1; step <= HORIZON; step++) {
          const actual = values[origin + step - 1];
          misses.push(Math.abs(actual - baseline(values, origin, step)));
          if (!QUANTILE_STEPS.includes(step)) continue;
          losses.push(pinball(actual, baselineQuantile(values, baseline, origin, step, week, 0.9), 0.9));
        }
      }
      sums[name] ??= { mase: 0, pinball: 0 };
      sums[name].mase += mean(misses) / scale / series.length;
      sums[name].pinball += mean(losses) / scale / series.length;
    }
  }
  return sums;
}

requireData('llm-large-clients-10min.csv', 'nasa-web-5min.csv');
const rows: (string | number)[][] = [];
const ratios: Result[] = [];
for (const set of workloads()) {
  const result = ours(set);
  const all = theirs(set);
  const best = (measure: keyof Result): [string, number] => {
    const [name, value] = Object.entries(all).reduce((a, b) => (b[1][measure] < a[1][measure] ? b : a));
    return [name, value[measure]];
  };
  const [maseName, mase] = best('mase');
  const [pinballName, loss] = best('pinball');
  ratios.push({ mase: result.mase / mase, pinball: result.pinball / loss });
  rows.push([set.name, result.mase, `${mase.toFixed(3)} ${maseName}`, result.mase / mase]);
  rows[rows.length - 1].push(
    result.pinball,
    `${loss.toFixed(3)} ${pinballName}`,
    result.pinball / loss,
    result.covered,
  );
}
const overall = geometricMean(ratios.map(({ mase }) => mase));
rows.push(['geometric mean', '', '', overall, '', '', geometricMean(ratios.map((ratio) => ratio.pinball)), '']);
printTable(['set', 'MASE12', 'best baseline', 'ratio', 'pinball90', 'best baseline', 'ratio', 'cov90'], rows);
