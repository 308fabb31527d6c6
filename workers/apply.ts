/** Applies a configuration: fills the tables that it loads and stores every pool's definition. */
import postgres from 'postgres';
import { digestOf } from '../activities/digest.js';
import { createPoolStore, type AppliedPool } from '../db/pool-store.js';
import type { DatabaseHandle } from '../db/client.js';
import { usageError } from '../domain/types/errors.js';
import type { PoolDefinition, PoolRef } from '../domain/types/pool.js';
import type { LoadedConfig } from '../interfaces/config/load.js';
import { diffDefinitions, type Change } from '../interfaces/config/diff.js';
import { packageFolder } from '../interfaces/data/files-source.js';
import { loadTable } from '../interfaces/data/load-table.js';
import { filledUrl } from '../interfaces/data/postgres-source.js';

export interface PoolChange {
  readonly ref: PoolRef;
  /** Null: the pool is new. */
  readonly from: number | null;
  readonly changes: readonly Change[];
  /** Schedules that the last definition declared and this one does not. */
  readonly goneSchedules: readonly string[];
}

/** What applying would change. Touches nothing. */
export async function planApply(database: DatabaseHandle, { config }: LoadedConfig): Promise<PoolChange[]> {
  const store = createPoolStore(database.db);
  const changes: PoolChange[] = [];
  for (const [pool, definition] of Object.entries(config.pools)) {
    const ref = { tenant: definition.tenant, pool };
    const row = await store.find(ref);
    changes.push({
      ref,
      from: row?.version ?? null,
      changes: diffDefinitions(row?.definition ?? null, definition),
      goneSchedules: goneOf(row?.definition, definition),
    });
  }
  return changes;
}

function goneOf(before: PoolDefinition | undefined, after: PoolDefinition): string[] {
  const kept = new Set(after.schedules.map(({ id }) => id));
  return (before?.schedules ?? []).map(({ id }) => id).filter((id) => !kept.has(id));
}

export interface ApplyOptions {
  readonly projectRoot: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Stores the definitions; loops pick them up with their next cycle. */
export async function applyConfig(
  database: DatabaseHandle,
  loaded: LoadedConfig,
  options: ApplyOptions,
): Promise<(PoolRef & AppliedPool)[]> {
  const store = createPoolStore(database.db);
  const applied: (PoolRef & AppliedPool)[] = [];
  for (const [pool, definition] of Object.entries(loaded.config.pools)) {
    const ref = { tenant: definition.tenant, pool };
    await loadTables(definition, options);
    applied.push({ ...ref, ...(await store.apply(ref, definition, digestOf(definition), loaded.baseDir)) });
  }
  return applied;
}

async function loadTables(definition: PoolDefinition, { projectRoot, env }: ApplyOptions): Promise<void> {
  for (const dataset of Object.values(definition.datasets)) {
    const source = definition.sources[dataset.source];
    if (dataset.load === undefined || source.kind !== 'postgres') continue;
    const sql = postgres(filledUrl(source.url, dataset.source, env), { max: 1, onnotice: () => undefined });
    try {
      const path = dataset.load.startsWith('package:')
        ? packageFolder(dataset.load.slice('package:'.length), projectRoot)
        : dataset.load;
      if (path === null)
        throw usageError({
          type: 'UnreadableSource',
          message: `no package for ${dataset.load}`,
          expected: 'a file of an installed package',
          got: dataset.load,
        });
      await sql`create schema if not exists ${sql(source.schema)}`;
      await loadTable(sql, { path, schema: source.schema, table: dataset.table! });
    } finally {
      await sql.end({ timeout: 5 });
    }
  }
}
