/** Warnings: raised by a decision, still true in later ones, cleared by one. */
import { and, desc, eq, gt, isNull, sql } from 'drizzle-orm';
import type { DecisionRef } from '../activities/store-ports.js';
import type { OpenWarning, Warning } from '../domain/decision/predict/shortage.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { Database, Queryable } from './client.js';
import { warnings } from './schema.js';

export type WarningRow = typeof warnings.$inferSelect;

function inPool({ tenant, pool }: PoolRef) {
  return and(eq(warnings.tenant, tenant), eq(warnings.pool, pool));
}

export async function openWarnings(db: Queryable, ref: PoolRef): Promise<OpenWarning[]> {
  return db
    .select({ kind: warnings.kind, subject: warnings.subject, raisedMs: warnings.raisedMs })
    .from(warnings)
    .where(and(inPool(ref), isNull(warnings.clearedMs)))
    .orderBy(warnings.kind, warnings.subject, warnings.raisedMs);
}

export async function alarmsSince(db: Queryable, ref: PoolRef, afterMs: number): Promise<number> {
  const [row] = await db
    .select({ count: sql<number>`count(*)::int` })
    .from(warnings)
    .where(and(inPool(ref), eq(warnings.kind, 'anomaly'), gt(warnings.raisedMs, afterMs)));
  return row.count;
}

export async function keepWarnings(
  tx: Queryable,
  { tenant, pool, decisionId }: DecisionRef,
  found: readonly Warning[],
  nowMs: number,
): Promise<void> {
  if (found.length === 0) return;
  const now = new Date(nowMs).toISOString();
  await tx.execute(sql`
    insert into warnings as w (tenant, pool, kind, subject, raised_ms, raised_by, severity, message, action, seen_by, seen_at, cleared_ms)
    select ${tenant}, ${pool}, n.kind, n.subject, n."raisedMs", ${decisionId}, n.severity, n.message, n.action, ${decisionId}, ${now}::timestamptz,
      case when n.state = 'cleared' then n."raisedMs" end
    from jsonb_to_recordset(${JSON.stringify(found)}::jsonb)
      as n(kind text, subject text, "raisedMs" bigint, state text, severity text, message text, action text)
    on conflict (tenant, pool, kind, subject, raised_ms) do update set
      seen_by = excluded.seen_by, seen_at = excluded.seen_at, cleared_ms = (
        select c.as_of_ms from cycles c where c.tenant = w.tenant and c.pool = w.pool and c.id = excluded.seen_by and excluded.cleared_ms is not null),
      severity = case when excluded.cleared_ms is null and w.kind = 'shortage' then excluded.severity else w.severity end,
      message = case when excluded.cleared_ms is null and w.kind = 'shortage' then excluded.message else w.message end,
      action = case when excluded.cleared_ms is null and w.kind = 'shortage' then excluded.action else w.action end`);
}

/** Open warnings first, then the newest. */
export async function listWarnings(db: Database, ref: PoolRef, limit: number): Promise<WarningRow[]> {
  return db
    .select()
    .from(warnings)
    .where(inPool(ref))
    .orderBy(sql`${warnings.clearedMs} is not null`, desc(warnings.raisedMs), warnings.kind, warnings.subject)
    .limit(limit);
}
