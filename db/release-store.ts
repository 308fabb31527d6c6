/** What waits for a cycle of its own, and what its release is decided from: all from rows that are kept anyway. */
import { sql } from 'drizzle-orm';
import type { Released, RequestGate } from '../activities/release-ports.js';
import {
  CYCLES_MAX,
  EARLIER_MAX,
  WAIT_MS_MAX,
  WAITING_MAX,
  type ReleaseInputs,
  type WaitingRequest,
} from '../domain/decision/release.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { Database } from './client.js';
import { learn, learnedOf } from './learned-store.js';

interface Kept {
  readonly digest: string;
  readonly released: Released;
}

/** Cycles looked back on for those that waiting requests began; scheduled ones may be many. */
const CYCLES_LOOKED_AT = 4 * CYCLES_MAX;

export function createRequestGate(db: Database): RequestGate {
  return {
    waiting: async (ref, nowMs) => {
      const waiting = await waitingRequests(db, ref, nowMs);
      if (waiting.length === 0) return null;
      const [earlier, cycles, settings] = await Promise.all([
        arrivalsBefore(db, ref, waiting[0]),
        latestCycles(db, ref),
        settingsOf(db, ref),
      ]);
      return { nowMs, waiting, ...earlier, ...cycles, ...settings };
    },
    // One state for a pool: a loop begins one cycle at a time, and asks again only after it.
    keep: (ref, digest, released, nowMs) =>
      db.transaction((tx) => learn<Kept>(tx, ref, 'release', 'next', () => ({ digest, released }), nowMs)),
    kept: async (ref, digest) => {
      const next = (await learnedOf(db, ref, 'release')).next as Kept | undefined;
      return next?.digest === digest ? next.released : null;
    },
  };
}

/**
 * Pending requests that may be looked at now, and those that a terminated cycle left claimed by a decision that is still
 * open; the oldest first. Asked only while no cycle runs.
 */
async function waitingRequests(db: Database, { tenant, pool }: PoolRef, nowMs: number): Promise<WaitingRequest[]> {
  const rows = await db.execute<Timed & { deadline_ms: number | null; priority: number; tried: boolean }>(sql`
    select id, extract(epoch from created_at)::float8 * 1000 as at_ms, extract(epoch from deadline_at)::float8 * 1000 as deadline_ms, priority, tried from (
      (select id, created_at, deadline_at, priority, attempts > 0 or failures > 0 as tried from requests
        where tenant = ${tenant} and pool = ${pool} and state = 'pending' and not_before <= ${new Date(nowMs).toISOString()}::timestamptz
        order by created_at, id limit ${WAITING_MAX})
      union all
      (select r.id, r.created_at, r.deadline_at, r.priority, true from decisions d
        join requests r on r.tenant = d.tenant and r.pool = d.pool and r.decision_id = d.id
        where d.tenant = ${tenant} and d.pool = ${pool} and d.state = 'open' and r.state = 'claimed' and r.kind = 'request'
        limit ${WAITING_MAX})
    ) found order by created_at, id limit ${WAITING_MAX}`);
  return rows.map(({ id, at_ms, deadline_ms, priority, tried }) => {
    return { id, atMs: Math.round(at_ms), deadlineMs: deadline_ms && Math.round(deadline_ms), priority, tried };
  });
}

interface Timed extends Record<string, unknown> {
  readonly id: string;
  readonly at_ms: number;
}

/** When the latest requests before this one came, ascending, and when each was answered. */
async function arrivalsBefore(
  db: Database,
  { tenant, pool }: PoolRef,
  first: WaitingRequest,
): Promise<Required<Pick<ReleaseInputs, 'earlierMs' | 'answeredMs'>>> {
  const rows = await db.execute<Timed & { answered_ms: number | null }>(sql`
    select id, extract(epoch from created_at)::float8 * 1000 as at_ms, extract(epoch from closed_at)::float8 * 1000 as answered_ms from requests
    where tenant = ${tenant} and pool = ${pool} and kind = 'request'
      and (created_at, id) < (${new Date(first.atMs).toISOString()}::timestamptz, ${first.id}::uuid)
    order by created_at desc, id desc limit ${EARLIER_MAX}`);
  const earlier = rows.reverse();
  return {
    earlierMs: earlier.map(({ at_ms }) => Math.round(at_ms)),
    answeredMs: earlier.map(({ answered_ms }) => answered_ms && Math.round(answered_ms)),
  };
}

/** How long the latest cycles for waiting requests took that handed something out, and when the last cycle of any kind ended. */
async function latestCycles(
  db: Database,
  { tenant, pool }: PoolRef,
): Promise<Pick<ReleaseInputs, 'cycleMs' | 'idleSinceMs'>> {
  const rows = await db.execute<{ work: boolean; ms: number; end_ms: number }>(sql`
    select c.trigger = 'work' and d.outcome in ('delivered', 'partial') as work,
      extract(epoch from d.closed_at - d.opened_at)::float8 * 1000 as ms, extract(epoch from d.closed_at)::float8 * 1000 as end_ms
    from cycles c join decisions d using (tenant, pool, id)
    where c.tenant = ${tenant} and c.pool = ${pool} and d.state = 'closed'
    order by c.number desc limit ${CYCLES_LOOKED_AT}`);
  const measured = rows.filter(({ work }) => work).slice(0, CYCLES_MAX);
  return {
    cycleMs: measured.map(({ ms }) => Math.max(0, Math.round(ms))),
    idleSinceMs: rows.length === 0 ? null : Math.round(rows[0].end_ms),
  };
}

async function settingsOf(
  db: Database,
  { tenant, pool }: PoolRef,
): Promise<Pick<ReleaseInputs, 'waitMsMax' | 'requestsMax'>> {
  const [row] = await db.execute<{ wait: number; requests: number }>(sql`
    select coalesce((definition->'release'->>'maxWait')::float8, ${WAIT_MS_MAX}::float8) as wait,
      (definition->>'maxRequestsPerCycle')::int as requests
    from pools where tenant = ${tenant} and pool = ${pool}`);
  // Of a pool that is not there nothing is held: the cycle says what is wrong.
  return { waitMsMax: row?.wait ?? 0, requestsMax: row?.requests ?? 1 };
}
