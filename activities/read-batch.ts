/** Executes one planned read: heartbeats, source slots, one bad slice does not fail its neighbours. */
import { Context } from '@temporalio/activity';
import { joiningSlices } from '../domain/decision/batch/joining.js';
import { openIntervals } from '../domain/decision/batch/source-windows.js';
import { BalanceError } from '../domain/types/errors.js';
import { datasetRef } from './dataset-ref.js';
import { chargesOf, shapeOf, sourceLimits } from './batch.js';
import type { StageDependencies } from './dependencies.js';
import type { DatasetRef, MergedRead, MergedReadResult, SliceAsk } from './ports.js';
import type { AheadEnd, CacheEntry, CycleContext, DecisionRef, PlannedBatch, SliceFailure } from './store-ports.js';

export function createReadBatch(deps: StageDependencies) {
  return {
    async readBatch(input: DecisionRef & { batchId: string }): Promise<{ rows: number; bytes: number }> {
      const { batchId, ...ref } = input;
      const found = await deps.batches.find(ref, batchId);
      if (found === null) throw new BalanceError('internal', { type: 'UnknownBatch', message: `no batch ${batchId}` });
      if (found.state !== 'planned') return { rows: 0, bytes: 0 };
      const { plan } = found;
      const context = await deps.contextOf(ref);
      const dataset = datasetRef(context, plan.dataset);
      const read: MergedRead = {
        id: batchId,
        dataset,
        asOfMs: plan.asOfMs,
        contentId: plan.contentId,
        slices: plan.slices,
      };
      const { result, startedMs, endedMs } = await readPaced(deps, context, read, plan, () =>
        joining(deps, dataset, read),
      );
      const tookMs = endedMs - startedMs;
      const ahead = aheadEnd(context, plan, result, tookMs, endedMs);
      const joined = joinedEntries(plan, result, tookMs);
      const left =
        ahead === undefined && joined.length === 0
          ? undefined
          : { ...{ settle: [], nowMs: endedMs }, ...ahead, cache: [...(ahead?.cache ?? []), ...joined] };
      await deps.batches.done(ref, batchId, result, tookMs, endedMs, left);
      return { rows: result.rowsRead, bytes: result.bytesRead };
    },
    async failBatch(input: DecisionRef & { batchId: string; reason: string }): Promise<void> {
      const { batchId, reason, ...ref } = input;
      const found = await deps.batches.find(ref, batchId);
      const context = await deps.contextOf(ref);
      const ahead = found === null ? undefined : aheadEnd(context, found.plan, null, 0, deps.now());
      await deps.batches.fail(ref, batchId, reason, ahead);
    },
  };
}

interface Scanned {
  readonly result: MergedReadResult & { failures: readonly SliceFailure[] };
  readonly startedMs: number;
  readonly endedMs: number;
}

/** A read under the limits of its source: a planned one, which others may join, or one in the place of it. */
export async function readPaced(
  deps: StageDependencies,
  context: CycleContext,
  read: MergedRead,
  foreseen: Pick<PlannedBatch, 'source' | 'predictedBytes' | 'predictedRows'>,
  join?: Joining,
): Promise<Scanned> {
  const { cancellationSignal } = Context.current();
  return scan(deps, context, read.dataset, () =>
    paced(deps, context, foreseen, async () => {
      const startedMs = deps.now();
      assertOpen(read.dataset, startedMs);
      const result = await readBisecting(deps, read, cancellationSignal, join);
      return { result, startedMs, endedMs: deps.now() };
    }),
  );
}
type Joining = Parameters<StageDependencies['data']['read']>[2];

/**
 * Runs a read when its source's limits allow what it will probably take, and settles what it really took. A read that
 * fails gives back all of it: nobody got a row of it, and what it took until then is not known.
 */
async function paced(
  deps: StageDependencies,
  context: CycleContext,
  { source, predictedBytes, predictedRows }: Parameters<typeof readPaced>[3],
  run: () => Promise<Scanned>,
): Promise<Scanned> {
  const { cancellationSignal } = Context.current();
  const limits = sourceLimits(context.definition).map((limit) => ({ ...limit, available: limit.burst }));
  const amounts = (bytes: number, rows: number) => ({ [`bytes:${source}`]: bytes, [`rows:${source}`]: rows });
  await deps.pace.take(context, chargesOf(amounts(predictedBytes, predictedRows), limits, 1), cancellationSignal);
  const settle = (bytes: number, rows: number): Promise<void> =>
    deps.pace.settle(context, chargesOf(amounts(bytes - predictedBytes, rows - predictedRows), limits, 1));
  let scanned: Scanned;
  try {
    scanned = await run();
  } catch (error) {
    // Why the read failed says more than why this does; the bucket refills by itself.
    await settle(0, 0).catch(() => undefined);
    throw error;
  }
  await settle(scanned.result.bytesRead, scanned.result.rowsRead);
  return scanned;
}

/**
 * Runs a read while holding a slot of its source, and the dataset's only one where it is read alone. The slot comes before
 * what the limits allow: whoever holds tokens reads, so that no more reads than there are slots hold some.
 */
async function scan(
  deps: StageDependencies,
  { tenant, pool }: CycleContext,
  { id, sourceId, source: { limits }, definition: { access } }: DatasetRef,
  run: () => Promise<Scanned>,
): Promise<Scanned> {
  const { cancellationSignal } = Context.current();
  const source = `${tenant}/${pool}/${sourceId}`;
  const held = (): Promise<Scanned> => deps.scanSlots.hold(source, limits.scansAtOnce, run, cancellationSignal);
  return access === 'exclusive' ? deps.scanSlots.hold(`${source}/${id}`, 1, held, cancellationSignal) : held();
}

/** Requests that are looked at to join one read. */
const LATE_MAX = 200;

/** Questions that were asked since the read was planned, as far as they can be answered from its rows: each by its shape. */
async function joining(deps: StageDependencies, dataset: DatasetRef, read: MergedRead): Promise<readonly SliceAsk[]> {
  const late = await deps.batches.late(dataset, dataset.id, LATE_MAX);
  const asked = joiningSlices(read.slices, late).map((ask) => ({
    ...ask,
    id: shapeOf({ ...ask, dataset: dataset.id }),
  }));
  return [...new Map(asked.map((ask) => [ask.id, ask])).values()];
}

/** What was cut for those who joined: the cycle that takes them finds their answers in the cache. */
function joinedEntries({ asOfMs }: PlannedBatch, result: MergedReadResult, tookMs: number): CacheEntry[] {
  const { slices, joined = [], contentId } = result;
  const costMs = tookMs / (slices.length + joined.length);
  return joined.map((slice) => ({ shape: slice.id, contentId, asOfMs, slice, costMs }));
}

/** A read that was held up until its source closed is not begun: what it was for waits for the next opening. */
function assertOpen({ sourceId, source: { windows } }: DatasetRef, nowMs: number): void {
  if (windows === undefined || openIntervals(windows, nowMs)[0][0] <= 0) return;
  const message = `${sourceId} has closed: it may be read only in its windows`;
  throw new BalanceError('refused', { type: 'SourceClosed', message });
}

/** A read for nobody yet enters the cache by itself, and gives back what it was charged and did not take. */
function aheadEnd(
  { definition }: CycleContext,
  { source, asOfMs, predictedBytes, prefetch }: PlannedBatch,
  result: MergedReadResult | null,
  tookMs: number,
  nowMs: number,
): AheadEnd | undefined {
  if (prefetch === undefined) return undefined;
  const unused = {
    [`bytes:${source}`]: predictedBytes - (result?.bytesRead ?? 0),
    [`rows:${source}`]: prefetch.predictedRows - (result?.rowsRead ?? 0),
  };
  return {
    cache: (result?.slices ?? []).map((slice) => ({
      shape: slice.id,
      contentId: result!.contentId,
      asOfMs,
      slice,
      costMs: tookMs / result!.slices.length,
    })),
    settle: chargesOf(unused, sourceLimits(definition), -1),
    nowMs,
  };
}

/**
 * A read that its caller must mend fails as a whole; halving finds the slice that is at fault, the others succeed.
 * What those who joined did to it is not its slices' fault: it is read again without them first.
 */
async function readBisecting(
  deps: StageDependencies,
  read: MergedRead,
  signal: AbortSignal,
  join?: Joining,
): Promise<Scanned['result']> {
  let joined = false;
  const joining = async (): Promise<readonly SliceAsk[]> => {
    const late = (await join?.()) ?? [];
    joined ||= late.length > 0;
    return late;
  };
  try {
    return { ...(await deps.data.read(read, signal, joining)), failures: [] };
  } catch (error) {
    if (joined && !signal.aborted) return readBisecting(deps, read, signal);
    if (!(error instanceof BalanceError) || (error.kind !== 'usage' && error.kind !== 'refused')) throw error;
    if (read.slices.length === 1) {
      const failure = { id: read.slices[0].id, type: error.type, reason: error.message };
      return {
        id: read.id,
        contentId: read.contentId ?? '',
        rowsRead: 0,
        bytesRead: 0,
        slices: [],
        failures: [failure],
      };
    }
    const middle = Math.ceil(read.slices.length / 2);
    const half = (slices: readonly SliceAsk[]) => readBisecting(deps, { ...read, slices }, signal);
    const left = await half(read.slices.slice(0, middle));
    const right = await half(read.slices.slice(middle));
    return {
      id: read.id,
      contentId: left.contentId === '' ? right.contentId : left.contentId,
      rowsRead: left.rowsRead + right.rowsRead,
      bytesRead: left.bytesRead + right.bytesRead,
      memoryBytes: Math.max(left.memoryBytes ?? 0, right.memoryBytes ?? 0),
      slices: [...left.slices, ...right.slices],
      failures: [...left.failures, ...right.failures],
    };
  }
}
