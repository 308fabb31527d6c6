/** What a pool learns from its own running: small states, read whole and changed under a lock. */
import { and, eq, sql } from 'drizzle-orm';
import type { LearnedKind } from '../activities/store-ports.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { Queryable } from './client.js';
import { learned } from './schema.js';

export async function learnedOf(
  db: Queryable,
  { tenant, pool }: PoolRef,
  kind: LearnedKind,
): Promise<Record<string, unknown>> {
  const rows = await db
    .select({ subject: learned.subject, state: learned.state })
    .from(learned)
    .where(and(eq(learned.tenant, tenant), eq(learned.pool, pool), eq(learned.kind, kind)));
  return Object.fromEntries(rows.map(({ subject, state }) => [subject, state]));
}

/** Changes one state; whoever comes at the same time waits for it. `change` gets null when nothing is known yet. */
export async function learn<State>(
  tx: Queryable,
  { tenant, pool }: PoolRef,
  kind: LearnedKind,
  subject: string,
  change: (before: State | null) => State,
  nowMs: number,
): Promise<void> {
  // The lock also holds off a second writer while there is no row to lock.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`${tenant}/${pool}/${kind}/${subject}`}, 0))`);
  const [row] = await tx
    .select({ state: learned.state })
    .from(learned)
    .where(
      and(eq(learned.tenant, tenant), eq(learned.pool, pool), eq(learned.kind, kind), eq(learned.subject, subject)),
    );
  const state = change((row?.state as State | undefined) ?? null);
  const values = { tenant, pool, kind, subject, state: state as object, updatedAt: new Date(nowMs) };
  await tx
    .insert(learned)
    .values(values)
    .onConflictDoUpdate({
      target: [learned.tenant, learned.pool, learned.kind, learned.subject],
      set: { state: values.state, updatedAt: values.updatedAt },
    });
}

/** The shared cache belongs to no pool. */
export const CACHE_SCOPE: PoolRef = { tenant: '', pool: '' };

/** Worth of what was evicted last from the shared cache; 0 before the first. */
export async function cacheClock(db: Queryable): Promise<number> {
  return ((await learnedOf(db, CACHE_SCOPE, 'cache-clock')).shared as number | undefined) ?? 0;
}
