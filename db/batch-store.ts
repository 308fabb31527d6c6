/** Planned reads and what comes of them: of those that end for their cycle, and of those that outlast it. */
import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import type { BatchOutcome, BatchStore, Ended, LeftReads, ReadEnds, SliceFailure } from '../activities/batch-ports.js';
import type { DecisionRef, PlannedBatch } from '../activities/store-ports.js';
import type { MergedReadResult } from '../activities/ports.js';
import { emptySizeModel, observeBatch, type SizeModelState } from '../domain/batch/size-model.js';
import { readWork } from '../domain/decision/batch/read-cost.js';
import type { ReadUnderWay } from '../domain/decision/batch/under-way.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { Database, Queryable } from './client.js';
import { learn } from './learned-store.js';
import { batches, requests } from './schema.js';
import { charge, insertCacheEntries } from './stage-store.js';

export function createBatchStore(db: Database): BatchStore {
  return {
    late: async (ref, dataset, most) =>
      db
        .select({
          ...{ id: requests.id, fields: requests.fields, where: requests.predicate },
          ...{ rows: requests.rows, seed: requests.seed },
        })
        .from(requests)
        .where(
          and(
            ...[eq(requests.tenant, ref.tenant), eq(requests.pool, ref.pool), eq(requests.state, 'pending')],
            ...[eq(requests.kind, 'request'), eq(requests.dataset, dataset), sql`${requests.readId} is null`],
          ),
        )
        .orderBy(asc(requests.createdAt), asc(requests.id))
        .limit(most),
    find: async (ref, batchId) => {
      const [row] = await db.select().from(batches).where(batchOf(ref, batchId));
      return row === undefined ? null : { plan: toPlanned(row), state: row.state };
    },
    done: (ref, batchId, result, actualMs, nowMs, ends, readFrom) =>
      db.transaction(async (tx) => {
        const { memoryBytes = null } = result;
        const read = { actualMs, actualBytes: result.bytesRead, readAt: new Date(nowMs) };
        const ended = { state: 'done', result, ...read } as const;
        const row = await endBatch(tx, ref, batchId, { ...ended, actualMemoryBytes: memoryBytes });
        if (row === null) return endedBefore(tx, ref, batchId);
        const plan = toPlanned(row);
        await learnReadCost(
          tx,
          ref,
          { ...plan, dataset: readFrom ?? plan.dataset },
          result,
          { ms: actualMs, bytes: memoryBytes },
          nowMs,
        );
        return settle(tx, ref, row, nowMs, ends);
      }),
    fail: (ref, batchId, reason, nowMs, ends) =>
      db.transaction(async (tx) => {
        const row = await endBatch(tx, ref, batchId, { state: 'failed', error: { reason } });
        return row === null ? endedBefore(tx, ref, batchId) : settle(tx, ref, row, nowMs, ends);
      }),
    wanted: (ref, batchId) => wanted(db, ref, batchId),
    leave: (ref, left, nowMs) => db.transaction((tx) => leave(tx, ref, left, nowMs)),
    underWay: (ref) => underWay(db, ref),
    ended: async (ref, batchIds) => {
      if (batchIds.length === 0) return [];
      const { tenant, pool, id, state } = batches;
      const rows = await db
        .select()
        .from(batches)
        .where(and(eq(tenant, ref.tenant), eq(pool, ref.pool), inArray(id, [...batchIds]), sql`${state} <> 'planned'`));
      return rows.map(toOutcome);
    },
    all: async (ref) => {
      const rows = await db
        .select()
        .from(batches)
        .where(and(eq(batches.tenant, ref.tenant), eq(batches.pool, ref.pool), eq(batches.decisionId, ref.decisionId)))
        .orderBy(asc(batches.ordinal));
      return rows.map(toOutcome).filter(({ plan }) => plan.prefetch === undefined);
    },
  };
}

type BatchRow = typeof batches.$inferSelect;

/** Ends a batch once; null when it had ended. */
async function endBatch(
  tx: Queryable,
  ref: DecisionRef,
  batchId: string,
  ended: Partial<typeof batches.$inferInsert>,
): Promise<BatchRow | null> {
  const [row] = await tx
    .update(batches)
    .set(ended)
    .where(and(batchOf(ref, batchId), eq(batches.state, 'planned')))
    .returning();
  return row ?? null;
}

async function endedBefore(tx: Queryable, ref: DecisionRef, batchId: string): Promise<Ended> {
  const [row] = await tx.select({ atMs: batches.outlastedAt }).from(batches).where(batchOf(ref, batchId));
  return { outlasted: row !== undefined && row.atMs !== null };
}

/** What an end settles by itself. Who waits for a read that outlasted its cycle, or for what it held, is due now. */
async function settle(
  tx: Queryable,
  ref: DecisionRef,
  { id, outlastedAt }: BatchRow,
  nowMs: number,
  { always, outlasted }: ReadEnds,
): Promise<Ended> {
  for (const end of [always, outlastedAt === null ? undefined : outlasted]) {
    if (end === undefined) continue;
    await insertCacheEntries(tx, ref, end.cache, new Date(nowMs));
    await charge(tx, ref, end.settle, nowMs);
  }
  if (outlastedAt !== null)
    await tx.execute(sql`
      update requests set not_before = least(not_before, ${new Date(nowMs).toISOString()}::timestamptz)
      where tenant = ${ref.tenant} and pool = ${ref.pool} and state = 'pending' and (read_id = ${id} or waiting->'blockers' ? ${id})`);
  return { outlasted: outlastedAt !== null };
}

/** One that outlasted its cycle is for those that are linked with it, or wait to be cut from it; any other for its cycle. */
async function wanted(db: Queryable, ref: DecisionRef, batchId: string): Promise<boolean> {
  const [row] = await db.execute<{ wanted: boolean }>(sql`
    select b.state = 'planned' and (b.outlasted_at is null or exists (
      select 1 from requests r where r.tenant = b.tenant and r.pool = b.pool and (r.read_id = b.id or r.waiting->>'resource' = 'read:' || b.id)
        and r.state in ('pending', 'claimed') and r.cancel_requested_at is null)) as wanted
    from batches b where b.tenant = ${ref.tenant} and b.pool = ${ref.pool} and b.id = ${batchId}`);
  return row?.wanted ?? false;
}

async function leave(tx: Queryable, ref: DecisionRef, { running, notBegun }: LeftReads, nowMs: number): Promise<void> {
  const mine = sql`b.tenant = ${ref.tenant} and b.pool = ${ref.pool} and b.decision_id = ${ref.decisionId} and b.state = 'planned'`;
  const named = (ids: readonly string[]) =>
    sql`b.id in (select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb))`;
  const error = JSON.stringify({ reason: NOT_BEGUN });
  await tx.execute(
    sql`update batches b set state = 'failed', error = ${error}::jsonb where ${mine} and ${named(notBegun)}`,
  );
  await tx.execute(sql`
    update batches b set outlasted_at = ${new Date(nowMs).toISOString()}::timestamptz
    where ${mine} and ${named(running)} and b.outlasted_at is null`);
  await tx.execute(sql`
    update requests r set read_id = b.id from batches b, jsonb_array_elements(b.plan->'slices') s
    where b.tenant = ${ref.tenant} and b.pool = ${ref.pool} and b.decision_id = ${ref.decisionId} and b.outlasted_at is not null
      and r.tenant = b.tenant and r.pool = b.pool and r.decision_id = b.decision_id and r.id = (s->>'id')::uuid`);
}

/** Of a read that had not begun when its cycle went on. */
const NOT_BEGUN = 'its cycle ended before it began';

async function underWay(db: Queryable, ref: PoolRef): Promise<ReadUnderWay[]> {
  const { tenant, pool, state, outlastedAt } = batches;
  const rows = await db
    .select()
    .from(batches)
    .where(and(eq(tenant, ref.tenant), eq(pool, ref.pool), eq(state, 'planned'), sql`${outlastedAt} is not null`))
    .orderBy(asc(outlastedAt), asc(batches.id));
  return rows.map((row) => {
    const { slices, foreseenEndMs, joinable = false } = toPlanned(row);
    const sinceMs = row.outlastedAt!.getTime();
    const { id, decisionId, source, dataset, asOfMs } = row;
    return { id, decisionId, source, dataset, asOfMs, sinceMs, endMs: foreseenEndMs ?? sinceMs, slices, joinable };
  });
}

function toOutcome(row: BatchRow): BatchOutcome {
  return {
    plan: toPlanned(row),
    result: row.result as BatchOutcome['result'],
    error: (row.error as { reason: string } | null)?.reason ?? null,
    outlastedMs: row.outlastedAt?.getTime() ?? null,
  };
}

/** Teaches the model of a dataset's reads. One with a bad slice was read in halves, again and again: it says nothing of others. */
async function learnReadCost(
  tx: Queryable,
  ref: DecisionRef,
  { dataset, slices }: PlannedBatch,
  result: MergedReadResult & { readonly failures: readonly SliceFailure[] },
  measured: { readonly ms: number; readonly bytes: number | null },
  nowMs: number,
): Promise<void> {
  if (result.failures.length > 0) return;
  const rowsOf = new Map(result.slices.map(({ id, rows }) => [id, rows]));
  const items = readWork(slices.map(({ id, fields }) => ({ rows: rowsOf.get(id) ?? 0, fields })));
  const observe = (before: SizeModelState | null) => observeBatch(before ?? emptySizeModel, { items, ...measured });
  await learn(tx, ref, 'read-cost', dataset, observe, nowMs);
}

function batchOf(ref: DecisionRef, batchId: string) {
  return and(eq(batches.tenant, ref.tenant), eq(batches.pool, ref.pool), eq(batches.id, batchId));
}

function toPlanned(row: typeof batches.$inferSelect): PlannedBatch {
  const plan = row.plan as Pick<PlannedBatch, 'slices' | 'prefetch'> & Partial<PlannedBatch>;
  return {
    batchId: row.id,
    ordinal: row.ordinal,
    source: row.source,
    dataset: row.dataset,
    contentId: row.contentId,
    asOfMs: row.asOfMs,
    slices: plan.slices,
    ...(plan.prefetch === undefined ? {} : { prefetch: plan.prefetch }),
    predictedBytes: row.predictedBytes,
    predictedRows: plan.predictedRows ?? 0,
    askedBytes: row.askedBytes ?? 0,
    predictedMs: row.predictedMs,
    predictedMemoryBytes: row.predictedMemoryBytes,
    predictedStartMs: row.predictedStartMs,
    aloneMs: row.aloneMs,
    ...(plan.foreseenEndMs === undefined ? {} : { foreseenEndMs: plan.foreseenEndMs }),
    ...(plan.joinable === undefined ? {} : { joinable: plan.joinable }),
  };
}
