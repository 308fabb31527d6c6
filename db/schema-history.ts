/** Tables that stand alone: the cache's index, budgets, and what cycles leave for later ones. */
import { sql } from 'drizzle-orm';
import {
  bigserial,
  boolean,
  check,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import type { LearnedKind } from '../activities/store-ports.js';
import type { NeedReference } from '../domain/decision/quality/reference.js';
import type { KeptProfile } from '../domain/quality/dataset-profile.js';
import type { StrategyState } from '../domain/quality/strategy.js';
import { at, big, scope } from './columns.js';

/** Results in the shared cache, found again by what they answer. */
export const cacheEntries = pgTable(
  'cache_entries',
  {
    ...scope(),
    /** Digest of dataset, fields, predicate, rows, seed, quotas (not of the time): the question. */
    shape: text().notNull(),
    contentId: text().notNull(),
    asOfMs: big().notNull(),
    path: text().notNull(),
    fileBytes: big().notNull(),
    /** The slice's metrics, for the gate. */
    slice: jsonb().notNull(),
    createdAt: at().notNull(),
    usedAt: at().notNull(),
    /** Time that making it again would take, how often it was asked for, and what keeping it is worth (`db/maintenance.ts`). */
    costMs: doublePrecision().notNull().default(0),
    uses: integer().notNull().default(1),
    worth: doublePrecision().notNull().default(0),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.shape, t.contentId, t.asOfMs] }),
    index('cache_entries_path').on(t.path),
    index('cache_entries_used').on(t.usedAt),
  ],
);

/** Cache files that were removed: a delivery of one can no longer be read. */
export const removedFiles = pgTable('removed_files', { path: text().primaryKey(), removedAt: at().notNull() });

/** Token bucket of each limited source: what may still be taken without exceeding bytes/s and rows/s. */
export const budgets = pgTable(
  'budgets',
  {
    ...scope(),
    resource: text().notNull(),
    tokens: doublePrecision().notNull(),
    updatedAt: at().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.pool, t.resource] })],
);

/** Reads that a decision made beyond its plan, of sources with a quota: what left for them, or is to, counts in it. */
export const furtherReads = pgTable(
  'further_reads',
  {
    ...scope(),
    decisionId: uuid().notNull(),
    id: text().notNull(),
    source: text().notNull(),
    /** Logical bytes, foreseen while it runs. A read that is made again adds to them. */
    bytes: doublePrecision().notNull(),
    readAt: at().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.pool, t.decisionId, t.id] })],
);

/** Where each standing need stands: kept apart from its deliveries, which retention lets go. */
export const needStates = pgTable(
  'need_states',
  {
    ...scope(),
    needId: text().notNull(),
    /** `rows: new`: event time up to which every row was handed out. It never goes back. */
    servedUpToMs: big(),
    /** The last window that was handed out, to see what came into it afterwards. */
    lastFromMs: big(),
    lastRows: integer(),
    lastQuestion: text(),
    /** Rows that scarcity kept back, still claimed from later cycles. */
    owedRows: integer().notNull().default(0),
    /** Cycles in a row that could not give it what it asked for. */
    shortCycles: integer().notNull().default(0),
    /** `rows: new`: rows after `servedUpToMs` that cycles asked for and did not hand out: no new demand. */
    askedRows: integer().notNull().default(0),
    updatedAt: at().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.needId] }),
    check('need_states_counts', sql`${t.owedRows} >= 0 and ${t.shortCycles} >= 0 and ${t.askedRows} >= 0`),
  ],
);

/** Profile of a dataset version as the analyzers saw it. */
export const profiles = pgTable(
  'profiles',
  {
    ...scope(),
    dataset: text().notNull(),
    version: text().notNull(),
    asOfMs: big().notNull(),
    state: jsonb().notNull(),
    createdAt: at().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.pool, t.dataset, t.version, t.asOfMs] })],
);

/** What is kept of the newest profile of a dataset: the merged states of its columns, which the next version goes on from. */
export const profileStates = pgTable(
  'profile_states',
  {
    ...scope(),
    dataset: text().notNull(),
    asOfMs: big().notNull(),
    kept: jsonb().$type<KeptProfile>().notNull(),
    updatedAt: at().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.pool, t.dataset] })],
);

/** What each need's model was last given in good order: later deliveries are compared with it. */
export const needReferences = pgTable(
  'need_references',
  {
    ...scope(),
    needId: text().notNull(),
    reference: jsonb().$type<NeedReference>().notNull(),
    updatedAt: at().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.pool, t.needId] })],
);

/** What is known of corrective actions: by issue and action, how often they helped. One state for each pool. */
export const strategies = pgTable(
  'strategies',
  { ...scope(), state: jsonb().$type<StrategyState>().notNull(), updatedAt: at().notNull() },
  (t) => [primaryKey({ columns: [t.tenant, t.pool] })],
);

/** The last time that rows were asked for on behalf of a need: the same is not asked again every cycle. */
export const dataAsks = pgTable(
  'data_asks',
  {
    ...scope(),
    needId: text().notNull(),
    askedAt: at().notNull(),
    rows: jsonb().$type<Readonly<Record<string, number>>>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.pool, t.needId] })],
);

/** Measured values over time: demand, deliveries, scores. One value for each metric, subject and time. */
export const metricHistory = pgTable(
  'metric_history',
  {
    ...scope(),
    metric: text().notNull(),
    subject: text().notNull(),
    atMs: big().notNull(),
    value: doublePrecision().notNull(),
    decisionId: uuid(),
    /** When it was stored: a replay's event time says nothing about its age. */
    recordedAt: at().notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.pool, t.metric, t.subject, t.atMs] })],
);

/** States of a series' predictors, a version every so many steps: decisions go on from one and name it. */
export const seriesStates = pgTable(
  'series_states',
  {
    ...scope(),
    series: text().notNull(),
    stepMs: big().notNull(),
    /** End of the last step that was learned. */
    upToMs: big().notNull(),
    /** sha256 of the snapshot: what a decision's record names. */
    digest: text().notNull().default(''),
    snapshot: jsonb().notNull(),
    updatedAt: at().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.pool, t.series, t.upToMs] })],
);

/** Up to which step each series was learned: what came before is no news. */
export const seriesProgress = pgTable(
  'series_progress',
  { ...scope(), series: text().notNull(), upToMs: big().notNull() },
  (t) => [primaryKey({ columns: [t.tenant, t.pool, t.series] })],
);

/** What is expected to go wrong, or is not as it was: from the decision that raised it to the one that cleared it. */
export const warnings = pgTable(
  'warnings',
  {
    ...scope(),
    kind: text().$type<'shortage' | 'anomaly' | 'behaviour'>().notNull(),
    /** `bytes:SOURCE`, or a series. */
    subject: text().notNull(),
    /** Event time of the cycle that raised it. */
    raisedMs: big().notNull(),
    raisedBy: uuid().notNull(),
    severity: text().$type<'low' | 'medium' | 'high'>().notNull(),
    message: text().notNull(),
    action: text().notNull(),
    /** The last decision that looked at it. */
    seenBy: uuid().notNull(),
    seenAt: at().notNull(),
    clearedMs: big(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.kind, t.subject, t.raisedMs] }),
    index('warnings_open')
      .on(t.tenant, t.pool)
      .where(sql`${t.clearedMs} is null`),
    check('warnings_kind', sql`${t.kind} in ('shortage', 'anomaly', 'behaviour')`),
    check('warnings_severity', sql`${t.severity} in ('low', 'medium', 'high')`),
  ],
);

/** Questions that were asked: when, what came of the last one, and how predictions that they come again went. */
export const recurrences = pgTable(
  'recurrences',
  {
    ...scope(),
    /** Digest of the question, as in the cache's index. */
    shape: text().notNull(),
    /** Who asked last. */
    model: text().notNull(),
    dataset: text().notNull(),
    /** Fields, predicate, rows, seed, and how old a result may be. */
    ask: jsonb().notNull(),
    /** Event times at which it was asked, ascending; the newest ones. */
    askedMs: big().array().notNull(),
    lastMs: big().notNull(),
    resultRows: integer().notNull(),
    resultBytes: doublePrecision().notNull(),
    /** Predictions that came true and that did not; older ones count for less. */
    held: doublePrecision().notNull().default(0),
    failed: doublePrecision().notNull().default(0),
    /** The open prediction: until when it is expected, by which decision, and whether that read ahead. */
    promisedUntilMs: big(),
    promisedBy: uuid(),
    promiseRead: boolean().notNull().default(false),
    updatedAt: at().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.pool, t.shape] }),
    index('recurrences_often')
      .on(t.tenant, t.pool)
      .where(sql`cardinality(${t.askedMs}) >= 3`),
    index('recurrences_promised')
      .on(t.tenant, t.pool, t.promisedUntilMs)
      .where(sql`${t.promisedUntilMs} is not null`),
  ],
);

/**
 * What a pool has learned from its own running: `read-cost` (by dataset), a model of measured time and memory; `credits`
 * (by model and source), who was short-changed and who had more; `cache-clock` (of no pool: the cache is shared), the
 * worth of what was evicted last; `release`, why the next cycle for waiting requests is due; `circuit` (by dataset with a
 * stand-in), whether it rests; `patterns` (by series), what recurs and
 * changes in its demand, and what it is related to.
 */
export const learned = pgTable(
  'learned',
  {
    ...scope(),
    kind: text().$type<LearnedKind>().notNull(),
    subject: text().notNull(),
    state: jsonb().notNull(),
    updatedAt: at().notNull(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.pool, t.kind, t.subject] })],
);

/** Messages that leave: written with the decision, published afterwards, each exactly once stored. */
export const outbox = pgTable(
  'outbox',
  {
    id: bigserial({ mode: 'number' }).primaryKey(),
    ...scope(),
    kind: text().$type<'response' | 'decision' | 'ask'>().notNull(),
    /** Request id for a response, decision id for a decision, for an ask the id of the need's row in its cycle. */
    subject: uuid().notNull(),
    decisionId: uuid(),
    payload: jsonb().notNull(),
    createdAt: at().notNull(),
    publishedAt: at(),
  },
  (t) => [
    uniqueIndex('outbox_once').on(t.tenant, t.pool, t.kind, t.subject),
    index('outbox_unpublished')
      .on(t.id)
      .where(sql`${t.publishedAt} is null`),
  ],
);
