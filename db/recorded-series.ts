/** The series that a pool has recorded: demand, charged bytes, quality figures, rows that match its needs. */
import { and, eq, inArray, sql } from 'drizzle-orm';
import type { KnownPatterns } from '../domain/prediction/pattern-watch.js';
import type { HistoryValue } from '../domain/quality/usual.js';
import type { RecordedSeries } from '../domain/prediction/pattern.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { Database, Queryable } from './client.js';
import { learned } from './schema.js';

/** Metric of the rows that a model asks of a dataset, and of what is asked of a source and of all. */
export const DEMAND = 'demand';

/** Series and points of each: as many pairs as `analyzePatterns` correlates, six weeks of hours. */
const SERIES_MAX = 100;
const POINTS_MAX = 1_008;

/**
 * The longest series, at most 100, with their newest 1,008 points; named `metric subject`. A step without demand of a
 * series is a zero where anything else was asked.
 */
export async function recordedSeries(db: Database, { tenant, pool }: PoolRef): Promise<RecordedSeries[]> {
  const rows = await db.execute<{ metric: string; subject: string; at: string[]; values: number[] }>(sql`
    select s.metric, s.subject, p.at, p.values from (
      select metric, subject, count(*) as points from metric_history
      where tenant = ${tenant} and pool = ${pool}
      group by metric, subject order by points desc, metric, subject limit ${SERIES_MAX}) s
    cross join lateral (
      select array_agg(at_ms order by at_ms) as at, array_agg(value order by at_ms) as values from (
        select at_ms, value from metric_history
        where tenant = ${tenant} and pool = ${pool} and metric = s.metric and subject = s.subject
        order by at_ms desc limit ${POINTS_MAX}) newest) p
    order by s.metric, s.subject`);
  const asked = [...new Set(rows.filter(({ metric }) => metric === DEMAND).flatMap(({ at }) => at.map(Number)))];
  return rows.map(({ metric, subject, at, values }) => {
    const valueAt = new Map(at.map((atMs, index) => [Number(atMs), values[index]]));
    const times = metric === DEMAND ? asked.filter((atMs) => atMs >= Number(at[0])) : [...valueAt.keys()];
    const points = times.sort((a, b) => a - b).map((atMs) => ({ seconds: atMs / 1000, value: valueAt.get(atMs) ?? 0 }));
    return { id: `${metric} ${subject}`, points };
  });
}

/** What the loop has found out about the patterns of these series. */
export async function knownPatterns(
  db: Queryable,
  { tenant, pool }: PoolRef,
  series?: readonly string[],
): Promise<KnownPatterns[]> {
  if (series?.length === 0) return [];
  const mine = and(eq(learned.tenant, tenant), eq(learned.pool, pool), eq(learned.kind, 'patterns'));
  const rows = await db
    .select({ state: learned.state })
    .from(learned)
    .where(series === undefined ? mine : and(mine, inArray(learned.subject, [...series])))
    .orderBy(learned.subject);
  return rows.map(({ state }) => state as KnownPatterns);
}

/** Only the cycle that stores its predict stage keeps what it found: no other can have looked further. */
export async function keepPatterns(
  tx: Queryable,
  { tenant, pool }: PoolRef,
  found: readonly KnownPatterns[],
  nowMs: number,
): Promise<void> {
  if (found.length === 0) return;
  const rows = found.map((state) => {
    return { tenant, pool, kind: 'patterns' as const, subject: state.series, state, updatedAt: new Date(nowMs) };
  });
  await tx
    .insert(learned)
    .values(rows)
    .onConflictDoUpdate({
      target: [learned.tenant, learned.pool, learned.kind, learned.subject],
      set: { state: sql`excluded.state`, updatedAt: sql`excluded.updated_at` },
    });
}

export async function recordedValues(
  db: Queryable,
  { tenant, pool }: PoolRef,
  asks: readonly { readonly metric: string; readonly subject: string }[],
  fromMs: number,
  toMs: number,
): Promise<{ metric: string; subject: string; values: HistoryValue[] }[]> {
  if (asks.length === 0) return [];
  const rows = await db.execute<{ metric: string; subject: string; at: string[]; values: number[] }>(sql`
    select m.metric, m.subject, array_agg(m.at_ms order by m.at_ms) as at, array_agg(m.value order by m.at_ms) as values
    from jsonb_to_recordset(${JSON.stringify(asks)}::jsonb) as a(metric text, subject text)
    join metric_history m on m.tenant = ${tenant} and m.pool = ${pool} and m.metric = a.metric and m.subject = a.subject
      and m.at_ms > ${fromMs} and m.at_ms <= ${toMs}
    group by m.metric, m.subject order by m.metric, m.subject`);
  return rows.map(({ metric, subject, at, values }) => {
    return { metric, subject, values: at.map((atMs, index) => ({ atMs: Number(atMs), value: values[index] })) };
  });
}
