/** What the analyze stage knows of the rows to come: how many matched in past cycles, and what was forecast to arrive. */
import { FORECAST_STEPS } from '../domain/decision/predict/predict.js';
import { SUPPLY_CYCLES, type Supply } from '../domain/decision/analyze/future-supply.js';
import { stepEndMs, stepMsOf } from '../domain/decision/steps.js';
import { standingQuestion, type WorkItem } from '../domain/decision/work.js';
import type { StageDependencies } from './dependencies.js';
import { digestOf } from './digest.js';
import type { Closing, CycleContext } from './store-ports.js';

/** Metric of the rows that match a need of a fixed size, by need and question. */
const MATCHED = 'matched-rows';

export async function supplyInputs(deps: StageDependencies, context: CycleContext): Promise<Supply> {
  const { definition, asOfMs, items } = context;
  const fixed = items.filter(isFixed);
  const asks = fixed.map((item) => ({ metric: MATCHED, subject: subjectOf(item) }));
  const stepMs = stepMsOf(definition);
  // A replay clock stands at the end of a step, a clock on the wall within one.
  const endMs = stepEndMs(definition, asOfMs + 1);
  const [histories, forecasts] = await Promise.all([
    deps.history.metrics(context, asks, asOfMs, SUPPLY_CYCLES),
    deps.series.lastForecasts(context, newSeries(context)),
  ]);
  return {
    stepEndsMs: Array.from({ length: FORECAST_STEPS }, (_, index) => endMs + index * stepMs),
    matched: Object.fromEntries(fixed.map(({ needId }, index) => [needId!, histories[index]])),
    arrivals: Object.fromEntries(forecasts.map(({ series, reliable, steps }) => [series, { reliable, steps }])),
  };
}

/** What this cycle adds to the history. */
export function matchedMetrics(
  { items, asOfMs }: CycleContext,
  facts: readonly { readonly itemId: string; readonly rows: number; readonly exact: boolean }[],
): Closing['metrics'] {
  const factOf = new Map(facts.map((fact) => [fact.itemId, fact]));
  return items.filter(isFixed).flatMap((item) => {
    const fact = factOf.get(item.id);
    return fact?.exact === true ? [{ metric: MATCHED, subject: subjectOf(item), atMs: asOfMs, value: fact.rows }] : [];
  });
}

/** A need whose dataset or predicate changes begins a history of its own: what matched the old question is no past of the new one. */
function subjectOf({ needId, dataset, where }: WorkItem): string {
  return `${needId}#${digestOf(standingQuestion(dataset, where)).slice(0, 16)}`;
}

function isFixed({ needId, rows }: WorkItem): boolean {
  return needId !== null && rows !== null;
}

/** Series of needs that ask every new row and must have some, which nothing else of their model adds to. */
function newSeries({ definition }: CycleContext): string[] {
  return Object.entries(definition.models).flatMap(([model, { needs, runs }]) => {
    const asked = [...needs, ...runs].map(({ dataset }) => dataset);
    return needs
      .filter(({ rows, minRows, dataset }) => {
        return rows === 'new' && minRows > 0 && asked.filter((one) => one === dataset).length === 1;
      })
      .map(({ dataset }) => `${model}/${dataset}`);
  });
}
