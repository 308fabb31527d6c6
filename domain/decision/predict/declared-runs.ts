/**
 * What models declare that they will ask, and when (`runs`): demand that is known before it was ever seen. It is taken
 * out of what the series learn, and put back on what they forecast: a run once a month is neither an anomaly nor missed.
 */
import { cronCount, cronTimes, intervalCount, intervalTimes, parseCron } from '../../types/run-times.js';
import type { PoolDefinition, RunDefinition } from '../../types/pool.js';
import type { Question } from './expected-requests.js';
import type { SeriesOutcome, SeriesPrediction } from './series-outcome.js';
import { sourceSeries, SYSTEM_SERIES } from './source-loads.js';
import type { DatasetFacts } from '../work.js';

/** Declared steps of the past that say how well a declaration is kept. */
export const KEPT_STEPS = 8;

export interface DeclaredRun extends Question {
  /** `model/run`. */
  readonly id: string;
  readonly times: Pick<RunDefinition, 'every' | 'cron'>;
}

/** By id. */
export function declaredRuns({ models, datasets }: Pick<PoolDefinition, 'models' | 'datasets'>): DeclaredRun[] {
  return Object.entries(models)
    .flatMap(([model, { runs }]) =>
      runs.map(({ id, every, cron, dataset, fields, where, rows = null, seed, maxAge = null }): DeclaredRun => {
        const times = cron === undefined ? { every } : { cron };
        const { source } = datasets[dataset];
        return { id: `${model}/${id}`, model, dataset, source, fields, where, rows, seed, maxAgeMs: maxAge, times };
      }),
    )
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The first time of a run within (fromMs, toMs]. */
export function firstRunMs({ times: { every, cron } }: DeclaredRun, fromMs: number, toMs: number): number | undefined {
  return (cron === undefined ? intervalTimes(every!, fromMs, toMs, 1) : cronTimes(parseCron(cron), fromMs, toMs, 1))[0];
}

/** Counts the times of a run within (fromMs, toMs]. */
export function runCounter({ times: { every, cron } }: DeclaredRun): (fromMs: number, toMs: number) => number {
  if (cron === undefined) return (fromMs, toMs) => intervalCount(every!, fromMs, toMs);
  const parsed = parseCron(cron);
  return (fromMs, toMs) => cronCount(parsed, fromMs, toMs);
}

/**
 * By when the next run will have asked, where a result of now is still fresh enough for it then; null: none is near. A
 * service asks some time after its run begins: half of the age that it accepts is left for that, at most a step.
 */
export function declaredByMs(run: DeclaredRun, asOfMs: number, stepMs: number): number | null {
  if (run.maxAgeMs === null) return null;
  const lateMs = Math.min(stepMs, run.maxAgeMs / 2);
  const next = firstRunMs(run, asOfMs - 1, asOfMs + run.maxAgeMs - lateMs);
  return next === undefined ? null : next + lateMs;
}

/** Datasets that runs will ask within the steps that are forecast, or are read ahead of now. */
export function datasetsOfRuns(runs: readonly DeclaredRun[], asOfMs: number, horizonMs: number): string[] {
  const due = runs.filter(
    (run) => firstRunMs(run, asOfMs - 1, asOfMs + Math.max(horizonMs, run.maxAgeMs ?? 0)) !== undefined,
  );
  return [...new Set(due.map(({ dataset }) => dataset))].sort();
}

/** Declared demand of one series. */
export interface DeclaredDemand {
  /** The declaration that it follows from: a state that learned by another one is learned anew. */
  readonly calendar: string;
  /** By end of the step, in the series' unit: which models' demand (`model/dataset`) it is. Steps without a run are absent. */
  readonly parts: ReadonlyMap<number, readonly DeclaredPart[]>;
}
/** One run, as often as it comes in a step. */
export interface DeclaredPart {
  readonly of: string;
  readonly amount: number;
  /** Declared before it first came. */
  readonly promised: boolean;
}

/** The grid that demand is counted on, from the end of one step to that of another. */
export interface StepRange {
  readonly fromMs: number;
  readonly toMs: number;
  readonly stepMs: number;
  /** A replay clock stands at the end of a step: what is asked then counts in it. A clock on the wall is past the time of a run when it is asked. */
  readonly clock: PoolDefinition['clock']['kind'];
}

/**
 * Declared rows of each `model/dataset`, and bytes of each source and of all, in the steps within (fromMs, toMs]: each run in the
 * step that its request is recorded in.
 * @param datasets what is known of them; one that was never looked at has 8 bytes a value, and no rows
 * @param sinceMs event time at which each run was first known, by id
 * @param matched rows that its question last had, of a run that asks all that match a predicate, by id; absent: never asked
 */
export function declaredDemand(
  runs: readonly DeclaredRun[],
  datasets: readonly DatasetFacts[],
  { fromMs, toMs, stepMs, clock }: StepRange,
  sinceMs: Readonly<Record<string, number>>,
  matched: Readonly<Record<string, number>>,
): ReadonlyMap<string, DeclaredDemand> {
  const factsOf = new Map(datasets.map((dataset) => [dataset.id, dataset]));
  const found = new Map<string, { calendar: string; parts: Map<number, DeclaredPart[]> }>();
  const askedAfterMs = clock === 'wall' ? 1 : 0;
  for (const run of runs) {
    const of = `${run.model}/${run.dataset}`;
    const facts = factsOf.get(run.dataset);
    const rows = run.rows ?? (asksAll(run) ? facts?.rows : matched[run.id]) ?? 0;
    const count = runCounter(run);
    const steps: { endMs: number; times: number; promised: boolean }[] = [];
    for (let endMs = fromMs + stepMs; endMs <= toMs; endMs += stepMs) {
      const [beginMs, lastMs] = [endMs - stepMs - askedAfterMs, endMs - askedAfterMs];
      const times = count(beginMs, lastMs);
      if (times === 0) continue;
      steps.push({
        endMs,
        times,
        promised: times === count(Math.max(beginMs, (sinceMs[run.id] ?? Infinity) - 1), lastMs),
      });
    }
    const add = (series: string, amount: number): void => {
      const { calendar = '', parts = new Map<number, DeclaredPart[]>() } = found.get(series) ?? {};
      for (const { endMs, times, promised } of steps) {
        const part = { of, amount: times * amount, promised };
        const others = parts.get(endMs);
        if (others === undefined) parts.set(endMs, [part]);
        else others.push(part);
      }
      found.set(series, { calendar: calendar + JSON.stringify([run.id, run.times, run.rows]), parts });
    };
    const bytes = rows * bytesPerRow(run, facts);
    add(of, rows);
    add(sourceSeries(run.source), bytes);
    add(SYSTEM_SERIES, bytes);
  }
  return found;
}

/** What is declared of a step. */
export function declaredIn({ parts }: DeclaredDemand, stepEndMs: number): number {
  return (parts.get(stepEndMs) ?? []).reduce((sum, { amount }) => sum + amount, 0);
}

/** Whether a run without `rows` asks every row of its dataset; else only its answers tell how many. */
export function asksAll({ where }: Pick<DeclaredRun, 'where'>): boolean {
  return where.length === 0;
}

/** Logical bytes of one row of what a run asks. */
export function bytesPerRow({ fields }: Pick<DeclaredRun, 'fields'>, facts: DatasetFacts | undefined): number {
  return fields.reduce((sum, field) => sum + (facts?.bytesPerValue[field] ?? 8), 0);
}

/**
 * How well a declaration is kept: mean share of what was declared that was asked, over the declared steps of the past,
 * with one more that was kept (Laplace's rule for a promise that nothing is known against).
 */
export function keptShare(past: readonly { readonly declared: number; readonly asked: number }[]): number {
  const kept = past.reduce((sum, { declared, asked }) => sum + Math.min(1, asked / declared), 0);
  return (1 + kept) / (1 + past.length);
}

/** Whether a step that asked for so many rows saw what was declared of it: less than half of it is other demand. */
export function sawRun(asked: number, declared: number): boolean {
  return asked >= declared / 2;
}

/** A forecast of what is asked beside the declared runs, with them: each comes in full, with the probability `kept`. */
export function withDeclared<T extends Pick<SeriesOutcome, 'prediction' | 'distribution'>>(
  outcome: T,
  { amounts, kept }: { readonly amounts: readonly number[]; readonly kept: number },
  bandProbabilities: readonly [lower: number, upper: number],
): T {
  if (amounts.every((amount) => amount === 0)) return outcome;
  // The sum of quantiles: exact where the run and the rest rise together, too wide else, as for the load of a source.
  const at = (probability: number, step: number): number => (probability > 1 - kept ? amounts[step] : 0);
  const { prediction, distribution } = outcome;
  const steps = prediction.steps.map(({ targetMs, mean, lower, upper }, step) => ({
    targetMs,
    mean: mean + kept * amounts[step],
    lower: lower + at(bandProbabilities[0], step),
    upper: upper + at(bandProbabilities[1], step),
  }));
  const known: SeriesPrediction = { ...prediction, steps, declared: amounts };
  return {
    ...outcome,
    // Before there is any history, the declaration alone is relied on. A source has more than its declared demand.
    prediction:
      prediction.reliable || !prediction.series.includes('/') ? known : { ...known, method: DECLARED, reliable: true },
    distribution: distribution.map(({ probability, values }) => {
      return { probability, values: values.map((value, step) => value + at(probability, step)) };
    }),
  };
}

/** Method of a forecast that rests on declared runs alone. */
export const DECLARED = 'declared runs';
