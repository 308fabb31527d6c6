/** Requests that come again: what was asked when, how predictions of it went, what was read ahead for it. */
import { sql } from 'drizzle-orm';
import type { AskedRequest, Closing, DecisionRef, RecurrenceStore, RequestPromise } from '../activities/store-ports.js';
import type { KnownRequest } from '../domain/decision/predict/expected-requests.js';
import type { Database, Queryable } from './client.js';

/** Times kept for each question: a month of days, or a day and more of hours. */
const TIMES_MAX = 32;
/** A question that was asked less often says nothing about when it comes again. */
const TIMES_MIN = 3;
/** Verdicts on predictions count half once there are so many: habits change. */
const VERDICTS_MAX = 16;

interface RecurrenceRow extends Record<string, unknown> {
  shape: string;
  model: string;
  dataset: string;
  ask: AskedRequest['ask'];
  asked_ms: string[];
  result_rows: number;
  result_bytes: number;
  held: number;
  failed: number;
  covered_until_ms: string | null;
}

export function createRecurrenceStore(db: Database): RecurrenceStore {
  const columns = (asOfMs: number) => sql`shape, model, dataset, ask, to_jsonb(asked_ms) as asked_ms, result_rows,
    result_bytes, held, failed, case when promise_read and promised_until_ms >= ${asOfMs} then promised_until_ms end as covered_until_ms`;
  return {
    known: async ({ tenant, pool }, asOfMs, limit) => {
      // Those whose mean interval ends nearest to now come first: of very many, the ones that may be due.
      const rows = await db.execute<RecurrenceRow>(sql`
        select ${columns(asOfMs)} from recurrences
        where tenant = ${tenant} and pool = ${pool} and cardinality(asked_ms) >= ${TIMES_MIN} and last_ms <= ${asOfMs}
        order by abs(last_ms + (last_ms - asked_ms[1]) / (cardinality(asked_ms) - 1) - ${asOfMs}), shape
        limit ${limit}`);
      return rows.map(knownOf);
    },
    ofShapes: async ({ tenant, pool }, asOfMs, shapes) => {
      const rows = await db.execute<RecurrenceRow>(sql`
        select ${columns(asOfMs)} from recurrences
        where tenant = ${tenant} and pool = ${pool} and last_ms <= ${asOfMs}
          and shape in (select jsonb_array_elements_text(${JSON.stringify(shapes)}::jsonb))
        order by shape`);
      return rows.map(knownOf);
    },
    declaredSince: async ({ tenant, pool }, runs) => {
      // A run is known by its id and its times: the same at another time is another promise.
      const asked = runs.map(({ id, model, times }) => {
        return { id, model, run: [{ id: id.slice(model.length + 1), ...times }] };
      });
      const rows = await db.execute<{ id: string; since_ms: string }>(sql`
        with declared as (
          select n.id, min(v.applied_at) as applied_at
          from jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) as n(id text, model text, run jsonb)
          join pool_versions v on v.tenant = ${tenant} and v.pool = ${pool} and v.definition->'models'->n.model->'runs' @> n.run
          group by n.id)
        select n.id, first.as_of_ms as since_ms from declared n
        cross join lateral (
          select c.as_of_ms from decisions d join cycles c on c.tenant = d.tenant and c.pool = d.pool and c.id = d.id
          where d.tenant = ${tenant} and d.pool = ${pool} and d.opened_at >= n.applied_at and c.trigger <> 'backfill'
          order by d.opened_at limit 1) first`);
      return Object.fromEntries(rows.map(({ id, since_ms }) => [id, Number(since_ms)]));
    },
  };
}

function knownOf({ ask, ...row }: RecurrenceRow): Omit<KnownRequest, 'source'> {
  return {
    ...{ shape: row.shape, model: row.model, dataset: row.dataset, ...ask },
    askedMs: row.asked_ms.map(Number),
    ...{ resultRows: row.result_rows, resultBytes: row.result_bytes, right: row.held, wrong: row.failed },
    coveredUntilMs: row.covered_until_ms === null ? null : Number(row.covered_until_ms),
  };
}

/** Keeps what a plan expects, one open promise for each question, and a row for each that is read ahead. */
export async function keepPromises(
  tx: Queryable,
  { tenant, pool, decisionId }: DecisionRef,
  promises: readonly RequestPromise[],
): Promise<void> {
  if (promises.length === 0) return;
  const rows = JSON.stringify(promises);
  // A declared run is expected before it was ever asked: what becomes of that is remembered, too.
  await tx.execute(sql`
    insert into recurrences (tenant, pool, shape, model, dataset, ask, asked_ms, last_ms, result_rows, result_bytes, updated_at)
    select ${tenant}, ${pool}, p.shape, p.model, p.dataset, p.ask, '{}', 0, p."resultRows", p.bytes, now()
    from jsonb_to_recordset(${rows}::jsonb)
      as p(shape text, model text, dataset text, ask jsonb, basis text, "resultRows" int, bytes float8)
    where p.basis = 'declared' on conflict do nothing`);
  await tx.execute(sql`
    update recurrences r set promised_until_ms = p."untilMs", promised_by = ${decisionId}, promise_read = p.read
    from jsonb_to_recordset(${rows}::jsonb) as p(shape text, "untilMs" bigint, read boolean)
    where r.tenant = ${tenant} and r.pool = ${pool} and r.shape = p.shape
      and (r.promised_until_ms is null or (p.read and not r.promise_read))`);
  await tx.execute(sql`
    insert into prefetches (tenant, pool, decision_id, shape, model, dataset, as_of_ms, from_ms, until_ms, probability, bytes)
    select ${tenant}, ${pool}, ${decisionId}, p.shape, p.model, p.dataset, p."asOfMs", p."fromMs", p."untilMs", p.probability, p.bytes
    from jsonb_to_recordset(${rows}::jsonb)
      as p(shape text, model text, dataset text, "asOfMs" bigint, "fromMs" bigint, "untilMs" bigint, probability float8, bytes float8, read boolean)
    where p.read on conflict do nothing`);
}

/** Older verdicts on a question's predictions count half as much from now on, once there are enough newer ones. */
const FORGET = sql`case when held + failed >= ${VERDICTS_MAX} then 0.5 else 1 end`;
const NO_PROMISE = sql`promised_until_ms = null, promised_by = null, promise_read = false`;

/** Settles the promises that this cycle's event time decides, and remembers what was asked in it. */
export async function learnRequests(
  tx: Queryable,
  { tenant, pool, decisionId }: DecisionRef,
  { asOfMs, asked }: NonNullable<Closing['learned']>,
  now: Date,
): Promise<void> {
  const inPool = sql`tenant = ${tenant} and pool = ${pool}`;
  const rows = JSON.stringify(asked);
  const came = sql`select a.shape from jsonb_to_recordset(${rows}::jsonb) as a(shape text)`;
  await tx.execute(sql`
    update recurrences set held = held * ${FORGET}, failed = failed * ${FORGET} + 1, ${NO_PROMISE}
    where ${inPool} and promised_until_ms < ${asOfMs}`);
  await tx.execute(sql`update prefetches set ended = true where ${inPool} and not ended and until_ms < ${asOfMs}`);
  if (asked.length === 0) return;
  await tx.execute(sql`
    update recurrences set held = held * ${FORGET} + 1, failed = failed * ${FORGET}, ${NO_PROMISE}
    where ${inPool} and promised_until_ms >= ${asOfMs} and promised_by <> ${decisionId} and shape in (${came})`);
  await tx.execute(sql`
    update prefetches p set asked_ms = coalesce(p.asked_ms, ${asOfMs}),
      served = p.served + case when a."cachedAsOfMs" = p.as_of_ms then a.times else 0 end
    from jsonb_to_recordset(${rows}::jsonb) as a(shape text, times int, "cachedAsOfMs" bigint)
    where p.tenant = ${tenant} and p.pool = ${pool} and p.shape = a.shape
      and not p.ended and p.decision_id <> ${decisionId} and p.as_of_ms <= ${asOfMs}`);
  await tx.execute(sql`
    insert into recurrences as r (tenant, pool, shape, model, dataset, ask, asked_ms, last_ms, result_rows, result_bytes, updated_at)
    select ${tenant}, ${pool}, a.shape, a.model, a.dataset, a.ask, array[${asOfMs}::bigint], ${asOfMs}::bigint,
      a."resultRows", a."resultBytes", ${now.toISOString()}::timestamptz
    from jsonb_to_recordset(${rows}::jsonb)
      as a(shape text, model text, dataset text, ask jsonb, "resultRows" int, "resultBytes" float8)
    on conflict (tenant, pool, shape) do update set
      model = excluded.model, ask = excluded.ask, result_rows = excluded.result_rows, result_bytes = excluded.result_bytes,
      updated_at = excluded.updated_at, last_ms = greatest(r.last_ms, excluded.last_ms),
      asked_ms = case when r.last_ms >= excluded.last_ms then r.asked_ms
        else (r.asked_ms || excluded.asked_ms)[greatest(1, cardinality(r.asked_ms) + 2 - ${TIMES_MAX}::int):] end`);
}
