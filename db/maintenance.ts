/** Housekeeping: expired leases, the cache's byte budget, and what retention lets go. */
import { sql } from 'drizzle-orm';
import type { Database } from './client.js';
import { CACHE_SCOPE, learn } from './learned-store.js';

/** Files used this recently may be about to be delivered by a running cycle. */
export const EVICTION_GRACE_MS = 600_000;

/** A file of the cache, as eviction sees it. */
interface CachedFile extends Record<string, unknown> {
  readonly path: string;
  readonly file_bytes: string;
  readonly leased: boolean;
  readonly fresh: boolean;
  readonly worth: number;
}

/** Key of the advisory lock under which one worker evicts at a time: "cach" in ASCII. */
const EVICTION_LOCK = 0x63616368;

/**
 * Cache files that no lease protects, those worth least first (`domain/batch/cache-worth.ts`; equal worth: the least
 * recently used), until the cache is within its budget; their index entries are gone when this returns, so nobody finds
 * a file that is about to be removed. A file is leased while a delivery of it has not ended its lease; one that answers
 * no question any more is worth nothing.
 */
export async function evictCache(
  db: Database,
  bytesMax: number,
  nowMs: number,
  graceMs = EVICTION_GRACE_MS,
): Promise<string[]> {
  const now = new Date(nowMs).toISOString();
  return db.transaction(async (tx) => {
    // Two that look at the same time would each free the whole excess.
    await tx.execute(sql`select pg_advisory_xact_lock(${EVICTION_LOCK})`);
    const rows = await tx.execute<CachedFile>(sql`
      select path, max(file_bytes) as file_bytes, bool_or(leased) as leased, max(worth) as worth, max(used_at) > ${now}::timestamptz - ${graceMs} * interval '1 millisecond' as fresh from (
        select path, file_bytes, used_at, worth, false as leased from cache_entries
        union all
        select path, file_bytes, created_at, 0, lease_until > ${now}::timestamptz from deliveries where path not in (select path from removed_files)
      ) files group by path order by max(worth), max(used_at), path`);
    let total = rows.reduce((sum, row) => sum + Number(row.file_bytes), 0);
    const evicted: string[] = [];
    let clock = 0;
    for (const row of rows) {
      if (total <= bytesMax) break;
      if (row.leased || row.fresh) continue;
      evicted.push(row.path);
      clock = Math.max(clock, row.worth);
      total -= Number(row.file_bytes);
    }
    if (evicted.length > 0) {
      await learn<number>(tx, CACHE_SCOPE, 'cache-clock', 'shared', (before) => Math.max(before ?? 0, clock), nowMs);
      const paths = JSON.stringify(evicted);
      await tx.execute(
        sql`delete from cache_entries where path in (select jsonb_array_elements_text(${paths}::jsonb))`,
      );
      await tx.execute(
        sql`insert into removed_files (path, removed_at) select jsonb_array_elements_text(${paths}::jsonb), ${now}::timestamptz on conflict do nothing`,
      );
    }
    return evicted;
  });
}

/** The longest period of a quota in pool `p`: what was read in it is counted from its decisions' reads (`bytesSince`). */
const QUOTA_PERIOD = sql`coalesce((
  select max((source.value->'limits'->'quota'->>'per')::bigint) from jsonb_each(p.definition->'sources') source
), 0) * interval '1 millisecond'`;

/**
 * Deletes decisions, requests, metrics and profiles older than each pool keeps them; requests that are still open stay, and so
 * does a decision of which a read is under way.
 * @returns how many decisions went, and the cache files that nothing refers to any more
 */
export async function prune(db: Database, nowMs: number): Promise<{ decisions: number; unreferenced: string[] }> {
  const now = new Date(nowMs).toISOString();
  const aged = (key: 'decisions' | 'metrics') =>
    sql`${now}::timestamptz - ((p.definition->'retention'->>${key})::bigint * interval '1 millisecond')`;
  return db.transaction(async (tx) => {
    const files = await tx.execute<{ path: string }>(sql`
      select distinct d.path from deliveries d
      join requests r using (tenant, pool) join pools p using (tenant, pool)
      where r.id = d.request_id and r.closed_at < ${aged('decisions')} and d.lease_until < ${now}::timestamptz`);
    const gone = await tx.execute(sql`
      delete from cycles c using pools p
      where p.tenant = c.tenant and p.pool = c.pool and c.closed_at < ${aged('decisions')}
        and c.closed_at < ${now}::timestamptz - ${QUOTA_PERIOD}
        and not exists (select 1 from batches b where b.tenant = c.tenant and b.pool = c.pool and b.decision_id = c.id
          and b.state = 'planned' and b.outlasted_at is not null) returning c.id`);
    await tx.execute(sql`
      delete from requests r using pools p
      where p.tenant = r.tenant and p.pool = r.pool and r.closed_at < ${aged('decisions')}
        and not exists (select 1 from deliveries d where d.tenant = r.tenant and d.pool = r.pool and d.request_id = r.id and d.lease_until >= ${now}::timestamptz)`);
    await tx.execute(sql`
      delete from outbox o using pools p
      where p.tenant = o.tenant and p.pool = o.pool and o.published_at < ${aged('decisions')}`);
    await tx.execute(sql`
      delete from metric_history h using pools p
      where p.tenant = h.tenant and p.pool = h.pool
        and case when p.definition->'clock'->>'kind' = 'wall' then to_timestamp(h.at_ms / 1000.0) else h.recorded_at end < ${aged('metrics')}`);
    await tx.execute(sql`
      delete from profiles f using pools p
      where p.tenant = f.tenant and p.pool = f.pool and f.created_at < ${aged('metrics')}`);
    // The newest state of a series stays, whatever its age; older ones as long as decisions that went on from them.
    await tx.execute(sql`
      delete from series_states s using pools p
      where p.tenant = s.tenant and p.pool = s.pool and s.updated_at < ${aged('decisions')}
        and exists (select 1 from series_states n where n.tenant = s.tenant and n.pool = s.pool and n.series = s.series and n.up_to_ms > s.up_to_ms and n.updated_at < ${aged('decisions')})`);
    await tx.execute(sql`
      delete from warnings w using pools p
      where p.tenant = w.tenant and p.pool = w.pool and w.cleared_ms is not null and w.seen_at < ${aged('decisions')}`);
    await tx.execute(sql`
      delete from recurrences r using pools p
      where p.tenant = r.tenant and p.pool = r.pool and r.updated_at < ${aged('decisions')}`);
    await tx.execute(sql`
      delete from further_reads f using pools p
      where p.tenant = f.tenant and p.pool = f.pool and f.read_at < ${now}::timestamptz - ${QUOTA_PERIOD}`);
    // A removed file is remembered while a delivery names it, and as long as any pool remembers decisions.
    await tx.execute(sql`
      delete from removed_files f
      where f.removed_at < (select min(${aged('decisions')}) from pools p) and not exists (select 1 from deliveries d where d.path = f.path)`);
    const paths = JSON.stringify(files.map(({ path }) => path));
    const unreferenced = await tx.execute<{ path: string }>(sql`
      select path from jsonb_array_elements_text(${paths}::jsonb) as f(path)
      where path not in (select path from deliveries) and path not in (select path from cache_entries)`);
    return { decisions: gone.length, unreferenced: unreferenced.map(({ path }) => path) };
  });
}

/**
 * Those of the paths that nothing refers to: no delivery, no cached result, no read of a decision that is still open or that
 * outlasted it and is still to be handed out.
 * A cycle that ended between writing a file and closing leaves such files behind.
 */
export async function unreferencedFiles(db: Database, paths: readonly string[]): Promise<string[]> {
  const rows = await db.execute<{ path: string }>(sql`
    select f.path from jsonb_array_elements_text(${JSON.stringify(paths)}::jsonb) as f(path)
    where not exists (select 1 from deliveries d where d.path = f.path)
      and not exists (select 1 from cache_entries c where c.path = f.path)
      and f.path not in (
        select s.value->>'path' from decisions o
        join batches b on b.tenant = o.tenant and b.pool = o.pool and b.decision_id = o.id
        cross join lateral jsonb_array_elements(b.result->'slices') s
        where b.result is not null and (o.state = 'open' or b.outlasted_at is not null and exists (
          select 1 from requests r where r.tenant = b.tenant and r.pool = b.pool and r.read_id = b.id and r.state in ('pending', 'claimed'))))
    order by f.path`);
  return rows.map(({ path }) => path);
}
