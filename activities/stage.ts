/** What every stage does around its pure part: run once, keep inputs and outcome with their digests. */
import { CancelledFailure } from '@temporalio/common';
import { Context } from '@temporalio/activity';
import type { Recorded } from '../domain/decision/stages.js';
import { restsOf, withRests, type Circuits } from '../domain/decision/quality/circuit.js';
import { BalanceError } from '../domain/types/errors.js';
import { digestOf } from './digest.js';
import type { ActivityDependencies } from './dependencies.js';
import type { CycleContext, DecisionRef, StageRecord, StageStore } from './store-ports.js';

export async function loadStage(
  deps: Pick<ActivityDependencies, 'stages' | 'now'>,
  ref: DecisionRef,
  stage: Recorded,
): Promise<StageRecord> {
  const record = await deps.stages.find(ref, stage);
  if (record === null)
    throw new BalanceError('internal', {
      type: 'StageMissing',
      message: `decision ${ref.decisionId} has no ${stage} stage yet`,
    });
  return record;
}

/** Builds a record. The input digest covers the inputs and the outcomes of the stages that it builds on. */
export function recordOf(
  deps: Pick<ActivityDependencies, 'stages' | 'now'>,
  stage: Recorded,
  startedMs: number,
  parts: {
    readonly inputs: unknown;
    readonly prior: readonly StageRecord[];
    readonly outcome: unknown;
    readonly reasons: readonly string[];
    readonly degraded: boolean;
  },
): StageRecord {
  return {
    stage,
    state: parts.degraded ? 'degraded' : 'ok',
    inputs: parts.inputs,
    inputDigest: stageInputDigest(parts.inputs, parts.prior),
    outcome: parts.outcome,
    outcomeDigest: digestOf(parts.outcome),
    reasons: parts.reasons.slice(0, REASONS_MAX),
    startedMs,
    endedMs: deps.now(),
  };
}

/** Reasons kept with a stage: a person reads them; the outcome has everything. */
const REASONS_MAX = 100;

export function stageInputDigest(inputs: unknown, prior: readonly StageRecord[]): string {
  return digestOf({ inputs, prior: prior.map(({ stage, outcomeDigest }) => [stage, outcomeDigest]) });
}

/** The cancellation signal of the running activity, and a throw when it has fired. */
export function cancellation(): AbortSignal {
  const { cancellationSignal } = Context.current();
  if (cancellationSignal.aborted) throw new CancelledFailure('the cycle was cancelled');
  return cancellationSignal;
}

/** Contexts are immutable once open: a few are kept, so that five stages load 10,000 items once. */
const CONTEXTS_MAX = 8;

export function createContexts(
  deps: Pick<ActivityDependencies, 'cycles' | 'plans'>,
): (ref: DecisionRef) => Promise<CycleContext> {
  const kept = new Map<string, CycleContext>();
  return async (ref) => {
    const key = `${ref.tenant}/${ref.pool}/${ref.decisionId}`;
    const known = kept.get(key);
    if (known !== undefined) return known;
    const context = await rested(deps, await deps.cycles.context(ref));
    kept.set(key, context);
    if (kept.size > CONTEXTS_MAX) kept.delete(kept.keys().next().value!);
    return context;
  };
}

/** The context with what rests in its cycle. A repeat of the past is made from what it was made from. */
async function rested(
  deps: Pick<ActivityDependencies, 'plans'>,
  context: Omit<CycleContext, 'circuits' | 'rests'>,
): Promise<CycleContext> {
  const { definition, items, asOfMs, openedMs: nowMs } = context;
  const has = Object.values(definition.datasets).some(({ fallback }) => fallback !== undefined);
  const circuits = (
    has && context.trigger !== 'backfill' ? await deps.plans.learned(context, 'circuit') : {}
  ) as Circuits;
  const rests = restsOf(definition, items, circuits, { asOfMs, nowMs });
  return {
    ...context,
    definition: { ...definition, datasets: withRests(definition.datasets, rests) },
    circuits,
    rests,
  };
}

/** Decisions whose stages are kept: a record of 10,000 items takes tens of megabytes. */
const DECISIONS_MAX = 4;

/** A stage that is stored never changes: what one stage has loaded, the later ones need not load again. */
export function keptStages(stages: StageStore): StageStore {
  const kept = new Map<string, Map<Recorded, StageRecord>>();
  return {
    ...stages,
    async find(ref, stage) {
      const key = `${ref.tenant}/${ref.pool}/${ref.decisionId}`;
      const known = kept.get(key)?.get(stage);
      if (known !== undefined) return known;
      const record = await stages.find(ref, stage);
      if (record === null) return null;
      const records = kept.get(key) ?? new Map<Recorded, StageRecord>();
      kept.set(key, records.set(stage, record));
      if (kept.size > DECISIONS_MAX) kept.delete(kept.keys().next().value!);
      return record;
    },
  };
}
