/** Opens and abandons cycles, and gives the stages their immutable context. */
import { and, eq, sql } from 'drizzle-orm';
import type { CycleStore, DecisionRef, OpenCycle, SliceRef } from '../activities/store-ports.js';
import { SEGMENT_ROWS_MIN } from '../domain/analyzers/coverage.js';
import { BalanceError } from '../domain/types/errors.js';
import { SECONDS_PER_LEVEL } from '../domain/decision/batch/item-priority.js';
import type { NeedDefinition, PoolDefinition, PoolRef } from '../domain/types/pool.js';
import type { Predicate } from '../domain/types/predicate.js';
import { stepMsOf } from '../domain/decision/steps.js';
import { standingQuestion, windowConditions, type ArrivalWindow, type WorkItem } from '../domain/decision/work.js';
import { abandon } from './abandon.js';
import { chunked, HASH_JOINS, insertRows, type Database, type Queryable } from './client.js';
import { nameUuid } from './ids.js';
import { cycles, decisions, needStates, pools, poolVersions, requests } from './schema.js';

type RequestRow = typeof requests.$inferSelect;
type PoolRow = typeof pools.$inferSelect;

export function createCycleStore(db: Database): CycleStore {
  return {
    open: (input, nowMs, versions) => db.transaction((tx) => open(tx, input, nowMs, versions)),
    context: (ref) => context(db, ref),
    abandon: (ref, outcome, reason, nowMs, asked) =>
      db.transaction((tx) => abandon(tx, ref, outcome, reason, nowMs, asked)),
    decisionOf: ({ tenant, pool }, { scheduleId, nominalMs }) =>
      sliceDecision(db, { tenant, pool, scheduleId, nominalMs }),
  };
}

async function open(
  tx: Queryable,
  input: OpenCycle,
  nowMs: number,
  versions: Readonly<Record<string, string>>,
): Promise<void> {
  const { tenant, pool, decisionId } = input;
  const inPool = and(eq(pools.tenant, tenant), eq(pools.pool, pool));
  // The pool's row is locked first: cycles of one pool open one after the other. Statements that do not wait for one
  // another's answers travel together.
  const [[row]] = await Promise.all([tx.select().from(pools).where(inPool).for('update'), tx.execute(HASH_JOINS)]);
  if (row === undefined) {
    throw new BalanceError('usage', {
      type: 'UnknownPool',
      message: `no pool ${pool} for tenant ${tenant}`,
      hint: 'Declare it in balance.yaml and run `balance apply`.',
    });
  }
  const [existing] = await tx
    .select({ id: cycles.id })
    .from(cycles)
    .where(and(eq(cycles.tenant, tenant), eq(cycles.pool, pool), eq(cycles.id, decisionId)));
  if (existing !== undefined) return;

  await abandonOrphans(tx, input, nowMs);

  const { asOfMs, clockMs } = nextClock(row, input, nowMs);
  const openedAt = new Date(nowMs);
  const number = row.cycleNumber + 1;
  const { trigger, workflowId, runId, slice } = input;
  await Promise.all([
    tx.update(pools).set({ cycleNumber: number, clockMs }).where(inPool),
    tx.insert(cycles).values({
      ...{ tenant, pool, id: decisionId, number, trigger, asOfMs, workflowId, runId, openedAt },
      ...{ scheduleId: slice?.scheduleId, nominalMs: slice?.nominalMs },
    }),
  ]);
  await Promise.all([
    tx.insert(decisions).values({ tenant, pool, id: decisionId, poolVersion: row.version, versions, openedAt }),
    // What waits for an answer of now is not answered as of the past: the cycles between the slices of a backfill do.
    ...(trigger === 'backfill' ? [] : [claimPending(tx, input, row.definition.maxRequestsPerCycle, openedAt)]),
  ]);
  if (trigger !== 'work') await insertNeeds(tx, row, input, asOfMs, openedAt);
}

/** Claims the pending requests that are due, the most urgent first. What they waited for is kept until it is known what becomes of them. */
async function claimPending(tx: Queryable, ref: DecisionRef, limit: number, openedAt: Date): Promise<void> {
  const { tenant, pool, decisionId } = ref;
  await tx.execute(sql`
    update ${requests} set state = 'claimed', decision_id = ${decisionId}, attempts = attempts + 1
    where (tenant, pool, id) in (
      select tenant, pool, id from ${requests}
      where tenant = ${tenant} and pool = ${pool} and state = 'pending' and not_before <= ${openedAt.toISOString()}::timestamptz
      order by priority - greatest(0, extract(epoch from ${openedAt.toISOString()}::timestamptz - created_at)) / ${SECONDS_PER_LEVEL}::float8, deadline_at nulls last, created_at, id
      limit ${limit}
      for update skip locked)`);
  // Members of a gang that were not due yet are looked at with the one that is.
  await tx.execute(sql`
    update ${requests} set state = 'claimed', decision_id = ${decisionId}, attempts = attempts + 1
    where tenant = ${tenant} and pool = ${pool} and state = 'pending' and closed_at is null and (gang, model) in (
      select gang, model from ${requests}
      where tenant = ${tenant} and pool = ${pool} and decision_id = ${decisionId} and gang is not null and closed_at is null)`);
}

/**
 * A pool's cycles run one after the other: a decision that is still open now belongs to a cycle that was terminated.
 * Its requests go back to the queue. Should that cycle still run, it finds its decision closed and ends without effect.
 */
async function abandonOrphans(tx: Queryable, { tenant, pool }: OpenCycle, nowMs: number): Promise<void> {
  const open = await tx
    .select({ id: decisions.id })
    .from(decisions)
    .where(and(eq(decisions.tenant, tenant), eq(decisions.pool, pool), eq(decisions.state, 'open')));
  for (const { id } of open) {
    await abandon(tx, { tenant, pool, decisionId: id }, 'failed', 'its cycle ended without closing it', nowMs);
  }
}

async function sliceDecision(db: Queryable, slice: PoolRef & SliceRef): Promise<string | null> {
  const [row] = await db.execute<{ id: string }>(sql`
    select d.id from cycles c join decisions d using (tenant, pool, id)
    where c.tenant = ${slice.tenant} and c.pool = ${slice.pool} and c.schedule_id = ${slice.scheduleId} and c.nominal_ms = ${slice.nominalMs}
      and (d.state = 'open' or d.outcome in ('delivered', 'partial', 'empty'))
    order by c.number desc limit 1`);
  return row?.id ?? null;
}

/** The event time that this cycle decides for, and where a replay clock stands afterwards. */
function nextClock(row: PoolRow, input: OpenCycle, nowMs: number): { asOfMs: number; clockMs: number | null } {
  const { clock } = row.definition;
  if (clock.kind === 'wall') return { asOfMs: input.asOfMs ?? nowMs, clockMs: null };
  const current = row.clockMs ?? clock.start - clock.step;
  // A schedule's runs move a replay on: their own times are those of the clock on the wall.
  if (input.asOfMs !== null && input.trigger !== 'schedule') return { asOfMs: input.asOfMs, clockMs: row.clockMs };
  // A cycle that only serves waiting requests does not move time on, except that the very first one starts the clock.
  if (input.trigger === 'work' && row.clockMs !== null) return { asOfMs: current, clockMs: current };
  const next = Math.min(current + clock.step, clock.end ?? Number.MAX_SAFE_INTEGER);
  return { asOfMs: next, clockMs: next };
}

async function insertNeeds(
  tx: Queryable,
  row: PoolRow,
  input: OpenCycle,
  asOfMs: number,
  openedAt: Date,
): Promise<void> {
  const { tenant, pool, decisionId } = input;
  const { definition } = row;
  const needs = needsOf(definition);
  const states = await needStatesOf(tx, input);
  const served =
    input.trigger === 'backfill' ? await servedBefore(tx, input, newNeeds(needs), asOfMs) : servedUpTo(states);
  // A row of a wall clock's future may still come, however far ahead the cycle looks.
  const nowMs = definition.clock.kind === 'wall' ? Math.min(asOfMs, openedAt.getTime()) : asOfMs;
  const rows = needs.map(({ model, priority, need }) => {
    const needId = `${model}/${need.id}`;
    const state = states.get(needId);
    const window = need.rows === 'new' ? windowOf(definition, need, served.get(needId), nowMs, state) : null;
    return {
      tenant,
      pool,
      id: nameUuid(decisionId, needId),
      kind: 'need' as const,
      needId,
      model,
      dataset: need.dataset,
      fields: need.fields,
      predicate: window === null ? need.where : [...need.where, ...windowConditions(window)],
      window,
      owedRows: input.trigger === 'backfill' || need.rows === 'new' ? 0 : Math.min(state?.owedRows ?? 0, need.rows),
      rows: need.rows === 'new' ? null : need.rows,
      seed: need.seed,
      maxAgeMs: need.maxAge ?? null,
      priority,
      idempotencyKey: `need:${decisionId}:${needId}`,
      state: 'claimed' as const,
      decisionId,
      notBefore: openedAt,
      attempts: 1 + (input.trigger === 'backfill' ? 0 : (state?.shortCycles ?? 0)),
      createdAt: openedAt,
    };
  });
  await insertRows(tx, requests, rows);
  if (input.trigger === 'backfill') return;
  // Where the first window begins is remembered, whatever becomes of this cycle: later ones go on from there.
  const begun = rows.flatMap(({ needId, window }) =>
    window === null || states.get(needId)?.servedUpToMs != null
      ? []
      : [{ tenant, pool, needId, servedUpToMs: window.fromMs, updatedAt: openedAt }],
  );
  for (const chunk of chunked(begun))
    await tx
      .insert(needStates)
      .values(chunk)
      .onConflictDoUpdate({
        target: [needStates.tenant, needStates.pool, needStates.needId],
        set: { servedUpToMs: sql`excluded.served_up_to_ms` },
      });
}

function needsOf(definition: PoolDefinition): { model: string; priority: number; need: NeedDefinition }[] {
  return Object.entries(definition.models).flatMap(([model, { priority, needs }]) =>
    needs.map((need) => ({ model, priority, need })),
  );
}

type NeedRow = typeof needStates.$inferSelect;

async function needStatesOf(tx: Queryable, { tenant, pool }: DecisionRef): Promise<ReadonlyMap<string, NeedRow>> {
  const rows = await tx
    .select()
    .from(needStates)
    .where(and(eq(needStates.tenant, tenant), eq(needStates.pool, pool)));
  return new Map(rows.map((row) => [row.needId, row]));
}

function newNeeds(needs: ReturnType<typeof needsOf>): string[] {
  return needs.filter(({ need }) => need.rows === 'new').map(({ model, need }) => `${model}/${need.id}`);
}

/** Event time up to which each need was served: by whichever cycle, so that no row is handed out twice. */
function servedUpTo(states: ReadonlyMap<string, NeedRow>): ReadonlyMap<string, number> {
  return new Map([...states].flatMap(([id, row]) => (row.servedUpToMs === null ? [] : [[id, row.servedUpToMs]])));
}

/** A backfill repeats a time on purpose: it goes on where the newest delivery for an earlier time ended. */
async function servedBefore(
  tx: Queryable,
  ref: DecisionRef,
  needIds: readonly string[],
  asOfMs: number,
): Promise<ReadonlyMap<string, number>> {
  if (needIds.length === 0) return new Map();
  const rows = await tx.execute<{ id: string; up_to_ms: string | null }>(sql`
    select n.id, (
      select coalesce(up_to_ms, as_of_ms) from deliveries
      where tenant = ${ref.tenant} and pool = ${ref.pool} and need_id = n.id and as_of_ms < ${asOfMs} and served <> 'last-good'
      order by as_of_ms desc, created_at desc limit 1) as up_to_ms
    from jsonb_array_elements_text(${JSON.stringify(needIds)}::jsonb) as n(id)`);
  return new Map(rows.flatMap((row) => (row.up_to_ms === null ? [] : [[row.id, Number(row.up_to_ms)]])));
}

/**
 * `rows: new` stands for the rows that arrived since the need was last served, or in the last step for the first time.
 * Where rows may become visible late, it stays so far behind: each row is then handed out once, by the time it is there.
 */
function windowOf(
  definition: PoolDefinition,
  need: NeedDefinition,
  servedMs: number | undefined,
  nowMs: number,
  state: NeedRow | undefined,
): ArrivalWindow | null {
  const dataset = definition.datasets[need.dataset];
  if (dataset?.eventTime === undefined) return null;
  const completeMs = nowMs - (dataset.lateness ?? 0);
  const { clock } = definition;
  const fromMs = servedMs ?? completeMs - (clock.kind === 'replay' ? clock.step : stepMsOf(definition));
  const known =
    state?.lastFromMs != null &&
    state.lastRows !== null &&
    state.servedUpToMs === fromMs &&
    state.lastQuestion === standingQuestion(need.dataset, need.where);
  return {
    column: dataset.eventTime,
    fromMs,
    toMs: Math.max(fromMs, completeMs),
    before: known ? { fromMs: state.lastFromMs!, rows: state.lastRows! } : null,
    ...(state !== undefined && state.askedRows > 0 && state.servedUpToMs === fromMs
      ? { askedRows: state.askedRows }
      : {}),
  };
}

async function context(db: Queryable, ref: DecisionRef): ReturnType<CycleStore['context']> {
  const { tenant, pool, decisionId } = ref;
  const [[row], rows] = await Promise.all([
    db
      .select({ cycle: cycles, definition: poolVersions.definition, baseDir: pools.baseDir })
      .from(cycles)
      .innerJoin(
        decisions,
        and(eq(decisions.tenant, cycles.tenant), eq(decisions.pool, cycles.pool), eq(decisions.id, cycles.id)),
      )
      .innerJoin(
        poolVersions,
        and(
          eq(poolVersions.tenant, cycles.tenant),
          eq(poolVersions.pool, cycles.pool),
          eq(poolVersions.version, decisions.poolVersion),
        ),
      )
      .innerJoin(pools, and(eq(pools.tenant, cycles.tenant), eq(pools.pool, cycles.pool)))
      .where(and(eq(cycles.tenant, tenant), eq(cycles.pool, pool), eq(cycles.id, decisionId))),
    db
      .select()
      .from(requests)
      .where(and(eq(requests.tenant, tenant), eq(requests.pool, pool), eq(requests.decisionId, decisionId)))
      .orderBy(requests.id),
  ]);
  if (row === undefined)
    throw new BalanceError('internal', { type: 'UnknownDecision', message: `decision ${decisionId} was never opened` });
  return {
    ...ref,
    number: row.cycle.number,
    trigger: row.cycle.trigger,
    asOfMs: row.cycle.asOfMs,
    openedMs: row.cycle.openedAt.getTime(),
    definition: row.definition,
    baseDir: row.baseDir,
    items: rows.map((request) => toItem(request, decisionId, row.definition)),
  };
}

function toItem(row: RequestRow, decisionId: string, definition: PoolDefinition): WorkItem {
  const need =
    row.needId === null || !Object.hasOwn(definition.models, row.model)
      ? undefined
      : definition.models[row.model].needs.find(({ id }) => `${row.model}/${id}` === row.needId);
  return {
    id: row.id,
    kind: row.kind,
    needId: row.needId,
    model: row.model,
    dataset: row.dataset,
    fields: row.fields,
    where: pinnedWhere(row, definition),
    rows: row.rows,
    seed: row.seed,
    maxAgeMs: row.maxAgeMs,
    deadlineMs: row.deadlineAt?.getTime() ?? null,
    ...(row.deadlineAt === null || row.waiting === null ? {} : { waited: (row.waiting as { reason: string }).reason }),
    priority: row.priority,
    datasetVersion: row.datasetVersion,
    createdMs: row.createdAt.getTime(),
    attempts: row.attempts,
    classColumn: need?.classColumn ?? null,
    // The class mix of a reference is known when the reference was looked at.
    target: need?.target === undefined || need.target === 'reference' ? null : need.target,
    maxClassGap: need?.maxClassGap ?? 1,
    minCompleteness: need?.minCompleteness ?? null,
    minRows: need?.minRows ?? 0,
    critical: need?.critical ?? 0.5,
    resources: need?.resources ?? {},
    after: need?.after ?? [],
    window: row.window,
    owedRows: row.owedRows,
    // What this decision's own reads come to, it knows by itself.
    ...(row.readId === null || row.readId.startsWith(`${decisionId}:`) ? {} : { readId: row.readId }),
    corrections: need?.corrections ?? definition.datasets[row.dataset]?.corrections ?? ['drop-rows'],
    ...(row.gang === null ? {} : { gang: { name: row.gang, size: row.gangSize ?? 1 } }),
    ...(need?.segments === undefined ? {} : { segments: need.segments, segmentRows: SEGMENT_ROWS_MIN }),
    ...(need?.reference === undefined
      ? {}
      : { reference: { dataset: need.reference, isTarget: need.target === 'reference' } }),
    onDrift: need?.onDrift ?? (need?.rows === 'new' ? 'pass' : 'degrade'),
  };
}

/** A pin `content@time` also leaves out the rows that arrived after that time: `< time + 1`, as events may lie within its millisecond. */
function pinnedWhere({ predicate, dataset, datasetVersion }: RequestRow, definition: PoolDefinition): Predicate {
  const column = Object.hasOwn(definition.datasets, dataset) ? definition.datasets[dataset].eventTime : undefined;
  const at = new Date(Number(/@(-?\d+)$/.exec(datasetVersion ?? '')?.[1] ?? NaN) + 1);
  if (column === undefined || Number.isNaN(at.getTime())) return predicate;
  return [...predicate, { column, op: '<', value: at.toISOString() }];
}
