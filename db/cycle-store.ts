/** Opens and abandons cycles, and gives the stages their immutable context. */
import { and, eq, sql } from 'drizzle-orm';
import type { CycleContext, CycleStore, DecisionRef, OpenCycle } from '../activities/store-ports.js';
import { BalanceError } from '../domain/types/errors.js';
import { SECONDS_PER_LEVEL } from '../domain/decision/grants.js';
import type { NeedDefinition, PoolDefinition } from '../domain/types/pool.js';
import type { Predicate } from '../domain/types/predicate.js';
import type { WorkItem } from '../domain/decision/work.js';
import { abandon } from './abandon.js';
import { chunked, HASH_JOINS, type Database, type Queryable } from './client.js';
import { nameUuid } from './ids.js';
import { cycles, decisions, pools, poolVersions, requests } from './schema.js';

type RequestRow = typeof requests.$inferSelect;
type PoolRow = typeof pools.$inferSelect;

export function createCycleStore(db: Database): CycleStore {
  return {
    open: (input, nowMs, versions) => db.transaction((tx) => open(tx, input, nowMs, versions)),
    context: (ref) => context(db, ref),
    abandon: (ref, outcome, reason, nowMs) => db.transaction((tx) => abandon(tx, ref, outcome, reason, nowMs)),
  };
}

async function open(
  tx: Queryable,
  input: OpenCycle,
  nowMs: number,
  versions: Readonly<Record<string, string>>,
): Promise<void> {
  const { tenant, pool, decisionId } = input;
  await tx.execute(HASH_JOINS);
  const inPool = and(eq(pools.tenant, tenant), eq(pools.pool, pool));
  // The pool's row is locked first: cycles of one pool open one after the other.
  const [row] = await tx.select().from(pools).where(inPool).for('update');
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
  await tx.update(pools).set({ cycleNumber: number, clockMs }).where(inPool);
  await tx.insert(cycles).values({
    tenant,
    pool,
    id: decisionId,
    number,
    trigger: input.trigger,
    asOfMs,
    workflowId: input.workflowId,
    runId: input.runId,
    openedAt,
  });
  await tx.insert(decisions).values({ tenant, pool, id: decisionId, poolVersion: row.version, versions, openedAt });
  if (input.trigger !== 'work') await insertNeeds(tx, row, input, asOfMs, openedAt);
  await tx.execute(sql`
    update ${requests} set state = 'claimed', decision_id = ${decisionId}, attempts = attempts + 1, waiting = null
    where (tenant, pool, id) in (
      select tenant, pool, id from ${requests}
      where tenant = ${tenant} and pool = ${pool} and state = 'pending' and not_before <= ${openedAt.toISOString()}::timestamptz
      order by priority - greatest(0, extract(epoch from ${openedAt.toISOString()}::timestamptz - created_at)) / ${SECONDS_PER_LEVEL}::float8, deadline_at nulls last, created_at, id
      limit ${row.definition.maxRequestsPerCycle}
      for update skip locked)`);
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

/** The event time that this cycle decides for, and where a replay clock stands afterwards. */
function nextClock(row: PoolRow, input: OpenCycle, nowMs: number): { asOfMs: number; clockMs: number | null } {
  const { clock } = row.definition;
  if (clock.kind === 'wall') return { asOfMs: input.asOfMs ?? nowMs, clockMs: null };
  const current = row.clockMs ?? clock.start - clock.step;
  if (input.asOfMs !== null) return { asOfMs: input.asOfMs, clockMs: row.clockMs };
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
  const served = await lastServed(
    tx,
    input,
    needs.filter(({ need }) => need.rows === 'new').map(({ model, need }) => `${model}/${need.id}`),
    // A replay clock that stands at its end decides for the same time again: what was delivered for it is not new.
    // A backfill repeats a time on purpose.
    input.trigger === 'backfill' ? asOfMs - 1 : asOfMs,
  );
  const rows = needs.map(({ model, priority, need }) => {
    const needId = `${model}/${need.id}`;
    return {
      tenant,
      pool,
      id: nameUuid(decisionId, needId),
      kind: 'need' as const,
      needId,
      model,
      dataset: need.dataset,
      fields: need.fields,
      predicate:
        need.rows === 'new' ? [...need.where, ...arrivedSince(definition, need, served[needId], asOfMs)] : need.where,
      rows: need.rows === 'new' ? null : need.rows,
      seed: need.seed,
      maxAgeMs: need.maxAge ?? null,
      priority,
      idempotencyKey: `need:${decisionId}:${needId}`,
      state: 'claimed' as const,
      decisionId,
      notBefore: openedAt,
      attempts: 1,
      createdAt: openedAt,
    };
  });
  for (const chunk of chunked(rows)) await tx.insert(requests).values(chunk).onConflictDoNothing();
}

function needsOf(definition: PoolDefinition): { model: string; priority: number; need: NeedDefinition }[] {
  return Object.entries(definition.models).flatMap(([model, { priority, needs }]) =>
    needs.map((need) => ({ model, priority, need })),
  );
}

/** `rows: new` means the rows that arrived after the last delivery of this need, or in the last step for the first. */
function arrivedSince(
  definition: PoolDefinition,
  need: NeedDefinition,
  servedMs: number | undefined,
  asOfMs: number,
): Predicate {
  const eventTime = definition.datasets[need.dataset]?.eventTime;
  if (eventTime === undefined) return [];
  const stepMs = definition.clock.kind === 'replay' ? definition.clock.step : (definition.forecastStep ?? 3_600_000);
  return [{ column: eventTime, op: '>', value: new Date(servedMs ?? asOfMs - stepMs).toISOString() }];
}

/** Event time up to which each of these needs was served, no later than `upToMs`, by need id. */
async function lastServed(
  tx: Queryable,
  ref: DecisionRef,
  needIds: readonly string[],
  upToMs: number,
): Promise<Record<string, number>> {
  if (needIds.length === 0) return {};
  const rows = await tx.execute<{ id: string; as_of_ms: string | null }>(sql`
    select n.id, (
      select as_of_ms from deliveries
      where tenant = ${ref.tenant} and pool = ${ref.pool} and need_id = n.id and as_of_ms <= ${upToMs} and served <> 'last-good'
      order by as_of_ms desc limit 1) as as_of_ms
    from jsonb_array_elements_text(${JSON.stringify(needIds)}::jsonb) as n(id)`);
  return Object.fromEntries(rows.flatMap((row) => (row.as_of_ms === null ? [] : [[row.id, Number(row.as_of_ms)]])));
}

async function context(db: Queryable, ref: DecisionRef): Promise<CycleContext> {
  const { tenant, pool, decisionId } = ref;
  const [row] = await db
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
    .where(and(eq(cycles.tenant, tenant), eq(cycles.pool, pool), eq(cycles.id, decisionId)));
  if (row === undefined)
    throw new BalanceError('internal', { type: 'UnknownDecision', message: `decision ${decisionId} was never opened` });
  const rows = await db
    .select()
    .from(requests)
    .where(and(eq(requests.tenant, tenant), eq(requests.pool, pool), eq(requests.decisionId, decisionId)))
    .orderBy(requests.id);
  return {
    ...ref,
    number: row.cycle.number,
    trigger: row.cycle.trigger,
    asOfMs: row.cycle.asOfMs,
    openedMs: row.cycle.openedAt.getTime(),
    definition: row.definition,
    baseDir: row.baseDir,
    items: rows.map((request) => toItem(request, row.definition)),
  };
}

function toItem(row: RequestRow, definition: PoolDefinition): WorkItem {
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
    priority: row.priority,
    datasetVersion: row.datasetVersion,
    createdMs: row.createdAt.getTime(),
    attempts: row.attempts,
    classColumn: need?.classColumn ?? null,
    target: need?.target ?? null,
    maxClassGap: need?.maxClassGap ?? 1,
    minCompleteness: need?.minCompleteness ?? null,
    minRows: need?.minRows ?? 0,
    critical: need?.critical ?? 0.5,
    resources: need?.resources ?? {},
    after: need?.after ?? [],
  };
}

/** A pin `content@time` also leaves out the rows that arrived after that time: `< time + 1`, as events may lie within its millisecond. */
function pinnedWhere({ predicate, dataset, datasetVersion }: RequestRow, definition: PoolDefinition): Predicate {
  const column = Object.hasOwn(definition.datasets, dataset) ? definition.datasets[dataset].eventTime : undefined;
  const at = new Date(Number(/@(-?\d+)$/.exec(datasetVersion ?? '')?.[1] ?? NaN) + 1);
  if (column === undefined || Number.isNaN(at.getTime())) return predicate;
  return [...predicate, { column, op: '<', value: at.toISOString() }];
}
