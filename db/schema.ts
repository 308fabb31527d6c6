/**
 * The tables. Tenant and pool are in every key, and lead the primary ones; check constraints make wrong states
 * impossible to store (a closed decision has an outcome, a delivered request has a decision, a delivery belongs to one request).
 * Times are `timestamptz`, event times and durations are milliseconds as `bigint`, JSON is plain.
 */
import { sql } from 'drizzle-orm';
import {
  boolean,
  check,
  doublePrecision,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core';
import { at, big, definition, scope } from './columns.js';
import type { Predicate } from '../domain/types/predicate.js';
import type { Cost, ForeseenCost } from '../domain/decision/quality/correction-cost.js';
import type { ArrivalWindow } from '../domain/decision/work.js';

export * from './schema-history.js';

/** A pool and its current definition; `clockMs` is where a replay clock stands. */
export const pools = pgTable(
  'pools',
  {
    ...scope(),
    version: integer().notNull(),
    definition: definition().notNull(),
    digest: text().notNull(),
    /** Folder of the balance.yaml it came from: relative source roots start here. */
    baseDir: text().notNull(),
    clockMs: big(),
    cycleNumber: integer().notNull().default(0),
    updatedAt: at().notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.pool] })],
);

/** Every definition that was ever applied: a decision names the version that it was made under. */
export const poolVersions = pgTable(
  'pool_versions',
  {
    ...scope(),
    version: integer().notNull(),
    definition: definition().notNull(),
    digest: text().notNull(),
    appliedAt: at().notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.pool, t.version] })],
);

export const cycles = pgTable(
  'cycles',
  {
    ...scope(),
    id: uuid().notNull(),
    number: integer().notNull(),
    trigger: text().$type<'manual' | 'schedule' | 'work' | 'backfill'>().notNull(),
    asOfMs: big().notNull(),
    workflowId: text().notNull(),
    runId: text().notNull(),
    /** The schedule that it is a run of, and the run's nominal time. */
    scheduleId: text(),
    nominalMs: big(),
    openedAt: at().notNull(),
    closedAt: at(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.id] }),
    unique('cycles_number').on(t.tenant, t.pool, t.number),
    index('cycles_slice')
      .on(t.tenant, t.pool, t.scheduleId, t.nominalMs)
      .where(sql`${t.scheduleId} is not null`),
    check('cycles_slice_whole', sql`(${t.scheduleId} is null) = (${t.nominalMs} is null)`),
    check('cycles_trigger', sql`${t.trigger} in ('manual', 'schedule', 'work', 'backfill')`),
  ],
);

/** What one cycle decided. The row opens before the first effect and closes in the transaction that stores them. */
export const decisions = pgTable(
  'decisions',
  {
    ...scope(),
    /** Same id as its cycle. */
    id: uuid().notNull(),
    poolVersion: integer().notNull(),
    state: text().$type<'open' | 'closed'>().notNull().default('open'),
    outcome: text().$type<'delivered' | 'partial' | 'empty' | 'rejected' | 'failed' | 'cancelled'>(),
    risk: text().$type<'low' | 'medium' | 'high'>(),
    summary: text(),
    reasons: jsonb().$type<readonly string[]>().notNull().default([]),
    impact: jsonb(),
    versions: jsonb().$type<Readonly<Record<string, string>>>().notNull(),
    digest: text(),
    openedAt: at().notNull(),
    closedAt: at(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.id] }),
    foreignKey({ columns: [t.tenant, t.pool, t.id], foreignColumns: [cycles.tenant, cycles.pool, cycles.id] }).onDelete(
      'cascade',
    ),
    index('decisions_recent').on(t.tenant, t.pool, t.openedAt),
    index('decisions_open')
      .on(t.tenant, t.pool)
      .where(sql`${t.state} = 'open'`),
    check(
      'decisions_closed_with_outcome',
      sql`(${t.state} = 'closed') = (${t.outcome} is not null and ${t.closedAt} is not null)`,
    ),
    check(
      'decisions_outcome',
      sql`${t.outcome} in ('delivered', 'partial', 'empty', 'rejected', 'failed', 'cancelled')`,
    ),
  ],
);

/** One stage of a decision: its inputs, so that it can be replayed, and what came out, with digests of both. */
export const decisionStages = pgTable(
  'decision_stages',
  {
    ...scope(),
    decisionId: uuid().notNull(),
    stage: text().notNull(),
    ordinal: integer().notNull(),
    state: text().$type<'ok' | 'degraded' | 'failed'>().notNull(),
    inputs: jsonb().notNull(),
    inputDigest: text().notNull(),
    outcome: jsonb().notNull(),
    outcomeDigest: text().notNull(),
    reasons: jsonb().$type<readonly string[]>().notNull(),
    startedAt: at().notNull(),
    endedAt: at().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.decisionId, t.stage] }),
    foreignKey({
      columns: [t.tenant, t.pool, t.decisionId],
      foreignColumns: [decisions.tenant, decisions.pool, decisions.id],
    }).onDelete('cascade'),
    check('decision_stages_state', sql`${t.state} in ('ok', 'degraded', 'failed')`),
  ],
);

export const requestStates = [
  'pending',
  'claimed',
  'delivered',
  'refused',
  'quarantined',
  'expired',
  'cancelled',
] as const;
export type RequestState = (typeof requestStates)[number];

/** What models ask for: one-off requests, and one row for each standing need in each cycle that serves it. */
export const requests = pgTable(
  'requests',
  {
    ...scope(),
    id: uuid().notNull(),
    kind: text().$type<'request' | 'need'>().notNull(),
    needId: text(),
    model: text().notNull(),
    dataset: text().notNull(),
    fields: jsonb().$type<readonly string[]>().notNull(),
    predicate: jsonb().$type<Predicate>().notNull(),
    rows: integer(),
    seed: integer().notNull(),
    maxAgeMs: big(),
    deadlineAt: at(),
    priority: integer().notNull(),
    datasetVersion: text(),
    idempotencyKey: text().notNull(),
    /** Requests of one model with the same gang are served together or not at all; `gangSize` of them. */
    gang: text(),
    gangSize: integer(),
    state: text().$type<RequestState>().notNull().default('pending'),
    decisionId: uuid(),
    /** Why it still waits, tiered: binding resource, blockers, shortfall, earliest time. */
    waiting: jsonb(),
    /** `rows: new`: the event times (from, to] that it stands for. */
    window: jsonb().$type<ArrivalWindow>(),
    /** Rows of `rows` that earlier cycles still owed. */
    owedRows: integer().notNull().default(0),
    /** Not looked at again before this. */
    notBefore: at().notNull(),
    attempts: integer().notNull().default(0),
    /** Cycles in a row that failed while they had it: no attempts of its own, they space out the next ones. */
    failures: integer().notNull().default(0),
    /** The read that outlasted its cycle and is, or was, made for it. */
    readId: text(),
    cancelRequestedAt: at(),
    createdAt: at().notNull(),
    closedAt: at(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.id] }),
    // No other index over all rows begins with tenant and pool: before statistics are gathered, it would look as good as
    // the primary key to a planner that knows tenant, pool and id, and a delivery's foreign key would read a whole pool.
    unique('requests_idempotency').on(t.idempotencyKey, t.tenant, t.pool),
    index('requests_pending')
      .on(t.tenant, t.pool, t.notBefore)
      .where(sql`${t.state} = 'pending'`),
    index('requests_gang')
      .on(t.gang, t.model, t.tenant, t.pool)
      .where(sql`${t.gang} is not null and ${t.closedAt} is null`),
    // Read backwards: when the latest requests came.
    index('requests_arrived')
      .on(t.tenant, t.pool, t.createdAt, t.id)
      .where(sql`${t.kind} = 'request'`),
    index('requests_decision').on(t.decisionId, t.tenant, t.pool),
    check(
      'requests_state',
      sql`${t.state} in ('pending', 'claimed', 'delivered', 'refused', 'quarantined', 'expired', 'cancelled')`,
    ),
    check('requests_closed', sql`(${t.state} in ('pending', 'claimed')) = (${t.closedAt} is null)`),
    check(
      'requests_decided',
      sql`${t.state} not in ('claimed', 'delivered', 'quarantined') or ${t.decisionId} is not null`,
    ),
    check('requests_rows', sql`${t.rows} is null or ${t.rows} > 0`),
    check('requests_priority', sql`${t.priority} between 1 and 5`),
    check('requests_need', sql`(${t.kind} = 'need') = (${t.needId} is not null)`),
  ],
);

/** One physical read that serves several requests. */
export const batches = pgTable(
  'batches',
  {
    ...scope(),
    id: text().notNull(),
    decisionId: uuid().notNull(),
    ordinal: integer().notNull(),
    source: text().notNull(),
    dataset: text().notNull(),
    contentId: text(),
    asOfMs: big().notNull(),
    state: text().$type<'planned' | 'done' | 'failed'>().notNull().default('planned'),
    /** The read as the data plane takes it, without the dataset reference. */
    plan: jsonb().notNull(),
    result: jsonb(),
    error: jsonb(),
    predictedBytes: big().notNull(),
    predictedMs: doublePrecision(),
    predictedMemoryBytes: big(),
    /** When it was to start and what its members would have taken one by one, as foreseen at planning. */
    predictedStartMs: doublePrecision(),
    aloneMs: doublePrecision(),
    actualBytes: big(),
    actualMs: doublePrecision(),
    actualMemoryBytes: big(),
    /** When the read ended: what left the source counts in a quota's period from then on. Null in rows of older versions. */
    readAt: at(),
    /** When its cycle went on without it: its end is its own then. */
    ...{ askedBytes: big(), outlastedAt: at() },
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.id] }),
    index('batches_under_way')
      .on(t.tenant, t.pool)
      .where(sql`${t.state} = 'planned' and ${t.outlastedAt} is not null`),
    unique('batches_order').on(t.tenant, t.pool, t.decisionId, t.ordinal),
    foreignKey({
      columns: [t.tenant, t.pool, t.decisionId],
      foreignColumns: [decisions.tenant, decisions.pool, decisions.id],
    }).onDelete('cascade'),
    check('batches_done_with_result', sql`(${t.state} = 'done') = (${t.result} is not null)`),
    check('batches_failed_with_error', sql`(${t.state} = 'failed') = (${t.error} is not null)`),
  ],
);

/** What a requester got: exactly one for each delivered request. */
export const deliveries = pgTable(
  'deliveries',
  {
    ...scope(),
    id: uuid().notNull(),
    requestId: uuid().notNull(),
    decisionId: uuid().notNull(),
    model: text().notNull(),
    dataset: text().notNull(),
    needId: text(),
    path: text().notNull(),
    digest: text().notNull(),
    rows: integer().notNull(),
    bytes: big().notNull(),
    /** Size of the file, for the cache's budget. */
    fileBytes: big().notNull(),
    chargedBytes: big().notNull(),
    contentId: text().notNull(),
    asOfMs: big().notNull(),
    /** `rows: new`: event time up to which every row was handed out; earlier than `asOfMs` after a partial grant. */
    upToMs: big(),
    newestEventMs: big(),
    verdict: text().$type<'pass' | 'degrade'>().notNull(),
    score: doublePrecision().notNull(),
    served: text().$type<'read' | 'merged' | 'cache' | 'last-good'>().notNull(),
    /** Scores, findings, corrections and class weights, as the model sees them. */
    report: jsonb().notNull(),
    leaseUntil: at().notNull(),
    createdAt: at().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.id] }),
    unique('deliveries_request').on(t.tenant, t.pool, t.requestId),
    index('deliveries_decision').on(t.decisionId, t.tenant, t.pool),
    // Read backwards: the newest delivery of a need.
    index('deliveries_need').on(t.needId, t.tenant, t.pool, t.asOfMs),
    index('deliveries_path').on(t.path, t.leaseUntil),
    foreignKey({
      columns: [t.tenant, t.pool, t.requestId],
      foreignColumns: [requests.tenant, requests.pool, requests.id],
    }).onDelete('cascade'),
    check('deliveries_verdict', sql`${t.verdict} in ('pass', 'degrade')`),
    check('deliveries_served', sql`${t.served} in ('read', 'merged', 'cache', 'last-good')`),
    check(
      'deliveries_counts',
      sql`${t.rows} >= 0 and ${t.bytes} >= 0 and ${t.fileBytes} >= 0 and ${t.chargedBytes} >= 0`,
    ),
  ],
);

/** A request that was read ahead of, and later whether it came. */
export const prefetches = pgTable(
  'prefetches',
  {
    ...scope(),
    decisionId: uuid().notNull(),
    shape: text().notNull(),
    model: text().notNull(),
    dataset: text().notNull(),
    /** Event time of the result. */
    asOfMs: big().notNull(),
    /** It was expected in this window, with at least this probability. */
    fromMs: big().notNull(),
    untilMs: big().notNull(),
    probability: doublePrecision().notNull(),
    /** Expected bytes. */
    bytes: doublePrecision().notNull(),
    /** When it was asked first; null: not yet, or, once the window has ended, not at all. */
    askedMs: big(),
    /** Requests that the result has served. */
    served: integer().notNull().default(0),
    ended: boolean().notNull().default(false),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.decisionId, t.shape] }),
    foreignKey({
      columns: [t.tenant, t.pool, t.decisionId],
      foreignColumns: [decisions.tenant, decisions.pool, decisions.id],
    }).onDelete('cascade'),
    index('prefetches_open')
      .on(t.tenant, t.pool, t.shape)
      .where(sql`not ${t.ended}`),
  ],
);

/** What was done about a delivery at fault: what it was expected to bring, what it brought, whether it was kept. */
export const corrections = pgTable(
  'corrections',
  {
    ...scope(),
    decisionId: uuid().notNull(),
    requestId: uuid().notNull(),
    /** Which of the corrections of one slice it is, from 0. */
    step: integer().notNull().default(0),
    needId: text(),
    dataset: text().notNull(),
    issue: text().notNull(),
    action: text().notNull(),
    applied: boolean().notNull(),
    verdict: text().$type<'keep' | 'undecided' | 'roll-back' | 'failed'>().notNull(),
    ...{ predictedDelta: doublePrecision().notNull(), measuredDelta: doublePrecision() },
    standardError: doublePrecision(),
    reason: text().notNull(),
    effect: jsonb(),
    predictedEffect: jsonb(),
    /** What it was foreseen to take, and took. */
    cost: jsonb().$type<{ foreseen: ForeseenCost | null; took: Cost | null }>(),
    createdAt: at().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.decisionId, t.requestId, t.step] }),
    foreignKey({
      columns: [t.tenant, t.pool, t.decisionId],
      foreignColumns: [decisions.tenant, decisions.pool, decisions.id],
    }).onDelete('cascade'),
    index('corrections_newest').on(t.tenant, t.pool, t.dataset, t.action, t.createdAt),
    check('corrections_verdict', sql`${t.verdict} in ('keep', 'undecided', 'roll-back', 'failed')`),
    check('corrections_applied', sql`not (${t.applied} and ${t.verdict} in ('roll-back', 'failed'))`),
  ],
);
