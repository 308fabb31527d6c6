/** What earlier cycles left behind: state of needs, demand series, forecaster snapshots, profiles. */
import { and, eq, inArray, sql } from 'drizzle-orm';
import type { SeriesState, SeriesStore } from '../activities/series-ports.js';
import type { DecisionRef, FileReport, HistoryStore, NeedState } from '../activities/store-ports.js';
import type { SliceResult } from '../activities/ports.js';
import type { Surge } from '../domain/decision/predict/demand-anomalies.js';
import type { StateRef } from '../domain/decision/predict/series-outcome.js';
import type { HistoryValue } from '../domain/quality/usual.js';
import type { PoolRef } from '../domain/types/pool.js';
import { insertRows, type Database, type Queryable } from './client.js';
import { createProfileStore } from './profile-store.js';
import { createQualityStore } from './quality-store.js';
import { metricHistory, seriesStates } from './schema.js';
import { DEMAND, keepPatterns, knownPatterns, recordedValues } from './recorded-series.js';
import { alarmsSince, keepWarnings, openWarnings } from './warning-store.js';
import { insertStage } from './stage-store.js';

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
        report: { slice: SliceResult; aheadRows?: number } & Partial<FileReport>;
        asked: NonNullable<NeedState['lastGood']>['asked'];
      }>(sql`
        select d.need_id, d.as_of_ms, d.content_id, d.verdict, d.score, d.report,
          jsonb_build_object('dataset', r.dataset, 'fields', r.fields, 'where', r.predicate) as asked
        from jsonb_array_elements_text(${JSON.stringify(needIds)}::jsonb) as n(id)
        cross join lateral (
          select * from deliveries
          where tenant = ${ref.tenant} and pool = ${ref.pool} and need_id = n.id and as_of_ms <= ${asOfMs} and served <> 'last-good'
          order by as_of_ms desc, created_at desc, id limit 1) d
        join requests r on r.tenant = d.tenant and r.pool = d.pool and r.id = d.request_id`);
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
              asked: row.asked,
              told: toldOf(row.report),
            },
            aheadRows: row.report.aheadRows ?? 0,
          },
        ]),
      );
    },
    ...createQualityStore(db),
    metrics: (ref, asks, beforeMs, limit) => newestMetrics(db, ref, asks, beforeMs, limit),
    ...createProfileStore(db),
  };
}

function toldOf({
  corrections = [],
  correction,
  furtherCorrections,
  classQuotas = null,
  classWeights = null,
}: Partial<FileReport>): FileReport {
  const done = {
    ...(correction === undefined ? {} : { correction }),
    ...(furtherCorrections === undefined ? {} : { furtherCorrections }),
  };
  return { corrections, ...done, classQuotas, classWeights };
}

async function newestMetrics(
  db: Database,
  { tenant, pool }: PoolRef,
  asks: readonly { readonly metric: string; readonly subject: string }[],
  beforeMs: number,
  limit: number,
): Promise<readonly (readonly HistoryValue[])[]> {
  if (asks.length === 0) return [];
  const numbered = JSON.stringify(asks.map((ask, index) => ({ ...ask, index })));
  const rows = await db.execute<{ at: string[] | null; values: number[] | null }>(sql`
    select h.at, h.values
    from jsonb_to_recordset(${numbered}::jsonb) as a(metric text, subject text, index int)
    cross join lateral (
      select array_agg(at_ms order by at_ms) as at, array_agg(value order by at_ms) as values from (
        select at_ms, value from metric_history
        where tenant = ${tenant} and pool = ${pool} and metric = a.metric and subject = a.subject and at_ms < ${beforeMs}
        order by at_ms desc limit ${limit}) newest) h
    order by a.index`);
  return rows.map(({ at, values }) => (at ?? []).map((atMs, index) => ({ atMs: Number(atMs), value: values![index] })));
}

export function createSeriesStore(db: Database): SeriesStore {
  return {
    heads: async ({ tenant, pool }, series, upToMs, stepMs) => {
      const rows = await db.execute<{ series: string; up_to_ms: string; digest: string }>(sql`
        select n.series, s.up_to_ms, s.digest from jsonb_array_elements_text(${JSON.stringify(series)}::jsonb) as n(series)
        cross join lateral (
          select up_to_ms, digest from series_states
          where tenant = ${tenant} and pool = ${pool} and series = n.series and up_to_ms <= ${upToMs} and step_ms = ${stepMs}
          order by up_to_ms desc limit 1) s`);
      return rows.map((row) => ({ series: row.series, upToMs: Number(row.up_to_ms), digest: row.digest }));
    },
    states: (ref, states) => loadStates(db, ref, states),
    seen: async ({ tenant, pool }, series) => {
      const rows = await db.execute<{ series: string; up_to_ms: string }>(sql`
        select series, up_to_ms from series_progress where tenant = ${tenant} and pool = ${pool}
          and series in (select jsonb_array_elements_text(${JSON.stringify(series)}::jsonb))`);
      return Object.fromEntries(rows.map((row) => [row.series, Number(row.up_to_ms)]));
    },
    recordedSteps: async ({ tenant, pool }, fromMs, toMs) => {
      const rows = await db.execute<{ at_ms: string }>(sql`
        select distinct at_ms from metric_history
        where tenant = ${tenant} and pool = ${pool} and metric = ${DEMAND} and at_ms > ${fromMs} and at_ms <= ${toMs}
        order by at_ms`);
      return rows.map((row) => Number(row.at_ms));
    },
    surgesBefore: (ref) => surgesBefore(db, ref),
    patterns: (ref, series) => knownPatterns(db, ref, series),
    recorded: (ref, asks, fromMs, toMs) => recordedValues(db, ref, asks, fromMs, toMs),
    putOff: (ref) => putOff(db, ref),
    openWarnings: (ref) => openWarnings(db, ref),
    alarmsSince: (ref, afterMs) => alarmsSince(db, ref, afterMs),
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
    savePrediction: (ref, record, { states, seen, warnings: warned, patterns }, nowMs) =>
      db.transaction(async (tx) => {
        if (!(await insertStage(tx, ref, record))) return;
        await keepStates(tx, ref, states, nowMs);
        await keepWarnings(tx, ref, warned, nowMs);
        await keepPatterns(tx, ref, patterns, nowMs);
        if (seen === null) return;
        await tx.execute(sql`
          insert into series_progress as p (tenant, pool, series, up_to_ms)
          select ${ref.tenant}, ${ref.pool}, s.series, ${seen.upToMs}
          from jsonb_array_elements_text(${JSON.stringify(seen.series)}::jsonb) as s(series)
          on conflict (tenant, pool, series) do update set up_to_ms = excluded.up_to_ms where p.up_to_ms < excluded.up_to_ms`);
      }),
  };
}

async function putOff(db: Database, { tenant, pool }: PoolRef): Promise<Awaited<ReturnType<SeriesStore['putOff']>>> {
  const [needs, waiting] = await Promise.all([
    db.execute<{ need_id: string; rows: number }>(sql`
      select need_id, owed_rows + asked_rows as rows from need_states
      where tenant = ${tenant} and pool = ${pool} and owed_rows + asked_rows > 0 order by need_id`),
    // A request that asks all that match has no number of rows yet.
    db.execute<{ id: string; model: string; dataset: string; rows: number }>(sql`
      select id, model, dataset, rows from requests
      where tenant = ${tenant} and pool = ${pool} and kind = 'request' and state = 'pending' and attempts > 0 and rows is not null
      order by id`),
  ]);
  return { needs: needs.map(({ need_id, rows }) => ({ needId: need_id, rows })), requests: [...waiting] };
}

/** Cycles looked back on for surges: more work cycles in a row leave the oldest ones out. */
const SURGE_CYCLES_MAX = 32;

async function surgesBefore(db: Database, { tenant, pool, decisionId }: DecisionRef): Promise<Surge[]> {
  const rows = await db.execute<{ surges: readonly Surge[] | null }>(sql`
    with earlier as (
      select id, number, trigger from cycles
      where tenant = ${tenant} and pool = ${pool} and trigger <> 'backfill'
        and number < (select number from cycles where tenant = ${tenant} and pool = ${pool} and id = ${decisionId})
      order by number desc limit ${SURGE_CYCLES_MAX})
    select s.outcome->'surges' as surges from earlier e
    join decision_stages s on s.tenant = ${tenant} and s.pool = ${pool} and s.decision_id = e.id and s.stage = 'predict'
    where e.number >= coalesce((select max(number) from earlier where trigger <> 'work'), 0)
    order by e.number`);
  // Oldest first: the newest of a series stays.
  return [...new Map(rows.flatMap(({ surges }) => (surges ?? []).map((one) => [one.series, one]))).values()];
}

/** The stored states named, where they still are. */
export async function loadStates(db: Queryable, ref: PoolRef, states: readonly StateRef[]): Promise<SeriesState[]> {
  if (states.length === 0) return [];
  const rows = await db.execute<{
    series: string;
    step_ms: string;
    up_to_ms: string;
    digest: string;
    snapshot: unknown;
  }>(
    sql`
      select s.series, s.step_ms, s.up_to_ms, s.digest, s.snapshot
      from jsonb_to_recordset(${JSON.stringify(states)}::jsonb) as n(series text, "upToMs" bigint, digest text)
      join series_states s on s.tenant = ${ref.tenant} and s.pool = ${ref.pool}
        and s.series = n.series and s.up_to_ms = n."upToMs" and s.digest = n.digest
      order by s.series, s.up_to_ms`,
  );
  return rows.map(({ series, step_ms, up_to_ms, digest, snapshot }) => {
    return { series, stepMs: Number(step_ms), upToMs: Number(up_to_ms), digest, snapshot };
  });
}

async function keepStates(tx: Queryable, ref: PoolRef, states: readonly SeriesState[], nowMs: number): Promise<void> {
  const { tenant, pool } = ref;
  const rows = states.map((state) => ({ tenant, pool, ...state, updatedAt: new Date(nowMs) }));
  // A decision may have gone on from a stored state: what is there stays.
  await insertRows(tx, seriesStates, rows);
}
