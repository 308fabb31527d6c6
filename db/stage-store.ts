/** Stage records and plans: what the middle of a cycle stores. What comes of planned reads is in `batch-store.ts`. */
import { and, eq, sql } from 'drizzle-orm';
import type {
  BudgetCharge,
  BudgetLimit,
  CacheEntry,
  CacheHit,
  DecisionRef,
  PlannedBatch,
  PlanStore,
  StageRecord,
  StageStore,
} from '../activities/store-ports.js';
import type { SliceResult } from '../activities/ports.js';
import { cacheWorth } from '../domain/batch/cache-worth.js';
import { ordinalOf, type Recorded } from '../domain/decision/stages.js';
import { insertRows, type Database, type Queryable } from './client.js';
import { cacheClock, learnedOf } from './learned-store.js';
import { createQuotaStore } from './quota-store.js';
import { keepPromises } from './recurrence-store.js';
import { batches, budgets, cacheEntries, decisionStages } from './schema.js';

export function createStageStore(db: Database): StageStore {
  return {
    find: async (ref, stage) => {
      const [row] = await db.select().from(decisionStages).where(stageOf(ref, stage));
      return row === undefined ? null : toRecord(row);
    },
    save: async (ref, record) => {
      await insertStage(db, ref, record);
    },
  };
}

/** Stores a stage once; false when it was there already. */
export async function insertStage(tx: Queryable, ref: DecisionRef, record: StageRecord): Promise<boolean> {
  const { tenant, pool, decisionId } = ref;
  const inserted = await tx
    .insert(decisionStages)
    .values({
      tenant,
      pool,
      decisionId,
      stage: record.stage,
      ordinal: ordinalOf(record.stage),
      state: record.state,
      inputs: record.inputs,
      inputDigest: record.inputDigest,
      outcome: record.outcome,
      outcomeDigest: record.outcomeDigest,
      reasons: record.reasons,
      startedAt: new Date(record.startedMs),
      endedAt: new Date(record.endedMs),
    })
    .onConflictDoNothing()
    .returning({ stage: decisionStages.stage });
  return inserted.length === 1;
}

export function createPlanStore(db: Database): PlanStore {
  return {
    cached: (ref, asks, asOfMs) => cached(db, ref, asks, asOfMs),
    ...createQuotaStore(db),
    learned: (ref, kind) => learnedOf(db, ref, kind),
    tokens: (ref, limits, nowMs) => tokens(db, ref, limits, nowMs),
    savePlan: (ref, record, planned, charges, nowMs, promises = []) =>
      db.transaction(async (tx) => {
        if (!(await insertStage(tx, ref, record))) return false;
        const rows = planned.map((batch) => toBatchRow(ref, batch));
        await Promise.all([
          insertRows(tx, batches, rows),
          markUsed(tx, ref, record, nowMs),
          charge(tx, ref, charges, nowMs),
          keepPromises(tx, ref, promises),
        ]);
        return true;
      }),
  };
}

/** The cached results that a plan serves are in use now: worth more (`cacheWorth`), and kept until its cycle has delivered them. */
async function markUsed(tx: Queryable, ref: DecisionRef, { inputs }: StageRecord, nowMs: number): Promise<void> {
  const hits = (inputs as { cacheHits?: readonly CacheHit[] } | null)?.cacheHits ?? [];
  if (hits.length === 0) return;
  const used = JSON.stringify(hits.map(({ shape, contentId, asOfMs }) => ({ shape, contentId, asOfMs })));
  await tx.execute(sql`
    update cache_entries c set
      used_at = greatest(c.used_at, ${new Date(nowMs).toISOString()}::timestamptz), uses = c.uses + 1,
      worth = ${await cacheClock(tx)}::float8 + (c.uses + 1) * c.cost_ms / greatest(1, c.file_bytes)
    from jsonb_to_recordset(${used}::jsonb) as u(shape text, "contentId" text, "asOfMs" bigint)
    where c.tenant = ${ref.tenant} and c.pool = ${ref.pool}
      and c.shape = u.shape and c.content_id = u."contentId" and c.as_of_ms = u."asOfMs"`);
}

/** One row at most for each shape and content that is asked for: who pins a content never gets another one's answer. */
async function cached(
  db: Queryable,
  ref: DecisionRef,
  asks: readonly { shape: string; minAsOfMs: number; contentId: string | null }[],
  asOfMs: number,
): Promise<CacheHit[]> {
  if (asks.length === 0) return [];
  const wanted = JSON.stringify(asks);
  const rows = await db.execute<{ shape: string; as_of_ms: string; content_id: string; slice: SliceResult }>(sql`
    select distinct on (c.shape, w."contentId") c.shape, c.as_of_ms, c.content_id, c.slice
    from jsonb_to_recordset(${wanted}::jsonb) as w(shape text, "minAsOfMs" bigint, "contentId" text)
    join cache_entries c on c.shape = w.shape and c.as_of_ms >= w."minAsOfMs" and (w."contentId" is null or c.content_id = w."contentId")
    where c.tenant = ${ref.tenant} and c.pool = ${ref.pool} and c.as_of_ms <= ${asOfMs}
    order by c.shape, w."contentId" nulls first, c.as_of_ms desc, c.content_id`);
  return rows.map((row) => ({
    shape: row.shape,
    asOfMs: Number(row.as_of_ms),
    contentId: row.content_id,
    slice: row.slice,
  }));
}

/** Tokens refill continuously and never exceed the burst: Turner's token bucket, kept as (tokens, time). */
async function tokens(
  db: Queryable,
  ref: DecisionRef,
  limits: readonly BudgetLimit[],
  nowMs: number,
): Promise<Record<string, number>> {
  const rows = await db
    .select()
    .from(budgets)
    .where(and(eq(budgets.tenant, ref.tenant), eq(budgets.pool, ref.pool)));
  const stored = new Map(rows.map((row) => [row.resource, row]));
  return Object.fromEntries(
    limits.map(({ resource, perSecond, burst }) => {
      const row = stored.get(resource);
      if (row === undefined) return [resource, burst];
      const refilled = row.tokens + (perSecond * Math.max(0, nowMs - row.updatedAt.getTime())) / 1000;
      return [resource, Math.min(burst, refilled)];
    }),
  );
}

/** Takes (or, with a negative amount, gives back) tokens; the bucket is refilled up to now in the same statement. */
export async function charge(
  tx: Queryable,
  ref: DecisionRef,
  charges: readonly BudgetCharge[],
  nowMs: number,
): Promise<void> {
  const now = new Date(nowMs).toISOString();
  for (const { resource, perSecond, burst, amount } of charges) {
    await tx.execute(sql`
      insert into budgets as b (tenant, pool, resource, tokens, updated_at)
      values (${ref.tenant}, ${ref.pool}, ${resource}, ${burst - amount}::float8, ${now}::timestamptz)
      on conflict (tenant, pool, resource) do update set
        tokens = least(${burst}::float8, b.tokens + ${perSecond}::float8 * greatest(0, extract(epoch from excluded.updated_at - b.updated_at))) - ${amount}::float8,
        updated_at = greatest(b.updated_at, excluded.updated_at)`);
  }
}

/** Results enter the cache's index; equal ones once. */
export async function insertCacheEntries(
  tx: Queryable,
  { tenant, pool }: DecisionRef,
  entries: readonly CacheEntry[],
  now: Date,
): Promise<void> {
  if (entries.length === 0) return;
  const clock = await cacheClock(tx);
  const distinct = new Map(entries.map((entry) => [`${entry.shape} ${entry.contentId} ${entry.asOfMs}`, entry]));
  const rows = [...distinct.values()].map((entry) => ({
    tenant,
    pool,
    ...entry,
    path: entry.slice.path,
    fileBytes: entry.slice.fileBytes,
    createdAt: now,
    usedAt: now,
    worth: cacheWorth(clock, 1, entry.costMs, entry.slice.fileBytes),
  }));
  await insertRows(tx, cacheEntries, rows);
}

function stageOf(ref: DecisionRef, stage: Recorded) {
  return and(
    eq(decisionStages.tenant, ref.tenant),
    eq(decisionStages.pool, ref.pool),
    eq(decisionStages.decisionId, ref.decisionId),
    eq(decisionStages.stage, stage),
  );
}
export function toRecord(row: typeof decisionStages.$inferSelect): StageRecord {
  return {
    stage: row.stage as Recorded,
    state: row.state,
    inputs: row.inputs,
    inputDigest: row.inputDigest,
    outcome: row.outcome,
    outcomeDigest: row.outcomeDigest,
    reasons: row.reasons,
    startedMs: row.startedAt.getTime(),
    endedMs: row.endedAt.getTime(),
  };
}

function toBatchRow({ tenant, pool, decisionId }: DecisionRef, batch: PlannedBatch): typeof batches.$inferInsert {
  return {
    tenant,
    pool,
    decisionId,
    id: batch.batchId,
    ordinal: batch.ordinal,
    source: batch.source,
    dataset: batch.dataset,
    contentId: batch.contentId,
    asOfMs: batch.asOfMs,
    plan: planOf(batch),
    predictedBytes: Math.round(batch.predictedBytes),
    askedBytes: Math.round(batch.askedBytes),
    predictedMs: batch.predictedMs,
    predictedMemoryBytes: batch.predictedMemoryBytes === null ? null : Math.round(batch.predictedMemoryBytes),
    predictedStartMs: batch.predictedStartMs,
    aloneMs: batch.aloneMs,
  };
}

/** What of a plan has no column of its own. */
function planOf({ slices, predictedRows, prefetch, foreseenEndMs, joinable }: PlannedBatch) {
  return { slices, predictedRows, prefetch, foreseenEndMs, joinable };
}
