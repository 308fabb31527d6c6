/** What has left a source with a quota: by the reads that were planned, and by those that a decision made beyond its plan. */
import { sql } from 'drizzle-orm';
import type { PlanStore } from '../activities/store-ports.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { Database, Queryable } from './client.js';

export function createQuotaStore(db: Database): Pick<PlanStore, 'bytesSince' | 'takeQuota' | 'settleQuota'> {
  return {
    bytesSince: (ref, source, sinceMs) => bytesSince(db, ref, source, sinceMs),
    takeQuota: (ref, { id, source, bytes, quotaBytes, sinceMs, nowMs }) =>
      db.transaction(async (tx) => {
        const { tenant, pool, decisionId } = ref;
        // Whoever takes of a quota sees what others have taken.
        await tx.execute(
          sql`select pg_advisory_xact_lock(hashtextextended(${`quota/${tenant}/${pool}/${source}`}, 0))`,
        );
        const left = quotaBytes - (await bytesSince(tx, ref, source, sinceMs));
        if (bytes > left) return { taken: false, left: Math.max(0, left) };
        await tx.execute(sql`
          insert into further_reads as f (tenant, pool, decision_id, id, source, bytes, read_at)
          values (${tenant}, ${pool}, ${decisionId}, ${id}, ${source}, ${bytes}, ${new Date(nowMs).toISOString()}::timestamptz)
          on conflict (tenant, pool, decision_id, id) do update set bytes = f.bytes + excluded.bytes, read_at = excluded.read_at`);
        return { taken: true, left: left - bytes };
      }),
    settleQuota: async ({ tenant, pool, decisionId }, { id, bytes, nowMs }) => {
      await db.execute(sql`
        update further_reads set bytes = greatest(0, bytes + ${bytes}::float8), read_at = ${new Date(nowMs).toISOString()}::timestamptz
        where tenant = ${tenant} and pool = ${pool} and decision_id = ${decisionId} and id = ${id}`);
    },
  };
}

async function bytesSince(db: Queryable, { tenant, pool }: PoolRef, source: string, sinceMs: number): Promise<number> {
  const since = new Date(sinceMs).toISOString();
  const [row] = await db.execute<{ bytes: number }>(sql`
    select coalesce((
        select sum(case b.state when 'done' then b.actual_bytes else b.predicted_bytes end)
        from decisions d join batches b on b.tenant = d.tenant and b.pool = d.pool and b.decision_id = d.id
        where d.tenant = ${tenant} and d.pool = ${pool} and b.source = ${source}
          and (d.closed_at is null or d.closed_at > ${since}::timestamptz or b.outlasted_at is not null)
          and case b.state when 'done' then coalesce(b.read_at, d.opened_at) > ${since}::timestamptz
            when 'planned' then d.state = 'open' or b.outlasted_at is not null else false end), 0)::float8
      + coalesce((
        select sum(f.bytes) from further_reads f
        where f.tenant = ${tenant} and f.pool = ${pool} and f.source = ${source} and f.read_at > ${since}::timestamptz), 0) as bytes`);
  return row.bytes;
}
