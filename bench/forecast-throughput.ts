/** Speed and state of the online forecaster: CPU time on one core, JSON bytes of a snapshot. */
import { createSeriesForecaster } from '../domain/prediction/series-forecaster.js';
import { cpuMicroseconds, printTable } from './forecast-data.js';

const STEPS = 40_000;
const ROUNDS = 3;

/** Daily wave with a ripple that does not repeat, in steps of ten minutes. */
const value = (t: number): number => 100 + 50 * Math.sin((2 * Math.PI * t) / 144) + 10 * Math.sin(t * t);

const rows: (string | number)[][] = [];
for (const [name, seasons] of Object.entries({ hourly: [24, 168], '10 min': [144, 1008], '5 min': [288, 2016] })) {
  let update = Infinity;
  let both = Infinity;
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const forecaster = createSeriesForecaster({ seasons });
    const updates = cpuMicroseconds(() => {
      for (let t = 0; t < STEPS; t++) forecaster.update(value(t));
    });
    const forecasts = cpuMicroseconds(() => {
      for (let t = STEPS; t < 2 * STEPS; t++) {
        forecaster.update(value(t));
        forecaster.forecast(12, [0.8]);
      }
    });
    update = Math.min(update, updates / STEPS);
    both = Math.min(both, forecasts / STEPS);
    bytes = JSON.stringify(forecaster.snapshot()).length;
  }
  const thousands = (us: number): string => (1000 / us).toFixed(0);
  rows.push([name, update, thousands(update), both, thousands(both), bytes.toFixed(0)]);
}
printTable(['seasons', 'update us', '1000/s', 'with 12-step quantiles us', '1000/s', 'state bytes'], rows);
