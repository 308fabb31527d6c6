/** What the analyze stage knows of the rows to come: how many matched in past cycles, and what was forecast to arrive. */
import { FORECAST_STEPS } from '../domain/decision/predict/predict.js';
import { SUPPLY_CYCLES, type Supply } from '../domain/decision/analyze/future-supply.js';
import { nextFullCycleMs, stepEndMs, stepMsOf } from '../domain/decision/steps.js';
import { standingQuestion, standingWhere, type WorkItem } from '../domain/decision/work.js';
import { isFault } from './failure.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies } from './dependencies.js';
import { digestOf } from './digest.js';
import { cancellation } from './stage.js';
import type { Closing, CycleContext } from './store-ports.js';

/** Metric of the rows that match a need whose rows to come are forecast, by need and question. */
const MATCHED = 'matched-rows';

export async function supplyInputs(deps: StageDependencies, context: CycleContext): Promise<Supply> {
  const { definition, asOfMs, items } = context;
  const fixed = items.filter(isFixed);
  const asks = fixed.map((item) => ({ metric: MATCHED, subject: subjectOf(item) }));
  const stepMs = stepMsOf(definition);
  // A replay clock stands at the end of a step, a clock on the wall within one.
  const endMs = stepEndMs(definition, asOfMs + 1);
  const [histories, next] = await Promise.all([
    deps.history.metrics(context, asks, asOfMs, SUPPLY_CYCLES),
    nextCycle(deps, context),
  ]);
  return {
    stepEndsMs: Array.from({ length: FORECAST_STEPS }, (_, index) => endMs + index * stepMs),
    matched: Object.fromEntries(fixed.map(({ needId }, index) => [needId!, histories[index]])),
    next,
    recordedAs: Object.fromEntries(items.filter(isForecast).map((item) => [item.needId!, subjectOf(item)])),
  };
}

/** What this cycle adds to the history. */
export function matchedMetrics(
  { items, asOfMs }: CycleContext,
  facts: readonly { readonly itemId: string; readonly rows: number; readonly exact: boolean }[],
): Closing['metrics'] {
  const factOf = new Map(facts.map((fact) => [fact.itemId, fact]));
  return items.filter(isForecast).flatMap((item) => {
    const fact = factOf.get(item.id);
    return fact?.exact === true ? [{ metric: MATCHED, subject: subjectOf(item), atMs: asOfMs, value: fact.rows }] : [];
  });
}

/** A need whose dataset or predicate changes begins a history of its own: what matched the old question is no past of the new one. */
function subjectOf(item: WorkItem): string {
  return `${item.needId}#${digestOf(standingQuestion(item.dataset, standingWhere(item))).slice(0, 16)}`;
}

/** Needs whose rows to come are forecast: what matches them is kept, to forecast from, or to put beside the forecast. */
function isForecast(item: WorkItem): boolean {
  return isFixed(item) || awaitsRows(item);
}

/** A need that asks every new row and must have some. */
function awaitsRows({ needId, minRows, window }: WorkItem): boolean {
  return needId !== null && window != null && minRows > 0;
}

function isFixed({ needId, rows }: WorkItem): boolean {
  return needId !== null && rows !== null;
}

/** Stretches of the past that are looked back on: as many as steps of a series that is seen for the first time. */
const STRETCHES = 336;

/** A cycle begins some seconds after its time: stretches are whole minutes, so that a day has whole ones. */
const MINUTE_MS = 60_000;

/** When the next cycle serves standing needs, and what arrived before in as much time, of the needs that must have some of it. */
async function nextCycle(deps: StageDependencies, context: CycleContext): Promise<Supply['next']> {
  const { definition, items, asOfMs } = context;
  const byMs = nextFullCycleMs(definition, asOfMs);
  if (byMs === null) return null;
  const stretchMs = Math.max(1, Math.round((byMs - asOfMs) / MINUTE_MS)) * MINUTE_MS;
  const asking = items.filter(awaitsRows);
  // What is waited for ends at another time in each dataset.
  const groups = new Map<string, WorkItem[]>();
  for (const item of asking) {
    const group = `${item.dataset}@${item.window!.toMs}`;
    groups.set(group, [...(groups.get(group) ?? []), item]);
  }
  const counted = await Promise.all([...groups.values()].map((group) => arrivedFor(deps, context, group, stretchMs)));
  return { byMs, stretchMs, arrived: Object.assign({}, ...counted) as Record<string, readonly number[]> };
}

/** A source that does not answer says so where the cycle looks at it: nothing is forecast of it here. */
async function arrivedFor(
  deps: StageDependencies,
  context: CycleContext,
  group: readonly WorkItem[],
  stretchMs: number,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const [{ dataset, window }] = group;
  const asks = group.map((item) => {
    return { id: item.needId!, where: standingWhere(item), fields: item.fields, classColumn: null };
  });
  try {
    return await deps.data.arrivals(
      datasetRef(context, dataset),
      window!.toMs,
      asks,
      stretchMs,
      STRETCHES,
      cancellation(),
    );
  } catch (error) {
    if (!isFault(error)) throw error;
    return {};
  }
}
