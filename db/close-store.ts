/** The one transaction that ends a decision: what was decided, what was delivered, who is told. */
import { and, eq, sql } from 'drizzle-orm';
import type { ClosedDecision, CloseStore, Closing, DecisionRef, NewDelivery } from '../activities/store-ports.js';
import { HASH_JOINS, insertRows, PLAN_ANEW, type Database, type Queryable } from './client.js';
import { DEMAND } from './recorded-series.js';
import { learn } from './learned-store.js';
import { cycles, decisions, deliveries, outbox } from './schema.js';
import { keepLessons } from './quality-store.js';
import { learnRequests } from './recurrence-store.js';
import { charge, insertCacheEntries, insertStage } from './stage-store.js';

/** Channel on which waiting clients and the outbox relay are woken. */
export const OUTBOX_CHANNEL = 'balance_outbox';

/** Deliveries that are worth planning each statement anew, which takes some milliseconds. */
const MANY = 500;

/** Why a request ends that its decision neither served nor refused nor queued. */
const UNDECIDED = {
  type: 'Undecided',
  reason: 'the stage coordinate closed the decision without saying what becomes of it',
  hint: 'Send the request again under a new --key.',
  earliestMs: null,
};

export function createCloseStore(db: Database): CloseStore {
  return {
    close: (ref, closing, nowMs) => db.transaction((tx) => close(tx, ref, closing, nowMs)),
    closed: async (ref) => {
      const [row] = await db
        .select({ outcome: decisions.outcome, summary: decisions.summary })
        .from(decisions)
        .where(decisionOf(ref));
      return row?.outcome == null ? null : { outcome: row.outcome, summary: row.summary ?? '' };
    },
  };
}

async function close(tx: Queryable, ref: DecisionRef, closing: Closing, nowMs: number): Promise<ClosedDecision> {
  const { decisionId } = ref;
  // Statements that do not wait for one another's answers travel together, here and below: a round trip each would
  // take longer than they do.
  const [[decision]] = await Promise.all([
    tx.select().from(decisions).where(decisionOf(ref)).for('update'),
    tx.execute(HASH_JOINS),
    closing.deliveries.length > MANY ? tx.execute(PLAN_ANEW) : null,
  ]);
  if (decision === undefined) throw new Error(`decision ${decisionId} was never opened`);
  if (decision.state === 'closed') return { outcome: decision.outcome!, summary: decision.summary ?? '' };
  const now = new Date(nowMs);
  await lockClaimed(tx, ref);
  // A read under way ends before this or after it: then it finds who waits for it. Locked before what both write.
  const over = await endedReads(tx, ref, closing.waiting);
  // A request cancelled while its cycle ran is cancelled: its rows were read, nobody gets them.
  const [cancelled] = await Promise.all([cancelRequested(tx, ref, now), insertStage(tx, ref, closing.record)]);
  const delivered = closing.deliveries.filter(({ requestId }) => !cancelled.has(requestId));
  const ended = closing.ended.filter(({ requestId }) => !cancelled.has(requestId));
  const [undecided] = await Promise.all([
    endRequests(tx, ref, { ...closing, deliveries: delivered, ended }, over, now),
    insertDeliveries(tx, ref, delivered, closing.leaseUntilMs, now),
    keepAnswers(tx, ref, closing, now),
    closing.learned === undefined ? null : learnRequests(tx, ref, closing.learned, now),
    charge(tx, ref, closing.settle, nowMs),
    keepNeeds(tx, ref, closing.needs, now),
    keepCredits(tx, ref, closing.credits, nowMs),
    addMetrics(tx, ref, closing, now),
    keepLessons(tx, ref, closing, now),
    keepCircuits(tx, ref, closing.circuits, nowMs),
  ]);
  await Promise.all([
    insertResponses(tx, ref, { ...closing, ended: [...ended, ...undecided] }, delivered, cancelled, now),
    endDecision(tx, ref, closing, now),
    tx.execute(sql`select pg_notify(${OUTBOX_CHANNEL}, ${decisionId})`),
  ]);
  return { outcome: closing.outcome, summary: closing.summary };
}

/** Balances that this cycle changed; the others stay as they were. */
async function keepCredits(tx: Queryable, ref: DecisionRef, credits: Closing['credits'], nowMs: number): Promise<void> {
  if (Object.keys(credits).length === 0) return;
  const merge = (before: Closing['credits'] | null) => ({ ...before, ...credits });
  await learn(tx, ref, 'credits', 'flows', merge, nowMs);
}

/** An answer that was no good may have the place of the one that was read instead: it goes first. */
async function keepAnswers(
  tx: Queryable,
  ref: DecisionRef,
  { cache, spoiled }: Pick<Closing, 'cache' | 'spoiled'>,
  now: Date,
): Promise<void> {
  if (spoiled.length > 0)
    await tx.execute(sql`
      delete from cache_entries e
      using jsonb_to_recordset(${JSON.stringify(spoiled)}::jsonb) as s(shape text, "contentId" text, "asOfMs" bigint)
      where e.tenant = ${ref.tenant} and e.pool = ${ref.pool}
        and e.shape = s.shape and e.content_id = s."contentId" and e.as_of_ms = s."asOfMs"`);
  await insertCacheEntries(tx, ref, cache, now);
}

/** In the order of the names: two that close at the same time wait for one another, and not in a circle. */
async function keepCircuits(tx: Queryable, ref: DecisionRef, circuits: Closing['circuits'], nowMs: number) {
  for (const dataset of Object.keys(circuits).sort())
    await learn(tx, ref, 'circuit', dataset, () => circuits[dataset], nowMs);
}

async function endDecision(tx: Queryable, ref: DecisionRef, closing: Closing, closedAt: Date): Promise<void> {
  const { outcome, risk, summary, reasons, impact, digest } = closing;
  await Promise.all([
    tx
      .update(decisions)
      .set({ state: 'closed', outcome, risk, summary, reasons, impact, digest, closedAt })
      .where(decisionOf(ref)),
    tx
      .update(cycles)
      .set({ closedAt })
      .where(and(eq(cycles.tenant, ref.tenant), eq(cycles.pool, ref.pool), eq(cycles.id, ref.decisionId))),
  ]);
}

/** Locks what the decision claimed: a cancel has been seen, or waits and finds what became of its request. */
export async function lockClaimed(tx: Queryable, ref: DecisionRef): Promise<void> {
  await tx.execute(sql`
    select id from requests
    where tenant = ${ref.tenant} and pool = ${ref.pool} and decision_id = ${ref.decisionId} and state = 'claimed'
    order by id for update`);
}

/** Ends what was cancelled while its cycle ran. */
export async function cancelRequested(tx: Queryable, ref: DecisionRef, now: Date): Promise<ReadonlySet<string>> {
  const rows = await tx.execute<{ id: string }>(sql`
    update requests set state = 'cancelled', closed_at = ${now.toISOString()}::timestamptz, waiting = null
    where tenant = ${ref.tenant} and pool = ${ref.pool} and decision_id = ${ref.decisionId} and state = 'claimed' and cancel_requested_at is not null
    returning id`);
  return new Set(rows.map(({ id }) => id));
}

async function insertDeliveries(
  tx: Queryable,
  { tenant, pool, decisionId }: DecisionRef,
  rows: readonly NewDelivery[],
  leaseUntilMs: number,
  now: Date,
): Promise<void> {
  const values = rows.map(({ slice, report, ...row }) => ({
    tenant,
    pool,
    decisionId,
    ...row,
    path: slice.path,
    digest: slice.digest,
    rows: slice.rows,
    bytes: slice.bytes,
    fileBytes: slice.fileBytes,
    chargedBytes: Math.round(row.chargedBytes),
    newestEventMs: slice.newestEventMs,
    report: { ...(report as object), slice },
    leaseUntil: new Date(leaseUntilMs),
    createdAt: now,
  }));
  await insertRows(tx, deliveries, values);
  // A file that was evicted and has been written again is there again.
  const paths = JSON.stringify([...new Set(values.map(({ path }) => path))]);
  await tx.execute(sql`delete from removed_files where path in (select jsonb_array_elements_text(${paths}::jsonb))`);
}

/**
 * Moves every claimed request of this decision to where it belongs, in a handful of statements whatever their number.
 * @param over reads that have ended meanwhile: who was to wait for one is due now
 * @returns what the decision says nothing about: refused, so that nobody waits for ever
 */
async function endRequests(
  tx: Queryable,
  ref: DecisionRef,
  closing: Pick<Closing, 'deliveries' | 'ended' | 'waiting'>,
  over: readonly string[],
  now: Date,
): Promise<Closing['ended']> {
  const at = now.toISOString();
  const mine = sql`r.tenant = ${ref.tenant} and r.pool = ${ref.pool} and r.decision_id = ${ref.decisionId} and r.state = 'claimed'`;
  const deliveredIds = JSON.stringify(closing.deliveries.map(({ requestId }) => requestId));
  await tx.execute(sql`
    update requests r set state = 'delivered', closed_at = ${at}::timestamptz, waiting = null
    where ${mine} and r.id in (select value::uuid from jsonb_array_elements_text(${deliveredIds}::jsonb))`);
  const ended = JSON.stringify(closing.ended);
  if (closing.ended.length > 0)
    await tx.execute(sql`
    update requests r set state = e.state, closed_at = ${at}::timestamptz, waiting = e.why
    from (select (value->>'requestId')::uuid as id, value->>'state' as state, value - 'requestId' - 'state' as why
      from jsonb_array_elements(${ended}::jsonb)) e
    where ${mine} and r.id = e.id`);
  const waiting = JSON.stringify(closing.waiting);
  // Needs are due again in the next cycle: what this one could not serve ends here. Requests go on waiting.
  if (closing.waiting.length > 0)
    await tx.execute(sql`
    update requests r set
      state = case when r.kind = 'need' then 'refused' else 'pending' end,
      closed_at = case when r.kind = 'need' then ${at}::timestamptz end,
      decision_id = case when r.kind = 'need' then r.decision_id end,
      failures = 0,
      not_before = least(r.deadline_at, to_timestamp((w.reason->>'earliestMs')::float8 / 1000)),
      waiting = w.reason,
      -- A read that failed has been told: what it was made for is read anew.
      read_id = (select b.id from batches b where b.tenant = r.tenant and b.pool = r.pool and b.id = r.read_id and b.state <> 'failed')
    from (select (value->>'itemId')::uuid as id, value as reason from jsonb_array_elements(${waiting}::jsonb)) w
    where ${mine} and r.id = w.id`);
  if (over.length > 0)
    await tx.execute(sql`
    update requests r set not_before = ${at}::timestamptz from jsonb_array_elements_text(${JSON.stringify(over)}::jsonb) as ended(id)
    where r.tenant = ${ref.tenant} and r.pool = ${ref.pool} and r.state = 'pending' and r.not_before > ${at}::timestamptz
      and r.waiting->'blockers' ? ended.id`);
  const undecided = { ...UNDECIDED, resource: `cycle:${ref.decisionId}` };
  const left = await tx.execute<{ id: string }>(sql`
    update requests r set state = 'refused', closed_at = ${at}::timestamptz, waiting = ${JSON.stringify(undecided)}::jsonb
    where ${mine} returning r.id`);
  return left.map(({ id }) => ({ requestId: id, state: 'refused', ...undecided }));
}

/** Of the reads that are waited for, those that have ended since that was decided. None of the others ends while this transaction lasts. */
async function endedReads(
  tx: Queryable,
  { tenant, pool }: DecisionRef,
  waiting: Closing['waiting'],
): Promise<string[]> {
  const blockers = JSON.stringify([...new Set(waiting.flatMap((wait) => wait.blockers))]);
  if (blockers === '[]') return [];
  const rows = await tx.execute<{ id: string; state: string }>(sql`
    select id, state from batches where tenant = ${tenant} and pool = ${pool}
      and id in (select jsonb_array_elements_text(${blockers}::jsonb)) order by id for share`);
  return rows.filter(({ state }) => state !== 'planned').map(({ id }) => id);
}

async function insertResponses(
  tx: Queryable,
  { tenant, pool, decisionId }: DecisionRef,
  closing: Closing,
  delivered: readonly NewDelivery[],
  cancelled: ReadonlySet<string>,
  createdAt: Date,
): Promise<void> {
  const row = (subject: string, payload: object) => ({
    tenant,
    pool,
    kind: 'response' as const,
    subject,
    decisionId,
    payload: { requestId: subject, decisionId, ...payload },
    createdAt,
  });
  const rows = [
    ...delivered.map((one) =>
      row(one.requestId, {
        state: 'delivered',
        deliveryId: one.id,
        verdict: one.verdict,
        rows: one.slice.rows,
        path: one.slice.path,
      }),
    ),
    ...closing.ended.map(({ requestId, ...why }) => row(requestId, why)),
    ...[...cancelled].map((requestId) => row(requestId, { state: 'cancelled' })),
  ];
  await insertRows(tx, outbox, rows);
  const payload = { decisionId, outcome: closing.outcome, summary: closing.summary };
  await tx
    .insert(outbox)
    .values({ tenant, pool, kind: 'decision', subject: decisionId, decisionId, payload, createdAt })
    .onConflictDoNothing();
}

/**
 * What was served never goes back, and moves on without a gap: a backfill of the past leaves it where it is, and so
 * does one that begins after it: the rows between were not handed out.
 */
async function keepNeeds(tx: Queryable, ref: DecisionRef, needs: Closing['needs'], now: Date): Promise<void> {
  if (needs.length === 0) return;
  // Cycles of the pool's own say at their opening where the first window begins (`db/cycle-store.ts`).
  const begun = (value: string) => sql`case when o.served_up_to_ms is not null then ${sql.raw(`n."${value}"`)} end`;
  const ahead = sql`(excluded.served_up_to_ms > s.served_up_to_ms and excluded.last_from_ms <= s.served_up_to_ms)`;
  await tx.execute(sql`
    insert into need_states as s (tenant, pool, need_id, served_up_to_ms, last_from_ms, last_rows, last_question, owed_rows, short_cycles, asked_rows, updated_at)
    select ${ref.tenant}, ${ref.pool}, n."needId", ${begun('servedUpToMs')}, ${begun('lastFromMs')},
      ${begun('lastRows')}, ${begun('lastQuestion')},
      coalesce(n."owedRows", o.owed_rows, 0), coalesce(n."shortCycles", o.short_cycles, 0),
      coalesce(n."askedRows", o.asked_rows, 0), ${now.toISOString()}::timestamptz
    from jsonb_to_recordset(${JSON.stringify(needs)}::jsonb) as n("needId" text, "servedUpToMs" bigint,
      "lastFromMs" bigint, "lastRows" int, "lastQuestion" text, "owedRows" int, "shortCycles" int, "askedRows" int)
    left join need_states o on o.tenant = ${ref.tenant} and o.pool = ${ref.pool} and o.need_id = n."needId"
    on conflict (tenant, pool, need_id) do update set
      served_up_to_ms = case when ${ahead} then excluded.served_up_to_ms else s.served_up_to_ms end,
      last_from_ms = case when ${ahead} then excluded.last_from_ms else s.last_from_ms end,
      last_rows = case when ${ahead} then excluded.last_rows else s.last_rows end,
      last_question = case when ${ahead} then excluded.last_question else s.last_question end,
      owed_rows = excluded.owed_rows, short_cycles = excluded.short_cycles, asked_rows = excluded.asked_rows,
      updated_at = excluded.updated_at`);
}

/** Demand adds up within a step (several cycles may fall into one); every other metric is the newest value. */
async function addMetrics(tx: Queryable, ref: DecisionRef, closing: Closing, now: Date): Promise<void> {
  const rows = JSON.stringify(closing.metrics);
  await tx.execute(sql`
    insert into metric_history as h (tenant, pool, metric, subject, at_ms, value, decision_id, recorded_at)
    select ${ref.tenant}, ${ref.pool}, m.metric, m.subject, m."atMs", m.value, ${ref.decisionId}, ${now.toISOString()}::timestamptz
    from jsonb_to_recordset(${rows}::jsonb) as m(metric text, subject text, "atMs" bigint, value float8)
    on conflict (tenant, pool, metric, subject, at_ms) do update set
      value = case when h.metric = ${DEMAND} then h.value + excluded.value else excluded.value end,
      decision_id = excluded.decision_id, recorded_at = excluded.recorded_at`);
}

function decisionOf(ref: DecisionRef) {
  return and(eq(decisions.tenant, ref.tenant), eq(decisions.pool, ref.pool), eq(decisions.id, ref.decisionId));
}
