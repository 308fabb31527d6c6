/** A predictor in use beside others on one series: its run, its rolling accuracy, and what it has forecast last. */
import { createAccuracyMonitor, preferChallenger } from './accuracy-monitor.js';
import { LED } from './led-run.js';
import type { Predictor, PredictorOptions, PredictorRun } from './predictor.js';

/** Level of the interval that accuracy is judged by, and of the wider one that surprise is. */
export const JUDGED_LEVEL = 0.8;
const WIDE_LEVEL = 0.95;
/** What a leader adds must be this much: a line through a series' own values alone is better than the mixture by 3 % on some. */
const LED_RATIO = 0.9;

export interface Issued {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
  readonly wideLower: number;
  readonly wideUpper: number;
}
export interface Contender<Run extends PredictorRun = PredictorRun> {
  readonly predictor: Pick<Predictor, 'id' | 'version'>;
  run: Run;
  accuracy: ReturnType<typeof createAccuracyMonitor>;
  issued: Issued | null;
}

/** Whether a challenger that was run on the same values should speak in the champion's place. */
export function isBetter(challenger: Contender, champion: Contender): boolean {
  const [was, is] = [champion, challenger].map(({ accuracy }) => accuracy.snapshot());
  return preferChallenger(was, is, challenger.predictor.id === LED ? LED_RATIO : undefined);
}

/** A run that has learned these values, judged on the newer half of them. */
export function learned<Run extends PredictorRun>(
  predictor: Pick<Predictor, 'id' | 'version'> & { readonly create: (options: PredictorOptions) => Run },
  seasons: readonly number[],
  values: readonly (number | null)[],
): Contender<Run> {
  const run = predictor.create({ seasons, similar: [] });
  const accuracy = createAccuracyMonitor(JUDGED_LEVEL);
  let issued: Issued | null = null;
  let last: number | null = null;
  values.forEach((value, index) => {
    if (issued !== null && value !== null && last !== null && index >= values.length / 2)
      accuracy.observe({ ...issued, forecast: issued.mean, naive: last, actual: value });
    run.update(value);
    issued = issue(run);
    last = value ?? last;
  });
  return { predictor, run, accuracy, issued };
}

/** What it forecasts of the next step. */
export function issue(run: PredictorRun): Issued {
  const { mean, quantiles } = run.forecast(1, [JUDGED_LEVEL, WIDE_LEVEL]);
  const [judged, wide] = quantiles;
  return {
    ...{ mean: mean[0], lower: judged.lower[0], upper: judged.upper[0] },
    ...{ wideLower: wide.lower[0], wideUpper: wide.upper[0] },
  };
}
