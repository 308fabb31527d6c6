/** The series that a pool has recorded: demand, charged bytes, quality figures, rows that match its needs. */
import { sql } from 'drizzle-orm';
import type { RecordedSeries } from '../domain/prediction/pattern.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { Database } from './client.js';
import { DEMAND } from './history-store.js';

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
