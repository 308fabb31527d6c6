/** Decisions as people read them: lists, and everything behind one, from these rows alone. */
import type { WaitReason } from '../domain/decision/work.js';
import { and, asc, desc, eq, inArray } from 'drizzle-orm';
import type { PoolRef } from '../domain/types/pool.js';
import { batchEfficiency, type BatchEfficiency } from '../domain/batch/efficiency.js';
import { BalanceError } from '../domain/types/errors.js';
import type { StageRecord } from '../activities/store-ports.js';
import type { CoordinateOutcome } from '../domain/decision/coordinate/coordinate.js';
import type { DecisionEffects } from '../domain/decision/coordinate/effect-record.js';
import type { AnalyzeInputs } from '../domain/decision/analyze/analyze.js';
import type { DatasetProfile } from '../domain/quality/dataset-profile.js';
import { stateKey, type PredictInputs, type PredictOutcome } from '../domain/decision/predict/predict.js';
import type { Warning } from '../domain/decision/predict/shortage.js';
import type { Database } from './client.js';
import { isRecordId } from '../domain/types/record-id.js';
import { formatPredicate } from '../domain/types/predicate.js';
import { batches, cycles, decisions, decisionStages, deliveries, prefetches, requests } from './schema.js';
import { loadStates } from './history-store.js';
import { forecastsMade, forecastsUsed, type ForecastMade, type ForecastUsed } from './forecast-outcomes.js';
import { toRecord } from './stage-store.js';

/** Requests listed in one explanation. */
const REQUESTS_MAX = 200;

export interface DecisionSummary {
  readonly id: string;
  readonly cycle: number;
  readonly trigger: string;
  readonly asOfMs: number;
  /** The run of a schedule that it is, and that run's nominal time. */
  readonly scheduleId: string | null;
  readonly nominalMs: number | null;
  readonly state: 'open' | 'closed';
  readonly outcome: string | null;
  readonly risk: string | null;
  readonly summary: string | null;
  readonly workflowId: string;
  readonly runId: string;
  readonly openedAt: Date;
  readonly closedAt: Date | null;
}
export interface Explanation {
  readonly decision: DecisionSummary & {
    readonly digest: string | null;
    readonly versions: Readonly<Record<string, string>>;
    readonly poolVersion: number;
    readonly reasons: readonly string[];
    readonly impact: unknown;
  };
  /** Requests that it leaves waiting, each with what it waits for then; its needs are among the requests. */
  readonly waits: readonly WaitReason[];
  readonly stages: readonly {
    readonly stage: string;
    readonly state: string;
    readonly inputDigest: string;
    readonly outcomeDigest: string;
    readonly reasons: readonly string[];
    readonly ms: number;
  }[];
  readonly requests: readonly RequestExplanation[];
  readonly batches: readonly {
    readonly id: string;
    readonly dataset: string;
    readonly state: string;
    /** Whether its cycle went on without it: those it was made for are served by a later one. */
    readonly outlasted: boolean;
    /** Why it came to nothing; null: it did not. */
    readonly error: string | null;
    readonly requests: number;
    readonly askedBytes: number | null;
    readonly predictedBytes: number;
    readonly actualBytes: number | null;
    readonly actualMs: number | null;
    /** Foreseen at planning; null before the dataset's first measured read. */
    readonly predictedMs: number | null;
    readonly predictedStartMs: number | null;
    readonly predictedMemoryBytes: number | null;
    readonly actualMemoryBytes: number | null;
    /** What it saved, and measured over foreseen less 1; null while it has not ended. */
    readonly efficiency: BatchEfficiency | null;
  }[];
  /** What the findings, and all that could be done about them, do to each model; null in records of older versions. */
  readonly effects: DecisionEffects | null;
  /** What the datasets hold, by dataset, with how much was read to know it. */
  readonly profiles: Readonly<Record<string, DatasetProfile>>;
  /** Why a dataset that is read for needs has no profile. */
  readonly unprofiled: Readonly<Record<string, string>>;
  /** What was forecast of each series, and what came of it. */
  readonly forecasts: readonly ForecastMade[];
  /** The forecasts that the stages' decisions rest on, and what came of them. */
  readonly forecastsUsed: readonly ForecastUsed[];
  readonly warnings: readonly Warning[];
  /** What was read ahead of being asked, and whether it was asked: `open` until its window has ended. */
  readonly prefetches: readonly {
    readonly shape: string;
    readonly model: string;
    readonly dataset: string;
    readonly untilMs: number;
    readonly probability: number;
    readonly bytes: number;
    readonly came: 'yes' | 'no' | 'open';
    readonly served: number;
  }[];
}
export interface RequestExplanation {
  readonly id: string;
  readonly kind: string;
  readonly needId: string | null;
  readonly model: string;
  readonly dataset: string;
  readonly state: string;
  /** Why it waits, or ended without a delivery. */
  readonly why: unknown;
  /** Who holds what it waits for, by name. */
  readonly blockers: readonly string[];
  readonly asked: { readonly fields: readonly string[]; readonly where: string; readonly rows: number | null };
  /** Rows asked for on top, because scarcity kept them back earlier. */
  readonly owedRows: number;
  readonly decisionId: string | null;
  readonly createdAt: Date;
  readonly closedAt: Date | null;
  readonly deadlineAt: Date | null;
  readonly cancelRequestedAt: Date | null;
  /** Cycles that looked at it, and those of them in a row that failed. */
  readonly attempts: number;
  readonly failures: number;
  readonly delivery: {
    readonly rows: number;
    readonly bytes: number;
    readonly chargedBytes: number;
    readonly verdict: string;
    readonly score: number;
    readonly served: string;
    readonly path: string;
    readonly asOfMs: number;
    /** `rows: new`: every row up to this event time has been handed out. */
    readonly upToMs: number | null;
    readonly leaseUntil: Date;
    readonly report: unknown;
  } | null;
}
export type DecisionStore = ReturnType<typeof createDecisionStore>;

export function createDecisionStore(db: Database) {
  return {
    listDecisions: async ({ tenant, pool }: PoolRef, limit: number): Promise<DecisionSummary[]> => {
      const rows = await summaries(db)
        .where(and(eq(decisions.tenant, tenant), eq(decisions.pool, pool)))
        .orderBy(desc(decisions.openedAt), desc(cycles.number))
        .limit(limit);
      return rows.map(toSummary);
    },
    decisionStages: (ref: PoolRef, decisionId: string): Promise<StageRecord[]> => stagesOf(db, ref, decisionId),
    /** The stored states that a decision's predict stage went on from, by `stateKey`: what a replay needs beside the stages. */
    decisionStates: async (
      ref: PoolRef,
      stages: readonly Pick<StageRecord, 'stage' | 'inputs'>[],
    ): Promise<ReadonlyMap<string, unknown>> => {
      const inputs = stages.find(({ stage }) => stage === 'predict')?.inputs as PredictInputs | undefined;
      const refs = (inputs?.series ?? []).flatMap(({ state, similar }) => [
        ...(state === null ? [] : [state]),
        ...similar,
      ]);
      return new Map((await loadStates(db, ref, refs)).map((state) => [stateKey(state), state.snapshot]));
    },
    /** Takes a decision's or a request's id: a request is explained by the decision that ended it, or that it waits in. */
    explain: async (ref: PoolRef, id: string): Promise<Explanation | RequestExplanation> => {
      const found = isRecordId(id)
        ? ((await explainDecision(db, ref, id)) ?? (await requestsOf(db, ref, eq(requests.id, id)))[0])
        : undefined;
      if (found === undefined)
        throw new BalanceError('usage', {
          type: 'UnknownId',
          message: `no decision and no request ${id}`,
          got: id,
          hint: '`balance decisions` lists decisions, `balance status` requests.',
        });
      return found;
    },
  };
}

function summaries(db: Database) {
  return db
    .select({ decision: decisions, cycle: cycles })
    .from(decisions)
    .innerJoin(
      cycles,
      and(eq(cycles.tenant, decisions.tenant), eq(cycles.pool, decisions.pool), eq(cycles.id, decisions.id)),
    )
    .$dynamic();
}

function toSummary({
  decision,
  cycle,
}: {
  decision: typeof decisions.$inferSelect;
  cycle: typeof cycles.$inferSelect;
}): DecisionSummary {
  const { id, state, outcome, risk, summary, openedAt, closedAt } = decision;
  const { number, trigger, asOfMs, scheduleId, nominalMs, workflowId, runId } = cycle;
  const asked = { trigger, asOfMs, scheduleId, nominalMs };
  return { id, cycle: number, ...asked, state, outcome, risk, summary, workflowId, runId, openedAt, closedAt };
}

async function stagesOf(db: Database, { tenant, pool }: PoolRef, decisionId: string): Promise<StageRecord[]> {
  const rows = await db
    .select()
    .from(decisionStages)
    .where(
      and(eq(decisionStages.tenant, tenant), eq(decisionStages.pool, pool), eq(decisionStages.decisionId, decisionId)),
    )
    .orderBy(asc(decisionStages.ordinal));
  return rows.map(toRecord);
}

async function explainDecision(db: Database, ref: PoolRef, id: string): Promise<Explanation | null> {
  const { tenant, pool } = ref;
  const [row] = await summaries(db).where(
    and(eq(decisions.tenant, tenant), eq(decisions.pool, pool), eq(decisions.id, id)),
  );
  if (row === undefined) return null;
  const stages = await stagesOf(db, ref, id);
  const [made, used, batchRows, prefetchRows, requestRows] = await Promise.all([
    forecastsMade(db, ref, stages),
    forecastsUsed(db, ref, stages),
    db
      .select()
      .from(batches)
      .where(and(eq(batches.tenant, tenant), eq(batches.pool, pool), eq(batches.decisionId, id)))
      .orderBy(asc(batches.ordinal)),
    db
      .select()
      .from(prefetches)
      .where(and(eq(prefetches.tenant, tenant), eq(prefetches.pool, pool), eq(prefetches.decisionId, id)))
      .orderBy(prefetches.shape),
    requestsOf(db, ref, eq(requests.decisionId, id)),
  ]);
  const { digest, versions, poolVersion, reasons, impact } = row.decision;
  const analyzed = stages.find(({ stage }) => stage === 'analyze')?.inputs as AnalyzeInputs | undefined;
  const closed = stages.find(({ stage }) => stage === 'coordinate')?.outcome as CoordinateOutcome | undefined;
  return {
    decision: { ...toSummary(row), digest, versions, poolVersion, reasons, impact },
    stages: stages.map(({ stage, state, inputDigest, outcomeDigest, reasons: why, startedMs, endedMs }) => ({
      stage,
      state,
      inputDigest,
      outcomeDigest,
      reasons: why,
      ms: endedMs - startedMs,
    })),
    requests: requestRows,
    waits: leftWaiting(stages, requestRows),
    batches: batchRows.map((batch) => ({
      id: batch.id,
      dataset: batch.dataset,
      state: batch.state,
      outlasted: batch.outlastedAt !== null,
      error: (batch.error as { reason: string } | null)?.reason ?? null,
      requests: (batch.plan as { slices: unknown[] }).slices.length,
      askedBytes: batch.askedBytes,
      predictedBytes: batch.predictedBytes,
      actualBytes: batch.actualBytes,
      actualMs: batch.actualMs,
      predictedMs: batch.predictedMs,
      predictedStartMs: batch.predictedStartMs,
      predictedMemoryBytes: batch.predictedMemoryBytes,
      actualMemoryBytes: batch.actualMemoryBytes,
      efficiency: efficiencyOf(batch),
    })),
    effects: closed?.effects ?? null,
    profiles: analyzed?.profiles ?? {},
    unprofiled: analyzed?.unprofiled ?? {},
    forecasts: made,
    forecastsUsed: used,
    warnings: predictedIn(stages)?.warnings ?? [],
    prefetches: prefetchRows.map(({ shape, model, dataset, untilMs, probability, bytes, askedMs, served, ended }) => ({
      ...{ shape, model, dataset, untilMs, probability, bytes, served },
      came: askedMs !== null ? 'yes' : ended ? 'no' : 'open',
    })),
  };
}

/** Asked: what its slices would have read and taken as reads of their own. */
function efficiencyOf(batch: typeof batches.$inferSelect): BatchEfficiency | null {
  const { slices } = batch.plan as { slices: unknown[] };
  const result = batch.result as { rowsRead: number; slices: readonly { rows: number }[] } | null;
  if (result === null || batch.actualMs === null) return null;
  const asked = {
    operations: slices.length,
    rows: result.slices.reduce((sum, { rows }) => sum + rows, 0),
    bytes: batch.askedBytes ?? 0,
    ms: batch.aloneMs ?? batch.actualMs,
  };
  const read = { operations: 1, rows: result.rowsRead, bytes: batch.actualBytes ?? 0, ms: batch.actualMs };
  return batchEfficiency({
    asked: [asked],
    read,
    predictedMs: batch.predictedMs,
    predictedBytes: batch.predictedBytes,
  });
}

function leftWaiting(stages: readonly StageRecord[], told: readonly RequestExplanation[]): readonly WaitReason[] {
  const coordinated = stages.find(({ stage }) => stage === 'coordinate')?.outcome as CoordinateOutcome | undefined;
  const known = new Set(told.map(({ id }) => id));
  return (coordinated?.waiting ?? []).filter(({ itemId }) => !known.has(itemId));
}

function predictedIn(stages: readonly StageRecord[]): PredictOutcome | undefined {
  return stages.find(({ stage }) => stage === 'predict')?.outcome as PredictOutcome | undefined;
}

async function requestsOf(
  db: Database,
  { tenant, pool }: PoolRef,
  which: ReturnType<typeof eq>,
): Promise<RequestExplanation[]> {
  const rows = await db
    .select({ request: requests, delivery: deliveries })
    .from(requests)
    .leftJoin(
      deliveries,
      and(
        eq(deliveries.tenant, requests.tenant),
        eq(deliveries.pool, requests.pool),
        eq(deliveries.requestId, requests.id),
      ),
    )
    .where(and(eq(requests.tenant, tenant), eq(requests.pool, pool), which))
    .orderBy(requests.kind, requests.model, requests.id)
    .limit(REQUESTS_MAX);
  const names = await blockerNames(
    db,
    { tenant, pool },
    rows.map(({ request }) => request.waiting),
  );
  return rows.map(({ request, delivery }) => ({
    id: request.id,
    kind: request.kind,
    needId: request.needId,
    model: request.model,
    dataset: request.dataset,
    state: request.state,
    why: request.waiting,
    blockers: blockersOf(request.waiting).map((one) => names.get(one) ?? one),
    asked: { fields: request.fields, where: formatPredicate(request.predicate), rows: request.rows },
    owedRows: request.owedRows,
    decisionId: request.decisionId,
    createdAt: request.createdAt,
    closedAt: request.closedAt,
    deadlineAt: request.deadlineAt,
    cancelRequestedAt: request.cancelRequestedAt,
    attempts: request.attempts,
    failures: request.failures,
    delivery:
      delivery === null
        ? null
        : {
            rows: delivery.rows,
            bytes: delivery.bytes,
            chargedBytes: delivery.chargedBytes,
            verdict: delivery.verdict,
            score: delivery.score,
            served: delivery.served,
            path: delivery.path,
            asOfMs: delivery.asOfMs,
            upToMs: delivery.upToMs,
            leaseUntil: delivery.leaseUntil,
            report: delivery.report,
          },
  }));
}

function blockersOf(waiting: unknown): readonly string[] {
  return (waiting as { blockers?: readonly string[] } | null)?.blockers ?? [];
}

/** What people call those that hold what others wait for: a need by its name, a request by its model. */
async function blockerNames(
  db: Database,
  { tenant, pool }: PoolRef,
  waiting: readonly unknown[],
): Promise<ReadonlyMap<string, string>> {
  const ids = [...new Set(waiting.flatMap(blockersOf))].filter(isRecordId);
  if (ids.length === 0) return new Map();
  const rows = await db
    .select({ id: requests.id, needId: requests.needId, model: requests.model })
    .from(requests)
    .where(and(eq(requests.tenant, tenant), eq(requests.pool, pool), inArray(requests.id, ids)));
  return new Map(rows.map(({ id, needId, model }) => [id, needId ?? `request ${id} of ${model}`]));
}
