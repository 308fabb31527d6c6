/** What the predict stage learns from: recorded demand and load since each series' stored state, page by page. */
import type { AnalyzeInputs } from '../domain/decision/analyze/analyze.js';
import type { PredictInputs, StoredTrack } from '../domain/decision/predict/predict.js';
import { backlogRows, newlyAskedRows } from '../domain/decision/analyze/demand.js';
import type { Surge } from '../domain/decision/predict/demand-anomalies.js';
import type { Backlog, LeaderAhead, SeriesInput, StateRef } from '../domain/decision/predict/series-outcome.js';
import { isRestorable, stateKey } from '../domain/decision/predict/predict.js';
import { leadersOf, seasonsToTry, type PatternInputs } from '../domain/decision/predict/patterns-used.js';
import { sourceSeries, SYSTEM_SERIES } from '../domain/decision/predict/source-loads.js';
import { seasonsOf, stepEndMs, stepMsOf } from '../domain/decision/steps.js';
import { followsIn, type Leader } from '../domain/prediction/led-run.js';
import type { KnownPatterns } from '../domain/prediction/pattern-watch.js';
import { datasetRef } from './dataset-ref.js';
import { sourceLimits } from './source-limits.js';
import { declaredInputs, type DeclaredInputs } from './declared-inputs.js';
import type { StageDependencies } from './dependencies.js';
import { knownRequests } from './known-requests.js';
import { patternInputs } from './pattern-inputs.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

/** Steps looked back on when a series is seen for the first time: two weeks of hours. */
const FIRST_HISTORY_STEPS = 336;
/** States that a series without a past begins with. */
const SIMILAR_MAX = 3;
const WEEK_MS = 7 * 86_400_000;

export interface SeriesPage {
  readonly inputs: readonly SeriesInput[];
  readonly states: ReadonlyMap<string, unknown>;
}
export interface SeriesGatherer {
  /** Every series of this cycle, sorted. */
  readonly names: readonly string[];
  /** The inputs that all series share. */
  readonly shared: Omit<PredictInputs, 'series'>;
  readonly upToMs: number;
  /** A slice of the past: it sees what was known then, and leaves nothing behind. */
  readonly past: boolean;
  /** What was found out about patterns now. */
  readonly looked: readonly KnownPatterns[];
  page(names: readonly string[]): Promise<SeriesPage>;
}

export async function seriesGatherer(
  deps: StageDependencies,
  context: CycleContext,
  analyzed: AnalyzeInputs,
): Promise<SeriesGatherer> {
  const { definition, asOfMs } = context;
  const stepMs = stepMsOf(definition);
  // The step that ends now may still grow: only steps before it are learned.
  const upToMs = stepEndMs(definition, asOfMs) - stepMs;
  const fromMs = upToMs - FIRST_HISTORY_STEPS * stepMs;
  const past = context.trigger === 'backfill';
  const openWarnings = past ? [] : await deps.series.openWarnings(context);
  const names = seriesNames(
    context,
    openWarnings.map(({ subject }) => subject),
  );
  const declared = await declaredInputs(deps, context, analyzed, { fromMs, upToMs });
  const heads = new Map((await deps.series.heads(context, names, upToMs, stepMs)).map((head) => [head.series, head]));
  const seen = past ? {} : await deps.series.seen(context, names);
  const anyAt = new Set(await deps.series.recordedSteps(context, fromMs, upToMs));
  const claims = {
    ...claimsNow(context, analyzed, past ? [] : await deps.series.surgesBefore(context)),
    waiting: past ? {} : waitingRows(context, await deps.series.putOff(context)),
  };
  const patterns = past ? undefined : await patternInputs(deps, context, names, { stepMs, upToMs });
  const alarmsPerWeek = definition.predict.alarmsPerWeek;
  const shared: SeriesGatherer['shared'] = {
    ...{ asOfMs, stepMs, seasons: seasonsOf(stepMs), alarmsPerWeek, openWarnings },
    known: past ? [] : await knownRequests(deps, context, analyzed.datasets),
    ...(patterns === undefined ? {} : { patterns: patterns.inputs }),
    costs: costsOf(context, analyzed, names),
    capacities: past ? [] : capacitiesOf(context, stepMs),
    violation: definition.predict.violation,
    namesForecasts: true,
    alarmsLeft: past ? 0 : Math.max(0, alarmsPerWeek - (await deps.series.alarmsSince(context, asOfMs - WEEK_MS))),
  };
  const leaders = leadersOf(patterns?.inputs ?? { relations: [] });
  const gathering = {
    ...{ deps, context, analyzed, stepMs, fromMs, upToMs, heads, seen, anyAt, claims, declared, leaders },
    found: patterns?.inputs.seasons ?? {},
  };
  return { names, shared, upToMs, past, looked: patterns?.looked ?? [], page: (some) => seriesPage(gathering, some) };
}

/** What is the same for every page. */
interface Gathering {
  readonly deps: StageDependencies;
  readonly context: CycleContext;
  readonly analyzed: AnalyzeInputs;
  readonly stepMs: number;
  readonly fromMs: number;
  readonly upToMs: number;
  readonly heads: ReadonlyMap<string, StateRef>;
  readonly seen: Readonly<Record<string, number>>;
  readonly anyAt: ReadonlySet<number>;
  readonly claims: Claims;
  readonly declared: DeclaredInputs;
  /** Whom each series follows. */
  readonly leaders: ReadonlyMap<string, Leader>;
  /** Periods found in the longer past of each. */
  readonly found: PatternInputs['seasons'];
}

async function seriesPage(gathering: Gathering, some: readonly string[]): Promise<SeriesPage> {
  const { deps, context, analyzed, stepMs, fromMs, upToMs, heads, seen, anyAt, claims, declared } = gathering;
  const leads = await leadsOf(gathering, some);
  const usable = (name: string): StateRef | null => {
    const head = heads.get(name);
    return head === undefined || head.upToMs < fromMs ? null : head;
  };
  const similarOf = new Map(some.filter((name) => usable(name) === null).map((name) => [name, alike(name, heads)]));
  const refs = [...some.flatMap((name) => usable(name) ?? []), ...[...similarOf.values()].flat()];
  const states = await restorable(deps, context, refs);
  const stateOf = (name: string): StateRef | null => {
    const ref = usable(name);
    if (ref === null || !states.has(stateKey(ref))) return null;
    // One that learned with other declarations is of no use: the series is learned anew.
    const { calendar } = states.get(stateKey(ref)) as StoredTrack;
    return calendar === declared.ahead(name)?.calendar ? ref : null;
  };
  const oldestMs = Math.min(upToMs, ...some.map((name) => stateOf(name)?.upToMs ?? fromMs));
  const current = upToMs + stepMs;
  const recorded = await deps.series.demand(context, some, oldestMs, current);
  const valueAt = new Map(recorded.map(({ series, atMs, value }) => [`${series}|${atMs}`, value]));
  const first = some.filter((name) => stateOf(name) === null && name.includes('/'));
  const arrived = await arrivals(deps, context, analyzed, first, stepMs, upToMs);
  const inputs = some.map((name): SeriesInput => {
    const state = stateOf(name);
    const values: (number | null)[] = [];
    for (let atMs = (state?.upToMs ?? fromMs) + stepMs; atMs <= upToMs; atMs += stepMs) {
      const came = arrived[name]?.[(atMs - fromMs) / stepMs - 1];
      const asked = valueAt.get(`${name}|${atMs}`);
      const beside = asked === undefined ? undefined : declared.beside(name, atMs, asked);
      values.push(beside ?? came ?? (anyAt.has(atMs) ? 0 : null));
    }
    // A series begins with its first demand.
    const begins = state === null ? values.findIndex((value) => value !== null && value > 0) : 0;
    const ahead = declared.ahead(name);
    const leader = leads(name);
    const known = state === null ? undefined : (states.get(stateKey(state)) as StoredTrack);
    // One that follows it already has learned what came before.
    const isLed = leader !== undefined && known?.runs.some((run) => followsIn(run, leader)) === true;
    const steps = isLed ? Math.max(1, values.length) : Infinity;
    const seasons = seasonsToTry(gathering.found[name], seasonsOf(stepMs));
    return {
      ...(leader === undefined ? {} : { leader: { ...leader, leads: leader.leads.slice(-steps) } }),
      ...(seasons === undefined ? {} : { seasons }),
      ...(ahead === undefined ? {} : { declared: ahead }),
      ...{ series: name, state, upToMs, seenUpToMs: seen[name] ?? null },
      similar: state === null ? (similarOf.get(name) ?? []).filter((ref) => states.has(stateKey(ref))) : [],
      values: begins === -1 ? [] : values.slice(begins),
      asked: (valueAt.get(`${name}|${current}`) ?? 0) + (claims.asked[name] ?? 0),
      ...(Object.hasOwn(claims.backlog, name) ? { backlog: claims.backlog[name] } : {}),
      ...(Object.hasOwn(claims.waiting, name) ? { waiting: claims.waiting[name] } : {}),
    };
  });
  return { inputs, states };
}

/** What the leaders of these series did: as far back as a follower may have to learn from. */
async function leadsOf(
  { deps, context, stepMs, fromMs, upToMs, anyAt, leaders }: Gathering,
  some: readonly string[],
): Promise<(name: string) => LeaderAhead | undefined> {
  const wanted = [...new Set(some.flatMap((name) => leaders.get(name)?.series ?? []))].sort();
  const recorded = await deps.series.demand(context, wanted, fromMs, upToMs);
  const valueAt = new Map(recorded.map(({ series, atMs, value }) => [`${series}|${atMs}`, value]));
  return (name) => {
    const leader = leaders.get(name);
    if (leader === undefined) return undefined;
    const leads: (number | null)[] = [];
    for (let atMs = fromMs + stepMs; atMs <= upToMs; atMs += stepMs)
      leads.push(valueAt.get(`${leader.series}|${atMs}`) ?? (anyAt.has(atMs) ? 0 : null));
    return { ...leader, leads };
  };
}

function seriesNames({ definition, items }: CycleContext, warned: readonly string[]): string[] {
  const declared = Object.entries(definition.models).flatMap(([model, { needs, runs }]) =>
    [...needs, ...runs].map(({ dataset }) => `${model}/${dataset}`),
  );
  const asked = items.map((item) => `${item.model}/${item.dataset}`);
  const sources = [...Object.keys(definition.sources).map(sourceSeries), SYSTEM_SERIES];
  return [
    ...new Set([...declared, ...asked, ...sources, ...warned.filter((name) => !name.startsWith('bytes:'))]),
  ].sort();
}

/** The states named that today's predictors can go on from, by key. */
async function restorable(
  deps: StageDependencies,
  context: CycleContext,
  refs: readonly StateRef[],
): Promise<ReadonlyMap<string, unknown>> {
  const loaded = await deps.series.states(context, refs);
  const usable = loaded.filter(({ snapshot }) => isRestorable(snapshot, deps.predictors));
  return new Map(usable.map((state) => [stateKey(state), state.snapshot]));
}

/** Series that behave alike: of the same dataset, else of the same model; those that have learned most. */
function alike(name: string, heads: ReadonlyMap<string, StateRef>): StateRef[] {
  const [model, dataset] = name.split('/');
  if (dataset === undefined) return [];
  const found = (matches: (other: string) => boolean): StateRef[] =>
    [...heads.values()].filter(({ series }) => series !== name && matches(series));
  const same = found((other) => other.endsWith(`/${dataset}`));
  const chosen = same.length > 0 ? same : found((other) => other.startsWith(`${model}/`));
  return chosen.sort((a, b) => b.upToMs - a.upToMs || (a.series < b.series ? -1 : 1)).slice(0, SIMILAR_MAX);
}

interface Claims {
  readonly asked: Readonly<Record<string, number>>;
  readonly backlog: Readonly<Record<string, Backlog>>;
  readonly waiting: Readonly<Record<string, number>>;
}

/** Rows that were put off and that this cycle does not look at, by series. */
function waitingRows(
  { definition, items }: CycleContext,
  { needs, requests }: Awaited<ReturnType<StageDependencies['series']['putOff']>>,
): Claims['waiting'] {
  const looked = new Set(items.flatMap(({ id, needId }) => (needId === null ? [id] : [needId])));
  const rows: Record<string, number> = {};
  const add = (series: string, more: number): void => void (rows[series] = (rows[series] ?? 0) + more);
  for (const need of needs.filter(({ needId }) => !looked.has(needId))) {
    const model = need.needId.slice(0, need.needId.indexOf('/'));
    const declared = definition.models[model]?.needs.find(({ id }) => `${model}/${id}` === need.needId);
    if (declared !== undefined) add(`${model}/${declared.dataset}`, need.rows);
  }
  for (const request of requests.filter(({ id }) => !looked.has(id)))
    add(`${request.model}/${request.dataset}`, request.rows);
  return rows;
}

/** Rows that each demand series is newly asked for in this cycle, and those that are left over from earlier ones. */
function claimsNow(
  { items }: CycleContext,
  { facts }: AnalyzeInputs,
  surges: readonly Surge[],
): Omit<Claims, 'waiting'> {
  const rowsOf = new Map(facts.map(({ itemId, rows }) => [itemId, rows]));
  const beyondOf = new Map(surges.map(({ series, asked, upper }) => [series, asked - upper]));
  const asked: Record<string, number> = {};
  const backlog: Record<string, Backlog> = {};
  for (const item of items) {
    const series = `${item.model}/${item.dataset}`;
    const matched = rowsOf.get(item.id);
    asked[series] = (asked[series] ?? 0) + newlyAskedRows(item, matched);
    const rows = (backlog[series]?.rows ?? 0) + backlogRows(item, matched);
    if (rows > 0) backlog[series] = { rows, beyond: Math.min(rows, beyondOf.get(series) ?? 0) };
  }
  return { asked, backlog };
}

/** Bytes a row: of what is asked now, else of the declared needs. A dataset that nobody looked at is left out. */
function costsOf(
  { definition, items }: CycleContext,
  { datasets }: AnalyzeInputs,
  names: readonly string[],
): PredictInputs['costs'] {
  const widths = new Map(datasets.map(({ id, bytesPerValue }) => [id, bytesPerValue]));
  const asks = new Map<string, (readonly string[])[]>();
  const add = (series: string, fields: readonly string[]): void => {
    const known = asks.get(series);
    if (known === undefined) asks.set(series, [fields]);
    else known.push(fields);
  };
  for (const { model, dataset, fields } of items) add(`${model}/${dataset}`, fields);
  const now = new Set(asks.keys());
  for (const [model, { needs, runs }] of Object.entries(definition.models))
    for (const { dataset, fields } of [...needs, ...runs])
      if (!now.has(`${model}/${dataset}`)) add(`${model}/${dataset}`, fields);
  return Object.fromEntries(
    names.flatMap((series) => {
      const dataset = series.slice(series.indexOf('/') + 1);
      const width = widths.get(dataset);
      const fields = asks.get(series);
      if (width === undefined || fields === undefined) return [];
      const bytes = fields.map((some) => some.reduce((sum, field) => sum + (width[field] ?? 8), 0));
      const bytesPerRow = bytes.reduce((sum, one) => sum + one, 0) / bytes.length;
      return [[series, { source: definition.datasets[dataset].source, bytesPerRow }]];
    }),
  );
}

/** A replay clock's step is one cycle: it gives one window's bytes. */
function capacitiesOf({ definition }: CycleContext, stepMs: number): PredictInputs['capacities'] {
  const seconds = (definition.clock.kind === 'replay' ? definition.window : stepMs) / 1000;
  return sourceLimits(definition).flatMap(({ resource, source, perSecond }) =>
    source !== null && resource.startsWith('bytes:')
      ? [{ source, bytesPerStep: perSecond * seconds, bytesPerSecond: perSecond }]
      : [],
  );
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
