/** The patterns that a cycle knows: those that earlier ones kept, and a look at the few series whose turn it is. */
import { FORECAST_STEPS } from '../domain/decision/predict/predict.js';
import type { PatternInputs } from '../domain/decision/predict/patterns-used.js';
import { confirmedRelations, watchPatterns, type KnownPatterns } from '../domain/prediction/pattern-watch.js';
import type { StageDependencies } from './dependencies.js';
import type { CycleContext } from './store-ports.js';

/** Demand series of a pool whose patterns are kept, at most: the first by name. */
const WATCHED_MAX = 512;
/** Series looked at in one cycle; each again after so many steps. */
const LOOKS_MAX = 4;
const LOOK_STEPS = 24;
/** Steps of the window, and values that a look needs. */
const WINDOW_STEPS = 336;
const VALUES_MIN = 48;
/** Other demand, and figures of its own model, that a series is compared with. */
const OTHERS_MAX = 60;
const FIGURES_MAX = 40;
const QUALITY = ['rows', 'age', 'duplicates'].map((metric) => `quality:${metric}`);
const COLUMN_QUALITY = ['completeness', 'invalid'].map((metric) => `quality:${metric}`);

export interface Patterns {
  /** For the record, and for the predict stage. */
  readonly inputs: PatternInputs;
  /** What the looks of this cycle found: kept with the stage. */
  readonly looked: readonly KnownPatterns[];
}

export async function patternInputs(
  deps: StageDependencies,
  context: CycleContext,
  names: readonly string[],
  { stepMs, upToMs }: { readonly stepMs: number; readonly upToMs: number },
): Promise<Patterns> {
  const watched = names.filter((name) => name.includes('/')).slice(0, WATCHED_MAX);
  const stored = await deps.series.patterns(context, watched);
  const known = new Map(
    stored.filter((one) => one.version === 1 && one.stepMs === stepMs).map((one) => [one.series, one]),
  );
  const due = watched
    .filter((name) => (known.get(name)?.upToMs ?? -Infinity) <= upToMs - LOOK_STEPS * stepMs)
    .sort((a, b) => (known.get(a)?.upToMs ?? -Infinity) - (known.get(b)?.upToMs ?? -Infinity) || (a < b ? -1 : 1))
    .slice(0, LOOKS_MAX);
  const looked = due.length === 0 ? [] : await look(deps, context, { due, watched, known, stepMs, upToMs });
  const all = new Map([...known.values(), ...looked].map((one) => [one.series, one]));
  const relations = confirmedRelations([...all.values()]);
  return {
    looked,
    inputs: {
      looked: looked.map(({ series }) => series),
      relations: relations.filter(({ leader, follower }) => watched.includes(leader) && watched.includes(follower)),
      seasons: Object.fromEntries(
        [...all.values()].filter(({ periods }) => periods.length > 0).map(({ series, periods }) => [series, periods]),
      ),
      shifts: looked.flatMap(({ series, behaviour: { shifts } }) =>
        shifts
          .filter(({ atMs }) => atMs > (known.get(series)?.upToMs ?? upToMs - FORECAST_STEPS * stepMs))
          .map((shift) => ({ series, ...shift })),
      ),
    },
  };
}

interface Looking {
  readonly due: readonly string[];
  readonly watched: readonly string[];
  readonly known: ReadonlyMap<string, KnownPatterns>;
  readonly stepMs: number;
  readonly upToMs: number;
}

async function look(
  deps: StageDependencies,
  context: CycleContext,
  { due, watched, known, stepMs, upToMs }: Looking,
): Promise<readonly KnownPatterns[]> {
  const fromMs = upToMs - WINDOW_STEPS * stepMs;
  const models = new Set(due.map(modelOf));
  const datasets = new Set(due.map(datasetOf));
  const near = (name: string): number => (models.has(modelOf(name)) || datasets.has(datasetOf(name)) ? 0 : 1);
  const others = watched
    .filter((name) => !due.includes(name))
    .sort((a, b) => near(a) - near(b) || (a < b ? -1 : 1))
    .slice(0, OTHERS_MAX);
  const demand = [...due, ...others];
  const [recorded, anyAt] = await Promise.all([
    deps.series.recorded(
      context,
      [...demand.map((subject) => ({ metric: 'demand', subject })), ...figuresOf(context, models)],
      fromMs,
      upToMs,
    ),
    deps.series.recordedSteps(context, fromMs, upToMs),
  ]);
  const asked = new Set(anyAt);
  const series = recorded.map(({ metric, subject, values }) => ({
    id: metric === 'demand' ? subject : `${metric} ${subject}`,
    values: onGrid(values, { fromMs, stepMs }, (atMs) => (metric === 'demand' && asked.has(atMs) ? 0 : null)),
  }));
  const rich = series.filter(({ values }) => values.filter((value) => value !== null).length >= VALUES_MIN);
  return watchPatterns(due, { stepMs, upToMs, series: rich }, known);
}

/** Figures of quality, and bytes charged, of the models that are looked at. */
function figuresOf({ definition }: CycleContext, models: ReadonlySet<string>): { metric: string; subject: string }[] {
  return [...models]
    .flatMap((model) => [
      { metric: 'charged-bytes', subject: model },
      ...(definition.models[model]?.needs ?? []).flatMap(({ id, fields }) => [
        ...QUALITY.map((metric) => ({ metric, subject: `${model}/${id}` })),
        ...fields.flatMap((field) => COLUMN_QUALITY.map((metric) => ({ metric, subject: `${model}/${id}/${field}` }))),
      ]),
    ])
    .slice(0, FIGURES_MAX);
}

/** The mean of what was recorded in each step; `otherwise` where nothing was. A series begins with its first value. */
function onGrid(
  points: readonly { readonly atMs: number; readonly value: number }[],
  { fromMs, stepMs }: { readonly fromMs: number; readonly stepMs: number },
  otherwise: (atMs: number) => number | null,
): (number | null)[] {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const { atMs, value } of points) {
    const step = Math.ceil((atMs - fromMs) / stepMs) - 1;
    const { sum, count } = sums.get(step) ?? { sum: 0, count: 0 };
    sums.set(step, { sum: sum + value, count: count + 1 });
  }
  const first = Math.min(...sums.keys());
  return Array.from({ length: WINDOW_STEPS }, (_, step) => {
    const found = sums.get(step);
    if (found !== undefined) return found.sum / found.count;
    return step < first ? null : otherwise(fromMs + (step + 1) * stepMs);
  });
}

const modelOf = (series: string): string => series.slice(0, series.indexOf('/'));
const datasetOf = (series: string): string => series.slice(series.indexOf('/') + 1);
