/** Stage 1: describe every dataset that is asked of, measure what matches each item, analyze. */
import {
  analyze,
  analyzeReasons,
  type AnalyzeInputs,
  type AnalyzeOutcome,
  type DatasetFailure,
} from '../domain/decision/analyze/analyze.js';
import {
  standingWhere,
  windowConditions,
  type DatasetFacts,
  type ItemFacts,
  type Refusal,
  type WorkItem,
} from '../domain/decision/work.js';
import { ANALYSIS_RULES } from '../domain/analyzers/registry.js';
import { datasetsOfRuns, declaredRuns } from '../domain/decision/predict/declared-runs.js';
import { FORECAST_STEPS } from '../domain/decision/predict/predict.js';
import { stepMsOf } from '../domain/decision/steps.js';
import { BalanceError } from '../domain/types/errors.js';
import type { KeptProfile } from '../domain/quality/dataset-profile.js';
import { isFault } from './failure.js';
import { profileDatasets, type DescribedDataset, type SlowProfiles } from './profile-datasets.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies, StageSummary } from './dependencies.js';
import type { DatasetRef, DatasetState, MeasureAnswer, MeasureAsk } from './ports.js';
import { lookAtReferences, withTargets } from './need-references.js';
import { cancellation, recordOf } from './stage.js';
import { supplyInputs } from './supply-inputs.js';
import type { CycleContext, DecisionRef } from './store-ports.js';

/** Distinct questions measured exactly in one scan of a dataset; beyond them a bound stands in. */
const ASKS_MAX = 256;

export function createAnalyze(deps: StageDependencies) {
  const slow: SlowProfiles = new Map();
  return {
    async analyze(ref: DecisionRef): Promise<StageSummary> {
      const startedMs = deps.now();
      const [stored, context] = await Promise.all([deps.stages.find(ref, 'analyze'), deps.contextOf(ref)]);
      if (stored !== null) return { summary: summarise(stored.outcome as AnalyzeOutcome) };
      const { inputs, keep } = await gather(deps, context, startedMs, slow);
      const outcome = analyze(inputs, deps.analyzers);
      await deps.history.saveProfiles(
        ref,
        inputs.datasets
          .filter(({ id }) => !isResting(context, id))
          .map(({ id, version, ...facts }) => ({
            ...{ dataset: id, version, asOfMs: context.asOfMs, keep: keep[id] ?? null },
            state: { ...facts, ...(inputs.profiles?.[id] === undefined ? {} : { profile: inputs.profiles[id] }) },
          })),
        deps.now(),
      );
      const degraded = outcome.analysis.failed.length > 0 || inputs.failures.length > 0;
      await deps.stages.save(
        ref,
        recordOf(deps, 'analyze', startedMs, {
          inputs,
          prior: [],
          outcome,
          reasons: analyzeReasons(outcome, inputs),
          degraded,
        }),
      );
      return { summary: summarise(outcome) };
    },
  };
}

function summarise({ analysis, refusals }: AnalyzeOutcome): string {
  const worst = analysis.findings[0];
  return `**analyze**: ${analysis.findings.length} findings, ${analysis.criticalNeeds.length} critical needs, ${refusals.length} refused${worst === undefined ? '' : `; worst: ${worst.message}`}`;
}

interface Gathered {
  readonly inputs: AnalyzeInputs;
  /** What is kept of the datasets' profiles, by dataset. */
  readonly keep: Readonly<Record<string, KeptProfile>>;
}

async function gather(
  deps: StageDependencies,
  context: CycleContext,
  nowMs: number,
  slow: SlowProfiles,
): Promise<Gathered> {
  const { definition, items, asOfMs } = context;
  const runs = datasetsOfRuns(declaredRuns(definition), asOfMs, FORECAST_STEPS * stepMsOf(definition));
  const used = [...new Set([...items.map(({ dataset }) => dataset), ...runs])]
    .sort()
    .filter((id) => definition.datasets[id] !== undefined);
  const [looked, supply] = await Promise.all([lookAtReferences(deps, context), supplyInputs(deps, context)]);
  const parts = await Promise.all(used.map((id) => inspect(deps, context, id)));
  const { keep, ...profiled } = await profileDatasets(
    deps,
    context,
    // A stand-in is no version of what it stands for.
    parts.flatMap(({ described }) => (described === null || isResting(context, described.id) ? [] : [described])),
    slow,
  );
  const { notes } = context.rests;
  const inputs: AnalyzeInputs = {
    rules: ANALYSIS_RULES,
    nowMs,
    asOfMs,
    items: withTargets(items, looked),
    supply,
    weights: Object.fromEntries(Object.entries(definition.models).map(([id, { weight }]) => [id, weight])),
    datasets: parts.flatMap(({ facts }) => (facts === null ? [] : [facts])),
    classCounts: {},
    failures: parts.flatMap(({ failure }) => (failure === null ? [] : [failure])),
    referenceClassCounts: Object.fromEntries(
      Object.entries(looked.references).flatMap(([needId, { population }]) =>
        population === null ? [] : [[needId, population]],
      ),
    ),
    facts: parts.flatMap(({ items: measured }) => measured).sort((a, b) => (a.itemId < b.itemId ? -1 : 1)),
    rejected: parts.flatMap(({ rejected }) => rejected),
    restricted: Object.fromEntries(
      used.map((id) => [
        id,
        Object.entries(definition.datasets[id].columns).flatMap(([column, { sensitivity }]) =>
          sensitivity === 'restricted' ? [column] : [],
        ),
      ]),
    ),
    mayRead: Object.fromEntries(Object.entries(definition.models).map(([id, { mayRead }]) => [id, mayRead])),
    ...profiled,
    ...(notes.length === 0 ? {} : { rests: notes }),
    ...heldItems(context),
    ...(looked.notes.length === 0 ? {} : { references: looked.notes, unreferenced: looked.unreferenced }),
  };
  return { inputs, keep };
}

/** What waits for new rows of datasets that rest, with what they rest for. */
function heldItems({ rests: { resting } }: CycleContext): Pick<AnalyzeInputs, 'held'> {
  const held = Object.values(resting).flatMap((rest) => rest.held.map((id) => [id, rest.reason] as const));
  return held.length === 0 ? {} : { held: Object.fromEntries(held) };
}

function isResting({ rests }: CycleContext, id: string): boolean {
  return Object.hasOwn(rests.resting, id);
}

interface Inspection {
  readonly facts: DatasetFacts | null;
  readonly described: DescribedDataset | null;
  readonly failure: DatasetFailure | null;
  readonly items: readonly ItemFacts[];
  readonly rejected: readonly Refusal[];
}

/** One dataset: what it is now, and what each of its items would find. A source that fails is a finding, not an end. */
async function inspect(deps: StageDependencies, context: CycleContext, id: string): Promise<Inspection> {
  const dataset = datasetRef(context, id);
  const signal = cancellation();
  let state: DatasetState;
  try {
    state = await deps.data.describe(dataset, context.asOfMs, signal);
  } catch (error) {
    return { facts: null, described: null, failure: failureOf(context, id, error), items: [], rejected: [] };
  }
  const columns = new Set(state.columns.map(({ name }) => name));
  const held = isResting(context, id) ? context.rests.resting[id].held : [];
  const own = context.items.filter((item) => item.dataset === id && !held.includes(item.id));
  const items = own.filter((item) => usable(item, columns));
  let measured: Measured;
  try {
    measured = await measure(deps, context, dataset, items, signal);
  } catch (error) {
    return { facts: null, described: null, failure: failureOf(context, id, error), items: [], rejected: [] };
  }
  const { answers, rejected } = measured;
  const wrong = new Set(rejected.map(({ itemId }) => itemId));
  return {
    facts: {
      id,
      source: dataset.sourceId,
      contentId: state.contentId,
      version: state.version,
      rows: state.rows,
      newestEventMs: state.newestEventMs,
      bytesPerValue: Object.fromEntries(state.columns.map(({ name, bytesPerValue }) => [name, bytesPerValue])),
      completeness: Object.fromEntries(state.columns.map(({ name, completeness }) => [name, completeness])),
    },
    described: { id, state },
    failure: null,
    items: items.flatMap((item) => {
      if (wrong.has(item.id)) return [];
      const [before, untimed] = [windowBefore(item), untimedRows(item)].map((ask) => ask && answers.get(ask.id));
      return [factsOf(item, answers.get(questionOf(item)), { before, untimed }, state)];
    }),
    rejected,
  };
}

/**
 * A source that does not answer makes its items wait; one that is declared wrongly has them refused. The other datasets go on.
 * Nobody is refused for what is wrong with a stand-in: the next cycle reads the dataset itself.
 */
function failureOf(context: CycleContext, dataset: string, error: unknown): DatasetFailure {
  if (!isFault(error)) throw error;
  const transient = error.kind === 'unreachable' || isResting(context, dataset);
  return { dataset, type: error.type, reason: told(error), transient, ...hintOf(error) };
}

/** What was found, and what was expected. */
function told({ message, expected, got }: BalanceError): string {
  const more = [
    ...(expected === undefined ? [] : [`expected ${expected}`]),
    ...(got === undefined ? [] : [`got ${got}`]),
  ];
  return more.length === 0 ? message : `${message}: ${more.join(', ')}`;
}
function hintOf({ hint }: BalanceError): { readonly hint?: string } {
  return hint === undefined ? {} : { hint };
}

function usable(item: WorkItem, columns: ReadonlySet<string>): boolean {
  const used = [
    ...item.fields,
    ...item.where.map(({ column }) => column),
    ...(item.classColumn === null ? [] : [item.classColumn]),
    ...(item.segments ?? []),
  ];
  return used.every((column) => columns.has(column));
}

/** Items that ask the same of the same rows share one question. */
function questionOf(item: WorkItem): string {
  return JSON.stringify([item.where, [...item.fields].sort(), item.classColumn, isParted(item), item.segments ?? []]);
}

/** New rows of which only a part may fit are parted by event time. */
function isParted({ window }: WorkItem): boolean {
  return window != null && window.toMs > window.fromMs;
}

interface Measured {
  readonly answers: ReadonlyMap<string, MeasureAnswer>;
  readonly rejected: readonly Refusal[];
}

async function measure(
  deps: StageDependencies,
  context: CycleContext,
  dataset: DatasetRef,
  items: readonly WorkItem[],
  signal: AbortSignal,
): Promise<Measured> {
  const questions = new Map<string, MeasureAsk>();
  // Needs first: their facts must be exact; requests with a row limit are bounded by it.
  const ordered = [...items].sort((a, b) => (a.kind === b.kind ? (a.id < b.id ? -1 : 1) : a.kind === 'need' ? -1 : 1));
  for (const item of ordered) {
    const id = questionOf(item);
    if (questions.size < ASKS_MAX)
      questions.set(id, {
        ...{ id, where: item.where, fields: item.fields, classColumn: item.classColumn },
        ...(isParted(item) ? { cuts: true } : {}),
        ...(item.segments === undefined ? {} : { segments: item.segments }),
      });
    for (const extra of [windowBefore(item), untimedRows(item)])
      if (extra !== null && questions.size < ASKS_MAX) questions.set(extra.id, extra);
  }
  const asks = [...questions.values()];
  if (asks.length === 0) return { answers: new Map(), rejected: [] };
  const wrong = new Map<string, BalanceError>();
  const ask = (some: readonly MeasureAsk[]) => deps.data.measure(dataset, context.asOfMs, some, signal);
  const answers = await measureHalving(ask, asks, wrong);
  const rejected = items.flatMap((item): Refusal[] => {
    const error = wrong.get(questionOf(item));
    if (error === undefined) return [];
    return [
      {
        itemId: item.id,
        type: error.type,
        reason: told(error),
        ...hintOf(error),
        resource: `dataset:${item.dataset}`,
      },
    ];
  });
  return { answers: new Map(answers.map((answer) => [answer.id, answer])), rejected };
}

/** One of the questions is wrong (a value that does not fit its column): halving finds it, and tells only its askers. */
async function measureHalving(
  ask: (asks: readonly MeasureAsk[]) => Promise<readonly MeasureAnswer[]>,
  asks: readonly MeasureAsk[],
  wrong: Map<string, BalanceError>,
): Promise<readonly MeasureAnswer[]> {
  try {
    return await ask(asks);
  } catch (error) {
    if (!(error instanceof BalanceError) || error.kind !== 'usage') throw error;
    if (asks.length === 1) {
      wrong.set(asks[0].id, error);
      return [];
    }
    const middle = Math.ceil(asks.length / 2);
    const left = await measureHalving(ask, asks.slice(0, middle), wrong);
    return [...left, ...(await measureHalving(ask, asks.slice(middle), wrong))];
  }
}

/** The window before an item's own, once more: what came into it after it was handed out came too late. */
function windowBefore(item: WorkItem): MeasureAsk | null {
  const { needId, window } = item;
  if (needId === null || window?.before == null) return null;
  const before = windowConditions({ ...window, fromMs: window.before.fromMs, toMs: window.fromMs });
  return { id: `before ${needId}`, where: [...standingWhere(item), ...before], fields: [], classColumn: null };
}

/** The rows that no window of an item will ever hold: those that match it and have no event time. */
function untimedRows(item: WorkItem): MeasureAsk | null {
  if (item.needId === null || item.window == null) return null;
  return { id: `untimed ${item.needId}`, where: standingWhere(item), fields: [], classColumn: null, untimed: true };
}

function factsOf(
  item: WorkItem,
  answer: MeasureAnswer | undefined,
  { before, untimed }: Readonly<Record<'before' | 'untimed', MeasureAnswer | null | undefined>>,
  state: DatasetState,
): ItemFacts {
  if (answer !== undefined) {
    const { rows, classCounts, completeness, newestEventMs, cuts } = answer;
    const lateRows = before == null ? 0 : Math.max(0, before.rows - item.window!.before!.rows);
    return {
      ...{ itemId: item.id, rows, exact: true, classCounts, completeness, newestEventMs },
      ...(cuts === undefined ? {} : { cuts }),
      ...(answer.segments === undefined ? {} : { segments: answer.segments }),
      ...(lateRows === 0 ? {} : { lateRows }),
      ...(untimed == null || untimed.rows === 0 ? {} : { untimedRows: untimed.rows }),
    };
  }
  const rows = Math.min(item.rows ?? state.rows, state.rows);
  return {
    itemId: item.id,
    rows,
    exact: false,
    classCounts: null,
    completeness: {},
    newestEventMs: state.newestEventMs,
  };
}
