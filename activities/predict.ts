/** Stage 2: give every series the steps that are complete, a page at a time; forecast the next ones, keep what was learned. */
import type { AnalyzeInputs } from '../domain/decision/analyze/analyze.js';
import {
  predict,
  predictReasons,
  predictSeries,
  type PredictInputs,
  type PredictOutcome,
} from '../domain/decision/predict/predict.js';
import type { SeriesInput, SeriesOutcome } from '../domain/decision/predict/series-outcome.js';
import type { TrackSnapshot } from '../domain/prediction/series-track.js';
import type { StageDependencies, StageSummary } from './dependencies.js';
import { digestOf } from './digest.js';
import { seriesGatherer, type SeriesGatherer } from './series-inputs.js';
import { loadStage, recordOf } from './stage.js';
import type { SeriesState } from './series-ports.js';
import type { DecisionRef } from './store-ports.js';

/** Series whose states are in memory at the same time: about 25 kB each. */
const PAGE = 500;
/** A state is stored again after so many steps; until then the steps since are replayed on the stored one. */
const STATE_STEPS = 24;
/** States stored in one cycle: those with most to replay first, the rest in the next ones. */
const STATES_MAX = 1_000;

export function createPredict(deps: StageDependencies) {
  return {
    async predict(ref: DecisionRef): Promise<StageSummary> {
      const startedMs = deps.now();
      const [stored, context, analyzed] = await Promise.all([
        deps.stages.find(ref, 'predict'),
        deps.contextOf(ref),
        loadStage(deps, ref, 'analyze'),
      ]);
      if (stored !== null) return { summary: summarise(stored.outcome as PredictOutcome) };
      const gatherer = await seriesGatherer(deps, context, analyzed.inputs as AnalyzeInputs);
      const { inputs, outcomes, states } = await inPages(deps, gatherer);
      const outcome = predict(inputs, outcomes);
      const record = recordOf(deps, 'predict', startedMs, {
        inputs,
        prior: [analyzed],
        outcome,
        reasons: predictReasons(outcome),
        degraded: false,
      });
      await deps.series.savePrediction(
        ref,
        record,
        gatherer.past
          ? { states: [], seen: null, warnings: [], patterns: [] }
          : {
              states,
              seen: { series: gatherer.names, upToMs: gatherer.upToMs },
              warnings: outcome.warnings,
              patterns: gatherer.looked,
            },
        deps.now(),
      );
      return { summary: summarise(outcome) };
    },
  };
}

function summarise({ predictions, warnings }: Pick<PredictOutcome, 'predictions' | 'warnings'>): string {
  const reliable = predictions.filter((prediction) => prediction.reliable).length;
  const worst = warnings.find(({ state }) => state === 'raised');
  return `**predict**: ${predictions.length} series, ${reliable} with enough history to rely on${worst === undefined ? '' : `; warning: ${worst.message}`}`;
}

/** Every series is loaded, learned and forecast with its page, and let go of: only what it gave stays. */
async function inPages(
  deps: StageDependencies,
  gatherer: SeriesGatherer,
): Promise<{ inputs: PredictInputs; outcomes: SeriesOutcome[]; states: SeriesState[] }> {
  const { names, shared, past } = gatherer;
  const series: SeriesInput[] = [];
  const outcomes: SeriesOutcome[] = [];
  let due: { state: SeriesState; steps: number }[] = [];
  for (let start = 0; start < names.length; start += PAGE) {
    const page = await gatherer.page(names.slice(start, start + PAGE));
    for (const input of page.inputs) {
      const { snapshot, ...outcome } = predictSeries(input, shared, page.states, deps.predictors);
      series.push(input);
      outcomes.push(outcome);
      const steps = input.values.length;
      if (past || steps < (input.state === null || outcome.turned ? 1 : STATE_STEPS)) continue;
      due.push({ state: stateOf(input, shared.stepMs, snapshot()), steps });
    }
    if (due.length > 2 * STATES_MAX) due = longest(due);
  }
  return { inputs: { ...shared, series }, outcomes, states: longest(due).map(({ state }) => state) };
}

function longest<T extends { readonly state: SeriesState; readonly steps: number }>(due: readonly T[]): T[] {
  return [...due].sort((a, b) => b.steps - a.steps || (a.state.series < b.state.series ? -1 : 1)).slice(0, STATES_MAX);
}

function stateOf({ series, upToMs }: SeriesInput, stepMs: number, snapshot: TrackSnapshot): SeriesState {
  return { series, stepMs, upToMs, digest: digestOf(snapshot), snapshot };
}
