/** What earlier cycles left behind: state of needs, demand series, forecaster snapshots, profiles. */
import { and, eq, inArray, isNull, sql } from 'drizzle-orm';
import type { HistoryStore, NeedState, SeriesState, SeriesStore } from '../activities/store-ports.js';
import type { SliceResult } from '../activities/ports.js';
import type { PoolRef } from '../domain/types/pool.js';
import { chunked, insertRows, type Database, type Queryable } from './client.js';
import { forecasts, metricHistory, profiles, seriesStates } from './schema.js';
import { insertStage } from './stage-store.js';

/** Series name of the rows that a model asks of a dataset; metric history keeps it under `demand`. */
export const DEMAND = 'demand';

export function createHistoryStore(db: Database): HistoryStore {
  return {
    needs: async (ref, needIds, asOfMs) => {
      if (needIds.length === 0) return {};
      const rows = await db.execute<{
        need_id: string;
        as_of_ms: string;
        content_id: string;
        verdict: 'pass' | 'degrade';
        score: number;
        report: { slice: SliceResult; aheadRows?: number };
      }>(sql`
        select d.need_id, d.as_of_ms, d.content_id, d.verdict, d.score, d.report
        from jsonb_array_elements_text(${JSON.stringify(needIds)}::jsonb) as n(id)
        cross join lateral (
          select * from deliveries
          where tenant = ${ref.tenant} and pool = ${ref.pool} and need_id = n.id and as_of_ms <= ${asOfMs} and served <> 'last-good'
          order by as_of_ms desc, created_at desc, id limit 1) d`);
      return Object.fromEntries(
        rows.map((row): [string, NeedState] => [
          row.need_id,
          {
            lastAsOfMs: Number(row.as_of_ms),
            lastGood: {
              slice: row.report.slice,
              asOfMs: Number(row.as_of_ms),
              contentId: row.content_id,
              verdict: row.verdict,
              score: row.score,
            },
            aheadRows: row.report.aheadRows ?? 0,
          },
        ]),
      );
    },
    saveProfiles: async ({ tenant, pool }, states, nowMs) => {
      if (states.length === 0) return;
      const rows = states.map((state) => ({ tenant, pool, ...state, createdAt: new Date(nowMs) }));
      await db.insert(profiles).values(rows).onConflictDoNothing();
    },
  };
}

export function createSeriesStore(db: Database): SeriesStore {
  return {
    load: async ({ tenant, pool }, series) => {
      if (series.length === 0) return [];
      return db
        .select({
          series: seriesStates.series,
          stepMs: seriesStates.stepMs,
          upToMs: seriesStates.upToMs,
          snapshot: seriesStates.snapshot,
        })
        .from(seriesStates)
        .where(
          and(eq(seriesStates.tenant, tenant), eq(seriesStates.pool, pool), inArray(seriesStates.series, [...series])),
        )
        .orderBy(seriesStates.series);
    },
    demand: async ({ tenant, pool }, series, fromMs, toMs) => {
      if (series.length === 0) return [];
      return db
        .select({ series: metricHistory.subject, atMs: metricHistory.atMs, value: metricHistory.value })
        .from(metricHistory)
        .where(
          and(
            eq(metricHistory.tenant, tenant),
            eq(metricHistory.pool, pool),
            eq(metricHistory.metric, DEMAND),
            inArray(metricHistory.subject, [...series]),
            sql`${metricHistory.atMs} > ${fromMs} and ${metricHistory.atMs} <= ${toMs}`,
          ),
        )
        .orderBy(metricHistory.subject, metricHistory.atMs);
    },
    saveForecasts: (ref, record, states, made, nowMs) =>
      db.transaction(async (tx) => {
        if (!(await insertStage(tx, ref, record))) return;
        const rows = made.map((one) => ({ tenant: ref.tenant, pool: ref.pool, decisionId: ref.decisionId, ...one }));
        await Promise.all([keepStates(tx, ref, states, nowMs), insertRows(tx, forecasts, rows)]);
        if (states.length > 0) await fillActuals(tx, ref, Math.max(...states.map(({ upToMs }) => upToMs)));
      }),
  };
}

async function keepStates(tx: Queryable, ref: PoolRef, states: readonly SeriesState[], nowMs: number): Promise<void> {
  const { tenant, pool } = ref;
  const rows = states.map((state) => ({ tenant, pool, ...state, updatedAt: new Date(nowMs) }));
  for (const chunk of chunked(rows)) {
    await tx
      .insert(seriesStates)
      .values(chunk)
      .onConflictDoUpdate({
        target: [seriesStates.tenant, seriesStates.pool, seriesStates.series],
        set: {
          stepMs: sql`excluded.step_ms`,
          upToMs: sql`excluded.up_to_ms`,
          snapshot: sql`excluded.snapshot`,
          updatedAt: sql`excluded.updated_at`,
        },
      });
  }
}

/** What really came, beside what was forecast for it: only steps that are complete. */
async function fillActuals(tx: Queryable, { tenant, pool }: PoolRef, upToMs: number): Promise<void> {
  await tx
    .update(forecasts)
    .set({ actual: sql`m.value` })
    .from(sql`${metricHistory} as m`)
    .where(
      and(
        eq(forecasts.tenant, tenant),
        eq(forecasts.pool, pool),
        isNull(forecasts.actual),
        sql`m.tenant = ${forecasts.tenant} and m.pool = ${forecasts.pool} and m.metric = ${DEMAND}
          and m.subject = ${forecasts.series} and m.at_ms = ${forecasts.targetMs} and m.at_ms <= ${upToMs}`,
      ),
    );
}
