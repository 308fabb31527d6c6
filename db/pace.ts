/**
 * Back pressure while reading: a token bucket for each limited resource of a source, in Postgres, whatever worker reads. In
 * any interval of t seconds at most `perSecond * t + burst` is taken from it (Turner's token bucket, 1986); what of that may
 * be taken and not yet read, and so leave later, `activities/pacing.ts` bounds: reads take portions, each before what it
 * pays for leaves, and only once they have one of the source's `scansAtOnce` slots.
 *
 * The plan's budget (`stage-store.ts`) decides how much is granted; this one decides when it may be read: a plan whose
 * reads are late must not meet the next plan's.
 */
import { setTimeout } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import type { BudgetCharge } from '../activities/store-ports.js';
import type { Pace } from '../activities/dependencies.js';
import type { PoolRef } from '../domain/types/pool.js';
import { BalanceError } from '../domain/types/errors.js';
import type { Database, Queryable } from './client.js';

/** Longest sleep between two looks: what others give back is noticed within it. */
const LOOK_MS_MAX = 1_000;

export function createPace(db: Database): Pace {
  return {
    async take(ref, charges, signal) {
      const taken = charges.filter(({ amount }) => amount > 0).sort((a, b) => (a.resource < b.resource ? -1 : 1));
      if (taken.length === 0) return null;
      for (;;) {
        const { atMs, waitMs } = await db.transaction((tx) => tryTake(tx, ref, taken));
        if (waitMs === 0) return atMs;
        await setTimeout(Math.min(waitMs, LOOK_MS_MAX), undefined, { signal }).catch(() => {
          const message = 'waiting for the limits of a source was cancelled';
          throw new BalanceError('interrupted', { type: 'Interrupted', message });
        });
      }
    },
    async settle(ref, charges) {
      for (const { resource, amount } of charges)
        await db.execute(sql`
          update budgets set tokens = tokens - ${amount}::float8
          where tenant = ${ref.tenant} and pool = ${ref.pool} and resource = ${nameOf(resource)}`);
    },
  };
}

/** The bucket that paces reads stands beside the one that plans are charged to. */
function nameOf(resource: string): string {
  return `pace:${resource}`;
}

/**
 * All of the charges, or none. What is larger than a bucket begins when the bucket is full, and leaves it in debt.
 * @returns the database's time when they were taken, or how long until they can be
 */
async function tryTake(
  tx: Queryable,
  { tenant, pool }: PoolRef,
  charges: readonly BudgetCharge[],
): Promise<{ atMs: number; waitMs: number }> {
  for (const { resource, burst } of charges)
    await tx.execute(sql`
      insert into budgets (tenant, pool, resource, tokens, updated_at)
      values (${tenant}, ${pool}, ${nameOf(resource)}, ${burst}::float8, clock_timestamp()) on conflict do nothing`);
  const names = JSON.stringify(charges.map(({ resource }) => nameOf(resource)));
  // Locked in one order; the clock is read under the locks, so that buckets see time go one way.
  const rows = await tx.execute<{ resource: string; tokens: number; at_ms: number }>(sql`
    select resource, tokens, extract(epoch from updated_at)::float8 * 1000 as at_ms from budgets
    where tenant = ${tenant} and pool = ${pool} and resource in (select jsonb_array_elements_text(${names}::jsonb))
    order by resource for update`);
  const [{ now_ms: atMs }] = await tx.execute<{ now_ms: number }>(
    sql`select extract(epoch from clock_timestamp())::float8 * 1000 as now_ms`,
  );
  const bucketOf = new Map(rows.map((row) => [row.resource, row]));
  const filled = charges.map((charge) => {
    const { tokens, at_ms: thenMs } = bucketOf.get(nameOf(charge.resource))!;
    const level = Math.min(charge.burst, tokens + (charge.perSecond * Math.max(0, atMs - thenMs)) / 1000);
    const missing = Math.min(charge.amount, charge.burst) - level;
    return { ...charge, level, waitMs: missing <= 0 ? 0 : Math.ceil((missing / charge.perSecond) * 1000) };
  });
  const waitMs = Math.max(...filled.map((one) => one.waitMs));
  if (waitMs > 0) return { atMs, waitMs };
  for (const { resource, level, amount } of filled)
    await tx.execute(sql`
      update budgets set tokens = ${level - amount}::float8, updated_at = to_timestamp(${atMs}::float8 / 1000)
      where tenant = ${tenant} and pool = ${pool} and resource = ${nameOf(resource)}`);
  return { atMs, waitMs: 0 };
}
