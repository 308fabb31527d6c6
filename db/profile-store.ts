/** Profiles of dataset versions, and what is kept of the newest one for the next. */
import { and, eq, inArray, sql } from 'drizzle-orm';
import type { HistoryStore } from '../activities/store-ports.js';
import type { DatasetFacts } from '../domain/decision/work.js';
import type { Database } from './client.js';
import { profiles, profileStates } from './schema.js';

export function createProfileStore(db: Database): Pick<HistoryStore, 'keptProfiles' | 'lastFacts' | 'saveProfiles'> {
  return {
    keptProfiles: async ({ tenant, pool }, datasets) => {
      if (datasets.length === 0) return {};
      const { dataset, kept } = profileStates;
      const mine = and(eq(profileStates.tenant, tenant), eq(profileStates.pool, pool), inArray(dataset, [...datasets]));
      const rows = await db.select({ dataset, kept }).from(profileStates).where(mine).orderBy(dataset);
      return Object.fromEntries(rows.map((row) => [row.dataset, row.kept]));
    },
    lastFacts: async ({ tenant, pool }, datasets, asOfMs) => {
      if (datasets.length === 0) return [];
      const rows = await db.execute<{ facts: DatasetFacts }>(sql`
        select distinct on (dataset)
          state - 'profile' || jsonb_build_object('id', dataset, 'version', version) as facts
        from profiles
        where tenant = ${tenant} and pool = ${pool} and as_of_ms <= ${asOfMs}
          and dataset in (select jsonb_array_elements_text(${JSON.stringify(datasets)}::jsonb))
        order by dataset, as_of_ms desc, version`);
      return rows.map(({ facts }) => facts);
    },
    saveProfiles: async ({ tenant, pool }, saved, nowMs) => {
      const now = new Date(nowMs);
      const rows = saved.map(({ dataset, version, asOfMs, state }) => {
        return { tenant, pool, dataset, version, asOfMs, state, createdAt: now };
      });
      const kept = saved.flatMap(({ dataset, asOfMs, keep }) =>
        keep === null ? [] : [{ tenant, pool, dataset, asOfMs, kept: keep, updatedAt: now }],
      );
      if (rows.length > 0) await db.insert(profiles).values(rows).onConflictDoNothing();
      // A repeat of the past keeps nothing: the next cycle goes on from the newest.
      for (const row of kept)
        await db
          .insert(profileStates)
          .values(row)
          .onConflictDoUpdate({
            target: [profileStates.tenant, profileStates.pool, profileStates.dataset],
            set: { asOfMs: row.asOfMs, kept: row.kept, updatedAt: now },
            setWhere: sql`${profileStates.asOfMs} <= ${row.asOfMs}`,
          });
    },
  };
}
