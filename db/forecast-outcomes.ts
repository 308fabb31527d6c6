/** What a decision foresaw, beside what came: of the forecasts that it made, and of those that it used. */
import { sql } from 'drizzle-orm';
import type { StageRecord } from '../activities/store-ports.js';
import type { ForecastUse } from '../domain/decision/forecast-use.js';
import type { PredictInputs, PredictOutcome } from '../domain/decision/predict/predict.js';
import { LED } from '../domain/prediction/led-run.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { Database } from './client.js';
import { DEMAND } from './recorded-series.js';

export interface ForecastMade {
  readonly series: string;
  readonly targetMs: number;
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
  readonly method: string;
  readonly reliable: boolean;
  /** null: the step is not over, or nobody looked at it. */
  readonly actual: number | null;
}
export interface ForecastUsed extends ForecastUse {
  readonly stage: string;
  /** null: the step is not over, or nobody looked at it. */
  readonly came: number | null;
}
type Stage = Pick<StageRecord, 'stage' | 'inputs' | 'outcome'>;

/** Every forecast of the predict stage. */
export async function forecastsMade(db: Database, ref: PoolRef, stages: readonly Stage[]): Promise<ForecastMade[]> {
  const predicted = stages.find(({ stage }) => stage === 'predict');
  const { predictions = [] } = (predicted?.outcome ?? {}) as Partial<PredictOutcome>;
  const asked = predictions.flatMap(({ series, steps }) => steps.map(({ targetMs }) => ({ series, atMs: targetMs })));
  const came = await demandOf(db, ref, stepMsOf(predicted), asked);
  return predictions.flatMap(({ series, predictor, method, reliable, steps }) =>
    steps.map(({ targetMs, mean, lower, upper }) => ({
      ...{ series, targetMs, mean, lower, upper, reliable },
      method: ['mixture', LED].includes(predictor) ? method : predictor,
      actual: came({ series, atMs: targetMs }),
    })),
  );
}

/** The forecasts that the stages' outcomes say they rest on; none in records of older versions. */
export async function forecastsUsed(db: Database, ref: PoolRef, stages: readonly Stage[]): Promise<ForecastUsed[]> {
  const used = stages.flatMap(({ stage, outcome }) =>
    ((outcome as { forecastsUsed?: readonly ForecastUse[] }).forecastsUsed ?? []).map((use) => ({ stage, ...use })),
  );
  const stepMs = stepMsOf(stages.find(({ stage }) => stage === 'predict'));
  const points = (metric: ForecastUse['metric']): Point[] =>
    used.filter((one) => one.metric === metric).map(({ series, stepEndMs }) => ({ series, atMs: stepEndMs }));
  const [demand, matched] = await Promise.all([
    demandOf(db, ref, stepMs, points('demand')),
    matchedOf(db, ref, stepMs, points('matched-rows')),
  ]);
  return used.map((use) => {
    const point = { series: use.series, atMs: use.stepEndMs };
    return { ...use, came: use.metric === 'demand' ? demand(point) : matched(point) };
  });
}

interface Point {
  readonly series: string;
  /** End of a step. */
  readonly atMs: number;
}
type Lookup = (point: Point) => number | null;
const keyOf = ({ series, atMs }: Point): string => `${series}|${atMs}`;

function lookupOf(rows: readonly { series: string; at_ms: string; value: number }[]): Lookup {
  const values = new Map(rows.map(({ series, at_ms, value }) => [`${series}|${at_ms}`, value]));
  return (point) => values.get(keyOf(point)) ?? null;
}

function stepMsOf(predicted: Pick<StageRecord, 'inputs'> | undefined): number {
  return (predicted?.inputs as PredictInputs | undefined)?.stepMs ?? 0;
}

/** What was newly asked in steps that are complete: 0 where a cycle looked and nothing was asked. */
async function demandOf(
  db: Database,
  { tenant, pool }: PoolRef,
  stepMs: number,
  points: readonly Point[],
): Promise<Lookup> {
  if (points.length === 0) return () => null;
  return lookupOf(
    await db.execute<{ series: string; at_ms: string; value: number }>(sql`
    with points as materialized (
      select distinct series, "atMs" as at_ms from jsonb_to_recordset(${JSON.stringify(points)}::jsonb)
        as p(series text, "atMs" bigint)),
    steps as materialized (
      select s.at_ms, exists (
        select 1 from cycles c where c.tenant = ${tenant} and c.pool = ${pool} and c.trigger <> 'backfill'
          and c.closed_at is not null and c.as_of_ms > s.at_ms - ${stepMs}::bigint and c.as_of_ms <= s.at_ms) as looked
      from (select distinct at_ms from points) s
      where s.at_ms <= (select max(up_to_ms) from series_progress where tenant = ${tenant} and pool = ${pool}))
    select p.series, p.at_ms, coalesce(m.value, 0) as value
    from points p join steps s on s.at_ms = p.at_ms
    left join metric_history m on m.tenant = ${tenant} and m.pool = ${pool} and m.metric = ${DEMAND}
      and m.subject = p.series and m.at_ms = p.at_ms
    where s.looked or m.value is not null`),
  );
}

/** What matched a need when it was first counted at the end of a step, or within a step after it. */
async function matchedOf(
  db: Database,
  { tenant, pool }: PoolRef,
  stepMs: number,
  points: readonly Point[],
): Promise<Lookup> {
  if (points.length === 0) return () => null;
  return lookupOf(
    await db.execute<{ series: string; at_ms: string; value: number }>(sql`
    select w.series, w."atMs" as at_ms, m.value
    from (select distinct series, "atMs" from jsonb_to_recordset(${JSON.stringify(points)}::jsonb)
      as p(series text, "atMs" bigint)) w
    cross join lateral (
      select value from metric_history
      where tenant = ${tenant} and pool = ${pool} and metric = 'matched-rows' and subject = w.series
        and at_ms >= w."atMs" and at_ms < w."atMs" + ${stepMs}::bigint
      order by at_ms limit 1) m`),
  );
}
