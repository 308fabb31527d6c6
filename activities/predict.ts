/** Stage 2: give every demand series the steps that are complete, forecast the next ones, keep what was learned. */
import type { AnalyzeInputs } from '../domain/decision/analyze.js';
import {
  FORECAST_LEVEL,
  isRestorable,
  predict,
  predictReasons,
  type PredictInputs,
  type PredictOutcome,
  type SeriesInput,
} from '../domain/decision/predict.js';
import { seasonsOf, stepEndMs, stepMsOf } from '../domain/decision/steps.js';
import type { SeriesSnapshot } from '../domain/prediction/series-forecaster.js';
import { datasetRef } from './analyze.js';
import { knownRequests } from './known-requests.js';
import type { StageDependencies, StageSummary } from './dependencies.js';
import { cancellation, loadStage, recordOf } from './stage.js';
import type { CycleContext, DecisionRef, SeriesState } from './store-ports.js';

/** Steps looked back on when a series is seen for the first time: two weeks of hours. */
const FIRST_HISTORY_STEPS = 336;

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
      const { inputs, ahead } = await gather(deps, context, analyzed.inputs as AnalyzeInputs);
      const { snapshots, ...outcome } = predict(inputs);
      const { predictions } = outcome;
      const record = recordOf(deps, 'predict', startedMs, {
        inputs,
        prior: [analyzed],
        outcome,
        reasons: predictReasons(outcome),
        degraded: false,
      });
      const states = inputs.series
        .filter(({ series }) => !ahead.has(series))
        .map(({ series, upToMs }): SeriesState => {
          return { series, stepMs: inputs.stepMs, upToMs, snapshot: snapshots[series] };
        });
      const forecasts = predictions.flatMap(({ series, method, reliable, steps }) =>
        steps.map((step) => ({ series, method, reliable, level: FORECAST_LEVEL, ...step })),
      );
      await deps.series.saveForecasts(ref, record, states, forecasts, deps.now());
      return { summary: summarise(outcome) };
    },
  };
}

function summarise({ predictions }: Pick<PredictOutcome, 'predictions'>): string {
  const reliable = predictions.filter((prediction) => prediction.reliable).length;
  return `**predict**: ${predictions.length} demand series, ${reliable} with enough history to rely on`;
}

async function gather(
  deps: StageDependencies,
  context: CycleContext,
  analyzed: AnalyzeInputs,
): Promise<{ inputs: PredictInputs; ahead: ReadonlySet<string> }> {
  const { definition, asOfMs } = context;
  const stepMs = stepMsOf(definition);
  // The step that ends now may still grow: only steps before it are learned.
  const upToMs = stepEndMs(definition, asOfMs) - stepMs;
  const declared = Object.entries(definition.models).flatMap(([model, { needs }]) =>
    needs.map((need) => `${model}/${need.dataset}`),
  );
  const names = [...new Set([...declared, ...context.items.map((item) => `${item.model}/${item.dataset}`)])].sort();
  const stored = await deps.series.load(context, names);
  const fromMs = upToMs - FIRST_HISTORY_STEPS * stepMs;
  // A slice of the past must not see what was learned after it: it learns afresh, and keeps nothing.
  const past = context.trigger === 'backfill';
  const ahead = new Set(past ? names : stored.filter((state) => state.upToMs > upToMs).map(({ series }) => series));
  // Another step, another version of the forecaster, or a gap longer than the history: learned afresh, and kept.
  const usable = (state: SeriesState): boolean =>
    !ahead.has(state.series) &&
    state.stepMs === stepMs &&
    state.upToMs >= fromMs &&
    isRestorable(state.snapshot as SeriesSnapshot);
  const states = new Map(stored.filter(usable).map((state) => [state.series, state]));
  const known = (name: string) => states.get(name);
  const recorded = await deps.series.demand(context, names, fromMs, upToMs);
  const first = names.filter((name) => known(name) === undefined);
  const arrived = await arrivals(deps, context, analyzed, first, stepMs, upToMs);
  const anyAt = new Set(recorded.map(({ atMs }) => atMs));
  const valueAt = new Map(recorded.map(({ series, atMs, value }) => [`${series}|${atMs}`, value]));
  const series = names.map((name): SeriesInput => {
    const state = known(name);
    const values: (number | null)[] = [];
    for (let atMs = (state?.upToMs ?? fromMs) + stepMs; atMs <= upToMs; atMs += stepMs) {
      const arrivals = arrived[name]?.[(atMs - fromMs) / stepMs - 1];
      values.push(valueAt.get(`${name}|${atMs}`) ?? arrivals ?? (anyAt.has(atMs) ? 0 : null));
    }
    // A series begins with its first demand.
    const begins = state === undefined ? values.findIndex((value) => value !== null && value > 0) : 0;
    const kept = begins === -1 ? [] : values.slice(begins);
    return {
      series: name,
      snapshot: (state?.snapshot as SeriesSnapshot | undefined) ?? null,
      values: kept,
      recent: recorded.filter((one) => one.series === name).map(({ value }) => value),
      upToMs,
    };
  });
  const again = past ? [] : await knownRequests(deps, context);
  return { inputs: { asOfMs, stepMs, seasons: seasonsOf(stepMs), series, known: again }, ahead };
}

/** For needs that want every new row, the past arrivals are the past demand: a history to forecast from on the first day. */
async function arrivals(
  deps: StageDependencies,
  context: CycleContext,
  analyzed: AnalyzeInputs,
  names: readonly string[],
  stepMs: number,
  upToMs: number,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const { definition } = context;
  const wanted = new Set(names);
  const result: Record<string, number[]> = {};
  for (const dataset of analyzed.datasets) {
    if (definition.datasets[dataset.id]?.eventTime === undefined) continue;
    const asks = Object.entries(definition.models).flatMap(([model, { needs }]) =>
      needs
        .filter((need) => need.dataset === dataset.id && need.rows === 'new' && wanted.has(`${model}/${dataset.id}`))
        .map((need) => ({
          id: `${model}/${need.id}`,
          series: `${model}/${dataset.id}`,
          where: need.where,
          fields: need.fields,
          classColumn: null,
        })),
    );
    if (asks.length === 0) continue;
    const counts = await deps.data.arrivals(
      datasetRef(context, dataset.id),
      upToMs,
      asks,
      stepMs,
      FIRST_HISTORY_STEPS,
      cancellation(),
    );
    for (const { id, series } of asks) {
      const sum = (result[series] ??= Array.from({ length: FIRST_HISTORY_STEPS }, () => 0));
      counts[id]?.forEach((count, index) => (sum[index] += count));
    }
  }
  return result;
}
