/** Pools: what is declared, what changed, what is there. */
import { isDeepStrictEqual } from 'node:util';
import { and, eq, sql } from 'drizzle-orm';
import type { PoolDefinition, PoolRef } from '../domain/types/pool.js';
import type { Database } from './client.js';
import { pools, poolVersions } from './schema.js';

export type PoolRow = typeof pools.$inferSelect;
export interface AppliedPool {
  readonly version: number;
  readonly changed: boolean;
}

export function createPoolStore(db: Database) {
  return {
    find: async ({ tenant, pool }: PoolRef): Promise<PoolRow | null> => {
      const [row] = await db
        .select()
        .from(pools)
        .where(and(eq(pools.tenant, tenant), eq(pools.pool, pool)));
      return row ?? null;
    },
    list: async (tenant?: string): Promise<PoolRow[]> =>
      db
        .select()
        .from(pools)
        .where(tenant === undefined ? sql`true` : eq(pools.tenant, tenant))
        .orderBy(pools.tenant, pools.pool),
    /** Stores a definition as a new version; the same definition again changes nothing. A replay clock keeps where it stands; what waits is looked at again. */
    apply: (ref: PoolRef, definition: PoolDefinition, digest: string, baseDir: string): Promise<AppliedPool> =>
      db.transaction(async (tx) => {
        const { tenant, pool } = ref;
        const [row] = await tx
          .select()
          .from(pools)
          .where(and(eq(pools.tenant, tenant), eq(pools.pool, pool)))
          .for('update');
        // By content: one that an older version stored has another digest, although defaults that came later complete it.
        if (row?.baseDir === baseDir && isDeepStrictEqual(row.definition, JSON.parse(JSON.stringify(definition))))
          return { version: row.version, changed: false };
        const version = (row?.version ?? 0) + 1;
        await tx
          .insert(pools)
          .values({ tenant, pool, version, definition, digest, baseDir })
          .onConflictDoUpdate({
            target: [pools.tenant, pools.pool],
            set: { version, definition, digest, baseDir, updatedAt: sql`now()` },
          });
        await tx.insert(poolVersions).values({ tenant, pool, version, definition, digest });
        // What waits for a limit or a window may wait no longer under the new ones. What a failure spaces out stays so.
        await tx.execute(sql`
          update requests set not_before = least(not_before, now())
          where tenant = ${tenant} and pool = ${pool} and state = 'pending' and failures = 0`);
        return { version, changed: true };
      }),
  };
}
