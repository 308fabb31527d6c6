/** Ends a decision that did not reach its end, as if its cycle had not been: requests go back, and so does the budget. */
import { and, eq, isNotNull, isNull, or, sql } from 'drizzle-orm';
import type { BudgetCharge, ClosedDecision, CycleAsked, DecisionRef } from '../activities/store-ports.js';
import type { BatchOutcome } from '../domain/decision/batch/batch.js';
import type { ResourceLimit } from '../domain/decision/batch/batch-inputs.js';
import { isQuota } from '../domain/decision/batch/costs.js';
import { insertRows, type Queryable } from './client.js';
import { cancelRequested, lockClaimed, OUTBOX_CHANNEL } from './close-store.js';
import { batches, cycles, decisions, decisionStages, outbox, pools } from './schema.js';
import { charge } from './stage-store.js';

/** A request whose cycle failed is tried again after this long, doubled with each failure in a row. */
const RETRY_BASE_MS = 1_000;
const RETRY_MAX_MS = 60_000;

/** How and why a cycle ended early. */
interface Ending {
  readonly outcome: 'failed' | 'cancelled';
  readonly reason: string;
  readonly now: Date;
  /** What its cycle was asked to do. */
  readonly asked?: CycleAsked;
}

/**
 * Closes a decision that did not reach its end; claimed requests go back to pending, its needs are refused, what it
 * took of the budgets and did not use is given back. A decision that was never opened is stored closed, so that who
 * waits for it learns how it ended; a closed one stays as it is, but what it would still have read ahead of being asked is
 * not read any more, and given back; of a pool that does not exist nothing is stored.
 */
export async function abandon(
  tx: Queryable,
  ref: DecisionRef,
  outcome: Ending['outcome'],
  reason: string,
  nowMs: number,
  asked?: CycleAsked,
): Promise<ClosedDecision> {
  const ending: Ending = { outcome, reason, now: new Date(nowMs), ...(asked === undefined ? {} : { asked }) };
  const decision = (await locked(tx, ref)) ?? (await openClosed(tx, ref, ending));
  if (decision === null) return { outcome, summary: reason };
  if (decision.state === 'closed') {
    await charge(tx, ref, await chargesOfAhead(tx, ref, await endReadsAhead(tx, ref, reason)), nowMs);
    return { outcome: decision.outcome!, summary: decision.summary ?? '' };
  }
  await lockClaimed(tx, ref);
  const cancelled = await cancelRequested(tx, ref, ending.now);
  await returnRequests(tx, ref, ending);
  // What they were charged is part of what the whole plan gives back.
  await endReadsAhead(tx, ref, reason);
  await endReads(tx, ref, reason);
  await charge(tx, ref, await unusedCharges(tx, ref), nowMs);
  await tx
    .update(decisions)
    .set({ state: 'closed', outcome, summary: reason, reasons: [reason], risk: 'high', closedAt: ending.now })
    .where(decisionOf(ref));
  await tx
    .update(cycles)
    .set({ closedAt: ending.now })
    .where(and(eq(cycles.tenant, ref.tenant), eq(cycles.pool, ref.pool), eq(cycles.id, ref.decisionId)));
  await announce(tx, ref, ending, cancelled);
  return { outcome, summary: reason };
}

async function locked(tx: Queryable, ref: DecisionRef): Promise<typeof decisions.$inferSelect | undefined> {
  return (await tx.select().from(decisions).where(decisionOf(ref)).for('update'))[0];
}

/** Stores a decision that failed before it could be opened. It claimed nothing and moved no clock. */
async function openClosed(
  tx: Queryable,
  ref: DecisionRef,
  ending: Ending,
): Promise<typeof decisions.$inferSelect | null> {
  const { tenant, pool, decisionId } = ref;
  const { outcome, reason, now, asked } = ending;
  const inPool = and(eq(pools.tenant, tenant), eq(pools.pool, pool));
  const [row] = await tx.select().from(pools).where(inPool).for('update');
  if (row === undefined) return null;
  // Whoever opens holds the pool's row: it may have opened while this waited for it.
  const opened = await locked(tx, ref);
  if (opened !== undefined) return opened;
  const number = row.cycleNumber + 1;
  await tx.update(pools).set({ cycleNumber: number }).where(inPool);
  await tx.insert(cycles).values({
    ...{ tenant, pool, id: decisionId, number, openedAt: now, closedAt: now },
    trigger: asked?.trigger ?? 'manual',
    // A schedule's run is as of a replay's own clock.
    asOfMs: (asked?.trigger === 'schedule' ? row.clockMs : null) ?? asked?.asOfMs ?? row.clockMs ?? now.getTime(),
    scheduleId: asked?.slice?.scheduleId,
    nominalMs: asked?.slice?.nominalMs,
    workflowId: `balance-cycle/${tenant}/${pool}/${decisionId}`,
    runId: '',
  });
  const [decision] = await tx
    .insert(decisions)
    .values({
      ...{ tenant, pool, id: decisionId, poolVersion: row.version, versions: {}, openedAt: now, closedAt: now },
      ...{ state: 'closed' as const, outcome, summary: reason, reasons: [reason], risk: 'high' as const },
    })
    .returning();
  await announce(tx, ref, ending, new Set());
  return decision;
}

/** The claim is undone: no attempt is counted, but the next one comes later with each failure in a row. */
async function returnRequests(tx: Queryable, ref: DecisionRef, { outcome, reason, now }: Ending): Promise<void> {
  const at = now.toISOString();
  const resource = `cycle:${ref.decisionId}`;
  const due = sql`${at}::timestamptz + least(${RETRY_BASE_MS}::float8 * power(2, least(failures, 30)), ${RETRY_MAX_MS}::float8) * interval '1 millisecond'`;
  const mine = sql`tenant = ${ref.tenant} and pool = ${ref.pool} and decision_id = ${ref.decisionId} and state = 'claimed'`;
  await tx.execute(sql`
    update requests set state = 'refused', closed_at = ${at}::timestamptz,
      waiting = ${JSON.stringify({ type: 'CycleFailed', reason, resource })}::jsonb
    where ${mine} and kind = 'need'`);
  await tx.execute(sql`
    update requests set state = 'pending', decision_id = null,
      attempts = greatest(0, attempts - 1), failures = failures + 1,
      not_before = least(deadline_at, ${due}),
      waiting = ${JSON.stringify({ tier: 'waiting', reason: `the last cycle ${outcome}: ${reason}`, resource })}::jsonb
        || jsonb_build_object('earliestMs', round(extract(epoch from ${due}) * 1000))
    where ${mine}`);
}

/** What the plan took of the budgets less what its finished reads really took, as negative charges. */
async function unusedCharges(tx: Queryable, ref: DecisionRef): Promise<BudgetCharge[]> {
  const plan = await planOf(tx, ref);
  if (plan === null) return [];
  const reads = await tx
    .select()
    .from(batches)
    .where(and(batchesOf(ref), or(eq(batches.state, 'done'), isNotNull(batches.outlastedAt))));
  const taken = sumOf(
    reads.map(({ source, result, plan: foreseen, predictedBytes: bytes, outlastedAt }) => {
      // What outlasted its cycle settles by itself: all that was foreseen is its own.
      if (outlastedAt !== null) return { source, bytes, rows: (foreseen as { predictedRows: number }).predictedRows };
      const { bytesRead, rowsRead } = result as { bytesRead: number; rowsRead: number };
      return { source, bytes: bytesRead, rows: rowsRead };
    }),
  );
  // What would have been read ahead is begun only once a decision is closed.
  const { charges, prefetch } = plan.outcome;
  const charged = (resource: string): number => (charges?.[resource] ?? 0) + (prefetch?.charges[resource] ?? 0);
  return chargesOf(plan.limits, (resource) =>
    charged(resource) === 0 ? 0 : (taken[resource] ?? 0) - charged(resource),
  );
}

interface Read {
  readonly source: string;
  readonly bytes: number;
  readonly rows: number;
}

/** Ends reads ahead of being asked that have not ended, and gives what was foreseen of them. One that runs all the same ends for nobody. */
async function endReadsAhead(tx: Queryable, ref: DecisionRef, reason: string): Promise<Read[]> {
  const ended = await tx
    .update(batches)
    .set({ state: 'failed', error: { reason } })
    .where(and(batchesOf(ref), eq(batches.state, 'planned'), sql`${batches.plan} ? 'prefetch'`))
    .returning({ source: batches.source, bytes: batches.predictedBytes, plan: batches.plan });
  return ended.map(({ source, bytes, plan }) => {
    return { source, bytes, rows: (plan as { prefetch: { predictedRows: number } }).prefetch.predictedRows };
  });
}

/** Ends the reads that were for this cycle alone: one that still runs finds that nobody wants it. Those that outlasted it go on. */
async function endReads(tx: Queryable, ref: DecisionRef, reason: string): Promise<void> {
  await tx
    .update(batches)
    .set({ state: 'failed', error: { reason } })
    .where(and(batchesOf(ref), eq(batches.state, 'planned'), isNull(batches.outlastedAt)));
}

/** What a plan took of the budgets for these reads, as negative charges. */
async function chargesOfAhead(tx: Queryable, ref: DecisionRef, reads: readonly Read[]): Promise<BudgetCharge[]> {
  if (reads.length === 0) return [];
  const unread = sumOf(reads);
  return chargesOf((await planOf(tx, ref))!.limits, (resource) => -(unread[resource] ?? 0));
}

/** Limits and charges of a decision's plan; null before it was made. */
async function planOf(
  tx: Queryable,
  { tenant, pool, decisionId }: DecisionRef,
): Promise<{
  readonly limits: readonly ResourceLimit[];
  readonly outcome: Partial<Pick<BatchOutcome, 'charges' | 'prefetch'>>;
} | null> {
  const { tenant: ofTenant, pool: ofPool, decisionId: of, stage } = decisionStages;
  const [row] = await tx
    .select({ inputs: decisionStages.inputs, outcome: decisionStages.outcome })
    .from(decisionStages)
    .where(and(eq(ofTenant, tenant), eq(ofPool, pool), eq(of, decisionId), eq(stage, 'batch')));
  if (row === undefined) return null;
  const { limits } = row.inputs as { limits: readonly ResourceLimit[] };
  return { limits, outcome: row.outcome as Partial<Pick<BatchOutcome, 'charges' | 'prefetch'>> };
}

function sumOf(reads: readonly Read[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { source, bytes, rows } of reads) {
    sums[`bytes:${source}`] = (sums[`bytes:${source}`] ?? 0) + bytes;
    sums[`rows:${source}`] = (sums[`rows:${source}`] ?? 0) + rows;
  }
  return sums;
}

/** Charges of a source's own limits, where they are not nothing. */
function chargesOf(limits: readonly ResourceLimit[], amountOf: (resource: string) => number): BudgetCharge[] {
  return limits
    .filter(({ source, resource }) => source !== null && !isQuota(resource))
    .map(({ resource, perSecond, burst }) => ({ resource, perSecond, burst, amount: amountOf(resource) }))
    .filter(({ amount }) => amount !== 0);
}

async function announce(
  tx: Queryable,
  { tenant, pool, decisionId }: DecisionRef,
  { outcome, reason, now }: Ending,
  cancelled: ReadonlySet<string>,
): Promise<void> {
  const message = (kind: 'decision' | 'response', subject: string, payload: object) => ({
    ...{ tenant, pool, kind, subject, decisionId, createdAt: now },
    payload: { decisionId, ...payload },
  });
  const messages = [
    message('decision', decisionId, { outcome, summary: reason }),
    ...[...cancelled].map((requestId) => message('response', requestId, { requestId, state: 'cancelled' })),
  ];
  await insertRows(tx, outbox, messages);
  await tx.execute(sql`select pg_notify(${OUTBOX_CHANNEL}, ${decisionId})`);
}

function batchesOf(ref: DecisionRef) {
  return and(eq(batches.tenant, ref.tenant), eq(batches.pool, ref.pool), eq(batches.decisionId, ref.decisionId));
}

function decisionOf(ref: DecisionRef) {
  return and(eq(decisions.tenant, ref.tenant), eq(decisions.pool, ref.pool), eq(decisions.id, ref.decisionId));
}
