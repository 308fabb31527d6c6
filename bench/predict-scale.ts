/**
 * One predict stage over 10,000 series: CPU time, memory, and what is stored, page by page against all at once.
 *
 *   npx tsx bench/predict-scale.ts [SERIES] [PAGE]
 *
 * Runs the stage's own pure parts on pages of stored states (JSON text, as Postgres gives them); states are made from
 * two weeks of hours each. Give SERIES as the page for the peer: everything in memory at once.
 */
import { digestOf } from '../activities/digest.js';
import { predict, predictSeries, stateKey, type PredictInputs } from '../domain/decision/predict/predict.js';
import type { SeriesInput } from '../domain/decision/predict/series-outcome.js';
import { defaultPredictors } from '../domain/prediction/predictors.js';

const SERIES = Number(process.argv[2] ?? 10_000);
const PAGE = Number(process.argv[3] ?? 500);
const HOUR = 3_600_000;
const HISTORY = 336;
/** States that differ: the stage is fed with copies of these, so that the bench itself needs little memory. */
const KINDS = 50;

const shared: Omit<PredictInputs, 'series'> = {
  ...{ asOfMs: (HISTORY + 13) * HOUR, stepMs: HOUR, seasons: [24, 168], known: [], costs: {}, capacities: [] },
  ...{ violation: 0.05, openWarnings: [], alarmsPerWeek: 7, alarmsLeft: 7 },
};
const valueAt = (kind: number, hour: number): number =>
  Math.round(
    1_000 + 20 * kind + 400 * Math.sin((hour / 24) * 2 * Math.PI + kind) + ((hour * 7919 + kind * 104_729) % 97),
  );
const values = (kind: number, from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => valueAt(kind, from + index));
const first = (kind: number): SeriesInput => ({
  ...{ series: `m${kind}/d`, state: null, similar: [], values: values(kind, 0, HISTORY), upToMs: HISTORY * HOUR },
  ...{ seenUpToMs: null, asked: 0 },
});

const cpu = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};
const report = (what: string, ms: number, count: number): void =>
  void process.stdout.write(
    `${what.padEnd(48)} ${Math.round(ms)} ms CPU, ${((1_000 * ms) / count).toFixed(0)} us a series\n`,
  );

let began = cpu();
const stored = Array.from({ length: KINDS }, (_, kind) => {
  const { snapshot } = predictSeries(first(kind), shared, new Map(), defaultPredictors);
  const state = snapshot();
  return { text: JSON.stringify(state), digest: digestOf(state) };
});
report(`learning ${HISTORY} steps and storing, once a series`, cpu() - began, KINDS);
const bytes = stored.reduce((sum, { text }) => sum + text.length, 0) / KINDS;

/** Steps since the stored state: none when nothing is new, at most 24, half of that on average. */
for (const since of [0, 12]) {
  global.gc?.();
  let peak = 0;
  began = cpu();
  const inputs: SeriesInput[] = [];
  const outcomes = [];
  for (let start = 0; start < SERIES; start += PAGE) {
    const states = new Map<string, unknown>();
    const page = Array.from({ length: Math.min(PAGE, SERIES - start) }, (_, index): SeriesInput => {
      const kind = (start + index) % KINDS;
      const state = { series: `m${start + index}/d`, upToMs: HISTORY * HOUR, digest: stored[kind].digest };
      states.set(stateKey(state), JSON.parse(stored[kind].text));
      const upToMs = (HISTORY + since) * HOUR;
      const news = values(kind, HISTORY, since);
      return { series: state.series, state, similar: [], values: news, upToMs, seenUpToMs: upToMs, asked: 0 };
    });
    for (const input of page) {
      const { prediction, distribution, recent, alarms, changes, outlying, tuned, turned } = predictSeries(
        input,
        shared,
        states,
        defaultPredictors,
      );
      inputs.push(input);
      outcomes.push({ prediction, distribution, recent, alarms, changes, outlying, tuned, turned });
    }
    peak = Math.max(peak, process.memoryUsage().rss);
  }
  const outcome = predict({ ...shared, series: inputs }, outcomes);
  report(`${SERIES} series, ${since} steps since their state`, cpu() - began, SERIES);
  const kept = JSON.stringify([{ ...shared, series: inputs }, outcome]).length;
  process.stdout.write(
    `  pages of ${PAGE}: ${Math.round(peak / 1e6)} MB resident at most; record ${(kept / 1e6).toFixed(1)} MB; a stored state ${(bytes / 1e3).toFixed(1)} kB\n`,
  );
}
