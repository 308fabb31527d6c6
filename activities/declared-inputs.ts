/** What is declared of each series' demand: taken out of what it learned from, put back on what it forecasts. */
import type { AnalyzeInputs } from '../domain/decision/analyze/analyze.js';
import {
  asksAll,
  declaredDemand,
  declaredIn,
  declaredRuns,
  KEPT_STEPS,
  keptShare,
  sawRun,
  type DeclaredDemand,
  type DeclaredRun,
} from '../domain/decision/predict/declared-runs.js';
import { FORECAST_STEPS } from '../domain/decision/predict/predict.js';
import type { DeclaredAhead } from '../domain/decision/predict/series-outcome.js';
import { stepMsOf } from '../domain/decision/steps.js';
import type { DatasetFacts } from '../domain/decision/work.js';
import { shapeOf } from './batch.js';
import type { StageDependencies } from './dependencies.js';
import type { CycleContext } from './store-ports.js';

export interface DeclaredInputs {
  /** Of a series; undefined: nothing is declared of it. */
  ahead(series: string): DeclaredAhead | undefined;
  /** What was asked of a series in a step beside what was declared. */
  beside(series: string, stepEndMs: number, asked: number): number;
}

/** @param fromMs end of the step before the first that is learned from; `upToMs`: end of the last one */
export async function declaredInputs(
  deps: StageDependencies,
  context: CycleContext,
  analyzed: AnalyzeInputs,
  { fromMs, upToMs }: { readonly fromMs: number; readonly upToMs: number },
): Promise<DeclaredInputs> {
  const { definition } = context;
  const runs = declaredRuns(definition);
  if (runs.length === 0) return { ahead: () => undefined, beside: (_series, _atMs, asked) => asked };
  const stepMs = stepMsOf(definition);
  const range = {
    fromMs,
    toMs: upToMs + FORECAST_STEPS * stepMs,
    stepMs,
    clock: definition.clock.kind,
  };
  const since = await deps.recurrences.declaredSince(context, runs);
  const demand = declaredDemand(
    runs,
    await factsOf(deps, context, analyzed, runs),
    range,
    since,
    await matchedOf(deps, context, runs),
  );
  const recorded = await deps.series.demand(context, [...demand.keys()], fromMs, upToMs);
  const askedAt = new Map(recorded.map(({ series, atMs, value }) => [`${series}|${atMs}`, value]));
  const asked = (series: string, endMs: number): number => askedAt.get(`${series}|${endMs}`) ?? 0;
  const kept = new Map([...demand].map(([series, one]) => [series, keptOf(one, upToMs, (ms) => asked(series, ms))]));
  return {
    ahead: (series) => {
      const one = demand.get(series);
      if (one === undefined) return undefined;
      const ends = Array.from({ length: FORECAST_STEPS }, (_, index) => upToMs + (index + 1) * stepMs);
      const amounts = ends.map((endMs) => declaredIn(one, endMs));
      // A source keeps what the models keep that ask it: its own demand does not show which of them did.
      const parts = ends.flatMap((endMs) => one.parts.get(endMs) ?? []);
      const total = parts.reduce((sum, { amount }) => sum + amount, 0);
      const held = parts.reduce((sum, { of, amount }) => sum + amount * kept.get(of)!, 0);
      return { calendar: one.calendar, amounts, kept: total > 0 ? held / total : 1 };
    },
    beside: (series, endMs, value) => {
      const parts = demand.get(series)?.parts.get(endMs) ?? [];
      const seen = parts.filter(({ of }) => sawRun(asked(of, endMs), declaredIn(demand.get(of)!, endMs)));
      return seen.reduce((left, { amount }) => Math.max(0, left - amount), value);
    },
  };
}

/** Of what the runs ask: as it is now, else as it was when it was last looked at, for a cycle that asks nothing of it. */
async function factsOf(
  deps: StageDependencies,
  context: CycleContext,
  { datasets }: AnalyzeInputs,
  runs: readonly DeclaredRun[],
): Promise<readonly DatasetFacts[]> {
  const known = new Set(datasets.map(({ id }) => id));
  const others = new Set(runs.map(({ dataset }) => dataset).filter((dataset) => !known.has(dataset)));
  return [...datasets, ...(await deps.history.lastFacts(context, [...others].sort(), context.asOfMs))];
}

/** Rows that matched when the question of a run was last asked, by run: of those that ask all that match a predicate. */
async function matchedOf(
  deps: StageDependencies,
  context: CycleContext,
  runs: readonly DeclaredRun[],
): Promise<Readonly<Record<string, number>>> {
  const open = runs.filter((run) => run.rows === null && !asksAll(run)).map((run) => ({ ...run, shape: shapeOf(run) }));
  if (open.length === 0) return {};
  const shapes = [...new Set(open.map(({ shape }) => shape))].sort();
  const seen = await deps.recurrences.ofShapes(context, context.asOfMs, shapes);
  const rowsOf = new Map(seen.filter(({ askedMs }) => askedMs.length > 0).map((one) => [one.shape, one.resultRows]));
  return Object.fromEntries(
    open.flatMap(({ id, shape }) => (rowsOf.has(shape) ? [[id, rowsOf.get(shape)!] as const] : [])),
  );
}

/** How well the last steps kept what had been declared of them before they came. */
function keptOf(declared: DeclaredDemand, upToMs: number, asked: (endMs: number) => number): number {
  const past = [...declared.parts]
    .filter(([endMs, parts]) => endMs <= upToMs && parts.some(({ promised }) => promised))
    .map(([endMs]) => ({ endMs, declared: declaredIn(declared, endMs), asked: asked(endMs) }))
    // Of an empty dataset nothing was promised.
    .filter((step) => step.declared > 0)
    .sort((a, b) => b.endMs - a.endMs)
    .slice(0, KEPT_STEPS);
  return keptShare(past);
}
