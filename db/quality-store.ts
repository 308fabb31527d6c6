/** What deliveries taught: references, the strategy of corrections, asks for data. Read before a cycle judges, written when it closes. */
import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Closing, DecisionRef, HistoryStore } from '../activities/store-ports.js';
import {
  costKey,
  COST_CASES_MAX,
  foreseeCost,
  foreseeGain,
  gainKey,
  type Cost,
} from '../domain/decision/quality/correction-cost.js';
import { ISSUES, type FileAction, type Issue } from '../domain/quality/correction.js';
import { EMPTY_STRATEGY } from '../domain/quality/strategy.js';
import type { PoolRef } from '../domain/types/pool.js';
import { chunked, type Database, type Queryable } from './client.js';
import { corrections, dataAsks, needReferences, outbox, strategies } from './schema.js';

export function createQualityStore(
  db: Database,
): Pick<HistoryStore, 'references' | 'saveReferences' | 'strategy' | 'costs' | 'gains' | 'asks'> {
  return {
    references: async ({ tenant, pool }, needIds) => {
      if (needIds.length === 0) return {};
      const { needId, reference } = needReferences;
      const mine = and(eq(needReferences.tenant, tenant), eq(needReferences.pool, pool), inArray(needId, [...needIds]));
      const rows = await db.select({ needId, reference }).from(needReferences).where(mine).orderBy(needId);
      return Object.fromEntries(rows.map((row) => [row.needId, row.reference]));
    },
    saveReferences: (ref, references, nowMs) => keepReferences(db, ref, references, new Date(nowMs)),
    strategy: async ({ tenant, pool }) => {
      const mine = and(eq(strategies.tenant, tenant), eq(strategies.pool, pool));
      const [row] = await db.select({ state: strategies.state }).from(strategies).where(mine);
      return row?.state ?? EMPTY_STRATEGY;
    },
    costs: async ({ tenant, pool }, asked) => {
      const rows = await db.execute<{ dataset: string; action: FileAction; costs: Cost[] }>(sql`
        select a.dataset, a.action, jsonb_agg(c.took) as costs
        from jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) as a(dataset text, action text)
        cross join lateral (
          select cost -> 'took' as took from corrections
          where tenant = ${tenant} and pool = ${pool} and dataset = a.dataset and action = a.action
            and jsonb_typeof(cost -> 'took') = 'object'
          order by created_at desc, decision_id, request_id, step limit ${COST_CASES_MAX}) c
        group by a.dataset, a.action order by a.dataset, a.action`);
      return Object.fromEntries(
        rows.map(({ dataset, action, costs }) => [costKey(dataset, action), foreseeCost(costs)!]),
      );
    },
    gains: async ({ tenant, pool }, asked) => {
      const rows = await db.execute<{ dataset: string; action: FileAction; issue: Issue; deltas: number[] }>(sql`
        select a.dataset, a.action, i.issue, jsonb_agg(c.measured_delta) as deltas
        from jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) as a(dataset text, action text)
        cross join jsonb_array_elements_text(${JSON.stringify(ISSUES)}::jsonb) as i(issue)
        cross join lateral (
          select measured_delta from corrections
          where tenant = ${tenant} and pool = ${pool} and dataset = a.dataset and action = a.action and issue = i.issue
            and measured_delta is not null
          order by created_at desc, decision_id, request_id, step limit ${COST_CASES_MAX}) c
        group by a.dataset, a.action, i.issue order by a.dataset, a.action, i.issue`);
      return Object.fromEntries(rows.map((row) => [gainKey(row.dataset, row), foreseeGain(row.deltas)!]));
    },
    asks: async ({ tenant, pool }, needIds) => {
      if (needIds.length === 0) return {};
      const mine = and(eq(dataAsks.tenant, tenant), eq(dataAsks.pool, pool), inArray(dataAsks.needId, [...needIds]));
      const rows = await db.select().from(dataAsks).where(mine).orderBy(dataAsks.needId);
      return Object.fromEntries(
        rows.map(({ needId, askedAt, rows: missing }) => [needId, { askedMs: askedAt.getTime(), rows: missing }]),
      );
    },
  };
}

/** Keeps what a decision's deliveries teach, and its messages to owners. */
export async function keepLessons(
  tx: Queryable,
  ref: DecisionRef,
  closing: Pick<Closing, 'references' | 'strategy' | 'corrections' | 'asks'>,
  now: Date,
): Promise<void> {
  const { tenant, pool, decisionId } = ref;
  await keepReferences(tx, ref, closing.references, now);
  if (closing.strategy !== null) {
    const state = closing.strategy;
    await tx
      .insert(strategies)
      .values({ tenant, pool, state, updatedAt: now })
      .onConflictDoUpdate({ target: [strategies.tenant, strategies.pool], set: { state, updatedAt: now } });
  }
  const done = closing.corrections.map((one) => ({ tenant, pool, decisionId, ...one, createdAt: now }));
  for (const chunk of chunked(done)) await tx.insert(corrections).values(chunk).onConflictDoNothing();
  for (const { requestId, ...ask } of closing.asks) {
    await tx
      .insert(outbox)
      .values({ tenant, pool, kind: 'ask', subject: requestId, decisionId, payload: ask, createdAt: now })
      .onConflictDoNothing();
    const asked = { askedAt: now, rows: ask.rows };
    await tx
      .insert(dataAsks)
      .values({ tenant, pool, needId: ask.needId, ...asked })
      .onConflictDoUpdate({ target: [dataAsks.tenant, dataAsks.pool, dataAsks.needId], set: asked });
  }
}

async function keepReferences(
  db: Queryable,
  { tenant, pool }: PoolRef,
  references: Closing['references'],
  now: Date,
): Promise<void> {
  const rows = references.map((one) => ({ tenant, pool, ...one, updatedAt: now }));
  for (const chunk of chunked(rows)) {
    await db
      .insert(needReferences)
      .values(chunk)
      .onConflictDoUpdate({
        target: [needReferences.tenant, needReferences.pool, needReferences.needId],
        set: { reference: sql`excluded.reference`, updatedAt: sql`excluded.updated_at` },
      });
  }
}
