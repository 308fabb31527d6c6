/** Replays a stored decision: runs every stage's pure part again on its stored inputs and compares the digests. */
import { analyze, type AnalyzeInputs, type AnalyzeOutcome } from '../domain/decision/analyze/analyze.js';
import { planBatch } from '../domain/decision/batch/batch.js';
import { coordinate } from '../domain/decision/coordinate/coordinate.js';
import { predict, predictSeries, type PredictInputs, type PredictOutcome } from '../domain/decision/predict/predict.js';
import { decideRelease, type ReleaseInputs } from '../domain/decision/release.js';
import { QUALITY_RULES, qualityCheck } from '../domain/decision/quality/quality-check.js';
import type { Recorded } from '../domain/decision/stages.js';
import { defaultAnalyzers } from '../domain/analyzers/registry.js';
import type { Analyzer } from '../domain/analyzers/analyzer.js';
import type { Predictor } from '../domain/prediction/predictor.js';
import { defaultPredictors } from '../domain/prediction/predictors.js';
import { planInputs, type BatchStageInputs } from './batch.js';
import { coordinateInputs } from './coordinate-inputs.js';
import { digestOf } from './digest.js';
import type { QualityStageInputs } from './quality-stage.js';
import { stageInputDigest } from './stage.js';
import type { StageRecord } from './store-ports.js';

export interface Replayed {
  readonly stage: Recorded;
  /** Inputs, what they build on, and outcome have the stored digests, and the outcome is made again. */
  readonly same: boolean;
  /**
   * The stage was made by rules of an older version, which make something else of its inputs than those of this program: its
   * inputs and its stored outcome have their digests, the outcome cannot be made again. Absent: `same` tells all.
   */
  readonly older?: { readonly rules: number; readonly now: number };
  /** Why the stage could not be run again, although all that it is made of is sound: inputs or a state that this program cannot read. */
  readonly failed?: string;
}

/**
 * What has not its digest is not run, nor is what builds on it: nobody knows what it holds. Never throws for what is stored.
 * @param stages the stored stages of one decision; stages that it did not reach are left out
 * @param states the stored states of series that its predict stage went on from, by `stateKey`
 */
export function replayDecision(
  stages: readonly StageRecord[],
  states: ReadonlyMap<string, unknown> = new Map(),
  analyzers: readonly Analyzer[] = defaultAnalyzers,
  predictors: readonly Predictor[] = defaultPredictors,
): Replayed[] {
  const of = new Map(stages.map((record) => [record.stage, record]));
  const analyzed = of.get('analyze');
  const predicted = of.get('predict');
  const planned = of.get('batch');
  const checked = of.get('quality-check');
  const closed = of.get('coordinate');
  const intact = new Set(stages.filter(({ outcome, outcomeDigest }) => digestOf(outcome) === outcomeDigest));
  const sound = new Set<StageRecord>();
  const replayed: Replayed[] = [];
  const check = (
    record: StageRecord,
    prior: readonly StageRecord[],
    again: () => unknown,
    { rules = 1, now = 1 } = {},
  ): void => {
    const sameInputs = stageInputDigest(record.inputs, prior) === record.inputDigest;
    const whole = sameInputs && [...prior, record].every((one) => intact.has(one));
    const { same, failed } = whole ? runAgain(again, record) : { same: false };
    const older = whole && !same && rules < now ? { older: { rules, now } } : undefined;
    if (same || older !== undefined) sound.add(record);
    // What cannot be run on an outcome that is found wrong differs with it.
    const why = failed === undefined || !prior.every((one) => sound.has(one)) ? {} : { failed };
    replayed.push({ stage: record.stage, same, ...older, ...why });
  };
  const released = of.get('release');
  if (released !== undefined) check(released, [], () => decideRelease(released.inputs as ReleaseInputs));
  if (analyzed === undefined) return replayed;
  const facts = analyzed.inputs as AnalyzeInputs;
  check(analyzed, [], () => analyze(facts, analyzers));
  if (predicted === undefined) return replayed;
  check(predicted, [analyzed], () => predictAgain(predicted.inputs as PredictInputs, states, predictors));
  if (planned === undefined) return replayed;
  check(planned, [analyzed, predicted], () =>
    planBatch(
      planInputs(
        planned.inputs as BatchStageInputs,
        facts,
        analyzed.outcome as AnalyzeOutcome,
        predicted.outcome as PredictOutcome,
      ),
    ),
  );
  if (checked === undefined) return replayed;
  const known = checked.inputs as QualityStageInputs;
  const rules = { rules: known.rules ?? 1, now: QUALITY_RULES };
  check(checked, [analyzed, planned], () => qualityCheck({ ...known, items: facts.items }), rules);
  if (closed === undefined) return replayed;
  // What it tells of the faults goes by the same rules.
  check(closed, [analyzed, planned, checked], () => coordinate(coordinateInputs(analyzed, planned, checked)), rules);
  return replayed;
}

function runAgain(again: () => unknown, { outcomeDigest }: StageRecord): Pick<Replayed, 'same' | 'failed'> {
  try {
    return { same: digestOf(again()) === outcomeDigest };
  } catch (error) {
    return { same: false, failed: error instanceof Error ? error.message : String(error) };
  }
}

function predictAgain(
  inputs: PredictInputs,
  states: ReadonlyMap<string, unknown>,
  predictors: readonly Predictor[],
): PredictOutcome {
  const outcomes = inputs.series.map((series) => predictSeries(series, inputs, states, predictors));
  return predict(inputs, outcomes);
}
