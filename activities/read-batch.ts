/** Executes one planned read: heartbeats, source slots, one bad slice does not fail its neighbours. */
import { Context } from '@temporalio/activity';
import { joiningSlices } from '../domain/decision/batch/joining.js';
import { openIntervals } from '../domain/decision/batch/source-windows.js';
import { BalanceError } from '../domain/types/errors.js';
import { datasetRef } from './dataset-ref.js';
import { shapeOf } from './batch.js';
import { withContract } from './slice-contract.js';
import { pacingOf, type Foreseen } from './pacing.js';
import { chargesOf, sourceLimits } from './source-limits.js';
import type { StageDependencies } from './dependencies.js';
import type { DatasetRef, MergedRead, MergedReadResult, SliceAsk, SliceResult } from './ports.js';
import type { Ended, ReadEnds, SliceFailure } from './batch-ports.js';
import type { CacheEntry, CycleContext, DecisionRef, PlannedBatch } from './store-ports.js';

export function createReadBatch(deps: StageDependencies) {
  return {
    async readBatch(
      input: DecisionRef & { batchId: string },
    ): Promise<{ rows: number; bytes: number; outlasted?: boolean }> {
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
      const { resting } = context.rests;
      const rest = Object.hasOwn(resting, plan.dataset) ? resting[plan.dataset] : null;
      // What a stand-in gave is told to those who get it, and answers nobody else.
      const join = rest === null ? () => joining(deps, dataset, read) : undefined;
      const scanned = await whileWanted(deps, ref, batchId, (signal) =>
        readPaced(deps, context, read, plan, join, signal),
      );
      if (scanned === null) {
        const reason = 'nobody waits for it any more';
        await deps.batches.fail(ref, batchId, reason, deps.now(), endsOf(context, plan, null, 0));
        return { rows: 0, bytes: 0 };
      }
      const { result, tookMs, endedMs } = scanned;
      const ends = endsOf(context, plan, result, tookMs);
      const ended = await deps.batches.done(ref, batchId, result, tookMs, endedMs, ends, rest?.standIn);
      return { rows: result.rowsRead, bytes: result.bytesRead, ...ended };
    },
    async failBatch(input: DecisionRef & { batchId: string; reason: string }): Promise<Ended | undefined> {
      const { batchId, reason, ...ref } = input;
      const found = await deps.batches.find(ref, batchId);
      if (found === null) return undefined;
      const ends = endsOf(await deps.contextOf(ref), found.plan, null, 0);
      return deps.batches.fail(ref, batchId, reason, deps.now(), ends);
    },
  };
}

/** How often a read asks whether anybody still wants it. What it holds meanwhile, others wait for. */
const WANTED_EVERY_MS = 2_000;

/** Runs a read as long as somebody wants it; null: nobody does any more. */
async function whileWanted(
  deps: Pick<StageDependencies, 'batches'>,
  ref: DecisionRef,
  batchId: string,
  read: (signal: AbortSignal) => Promise<Scanned>,
): Promise<Scanned | null> {
  const unwanted = new AbortController();
  const look = (): Promise<void> =>
    deps.batches.wanted(ref, batchId).then(
      (wanted) => (wanted ? undefined : unwanted.abort()),
      // A database that does not answer says nothing: it is asked again.
      () => undefined,
    );
  const timer = setInterval(() => void look(), WANTED_EVERY_MS);
  try {
    return await read(AbortSignal.any([Context.current().cancellationSignal, unwanted.signal]));
  } catch (error) {
    if (unwanted.signal.aborted && !Context.current().cancellationSignal.aborted) return null;
    throw error;
  } finally {
    clearInterval(timer);
  }
}

export interface Scanned {
  readonly result: MergedReadResult & { failures: readonly SliceFailure[] };
  /** Without what it waited for the limits of its source. */
  readonly tookMs: number;
  readonly endedMs: number;
}

/**
 * A read under the limits of its source: a planned one, which others may join, or one in the place of it. It begins when
 * the limits allow, goes on as they allow, and settles what it really took. Of one that fails nobody got a row: it gives
 * back what is not known to have left.
 */
export async function readPaced(
  deps: StageDependencies,
  context: CycleContext,
  read: MergedRead,
  foreseen: Foreseen,
  join?: Joining,
  signal: AbortSignal = Context.current().cancellationSignal,
): Promise<Scanned> {
  return scan(deps, context, read.dataset, signal, async () => {
    const pacing = pacingOf(deps, context, foreseen, signal);
    await pacing.begin();
    let scanned: Scanned;
    try {
      const startedMs = deps.now();
      assertOpen(read.dataset, startedMs);
      const result = await readBisecting(
        async (slices, joining) => {
          const result = await deps.data.read({ ...read, slices }, signal, joining, pacing.pace);
          return withContract(read.dataset.definition, result);
        },
        read,
        signal,
        join,
      );
      const endedMs = deps.now();
      scanned = { result, tookMs: endedMs - startedMs - pacing.waitedMs(), endedMs };
    } catch (error) {
      // Why the read failed says more than why this does; the bucket refills by itself.
      await pacing.end(null).catch(() => undefined);
      throw error;
    }
    await pacing.end({ bytes: scanned.result.bytesRead, rows: scanned.result.rowsRead });
    return scanned;
  });
}
type Joining = Parameters<StageDependencies['data']['read']>[2];

/**
 * Runs a read while holding a slot of its source, and the dataset's only one where it is read alone. The slot comes before
 * what the limits allow: whoever holds tokens reads, so that no more reads than there are slots hold some.
 */
async function scan(
  deps: StageDependencies,
  { tenant, pool }: CycleContext,
  { id, sourceId, source: { limits }, definition: { access } }: DatasetRef,
  signal: AbortSignal,
  run: () => Promise<Scanned>,
): Promise<Scanned> {
  const source = `${tenant}/${pool}/${sourceId}`;
  const held = (): Promise<Scanned> => deps.scanSlots.hold(source, limits.scansAtOnce, run, signal);
  return access === 'exclusive' ? deps.scanSlots.hold(`${source}/${id}`, 1, held, signal) : held();
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

/** What a read leaves behind: nothing where it failed (`result` null). */
function endsOf(context: CycleContext, plan: PlannedBatch, result: MergedReadResult | null, tookMs: number): ReadEnds {
  const { definition, items, rests } = context;
  const { source, dataset, asOfMs, predictedBytes, predictedRows, prefetch } = plan;
  const unused = {
    [`bytes:${source}`]: predictedBytes - (result?.bytesRead ?? 0),
    [`rows:${source}`]: (prefetch?.predictedRows ?? predictedRows) - (result?.rowsRead ?? 0),
  };
  const { slices = [], joined = [] } = result ?? {};
  const costMs = tookMs / Math.max(1, slices.length + joined.length);
  const entry = (slice: SliceResult, shape: string): CacheEntry => {
    return { shape, contentId: result!.contentId, asOfMs, slice, costMs };
  };
  // For those who joined: the cycle that takes them finds their answers in the cache.
  const cut = joined.map((slice) => entry(slice, slice.id));
  const settle = chargesOf(unused, sourceLimits(definition), -1);
  // For nobody yet: it enters the cache by itself, and gives back what it was charged and did not take.
  if (prefetch !== undefined)
    return { always: { cache: [...slices.map((slice) => entry(slice, slice.id)), ...cut], settle } };
  const itemOf = new Map(items.map((item) => [item.id, item]));
  // What a stand-in gave answers nobody else.
  const answers = Object.hasOwn(rests.resting, dataset)
    ? []
    : slices.filter(({ id }) => itemOf.get(id)?.kind === 'request');
  return {
    ...(cut.length === 0 ? {} : { always: { cache: cut, settle: [] } }),
    outlasted: { cache: answers.map((slice) => entry(slice, shapeOf(itemOf.get(slice.id)!))), settle },
  };
}

/** A read that was held up until its source closed is not begun: what it was for waits for the next opening. */
function assertOpen({ sourceId, source: { windows } }: DatasetRef, nowMs: number): void {
  if (windows === undefined || openIntervals(windows, nowMs)[0][0] <= 0) return;
  const message = `${sourceId} has closed: it may be read only in its windows`;
  throw new BalanceError('refused', { type: 'SourceClosed', message });
}

/**
 * A read that its caller must mend fails as a whole; halving finds the slice that is at fault, the others succeed.
 * What those who joined did to it is not its slices' fault: it is read again without them first.
 */
async function readBisecting(
  readSlices: (slices: readonly SliceAsk[], joining?: Joining) => Promise<MergedReadResult>,
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
    return { ...(await readSlices(read.slices, joining)), failures: [] };
  } catch (error) {
    if (joined && !signal.aborted) return readBisecting(readSlices, read, signal);
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
    const half = (slices: readonly SliceAsk[]) => readBisecting(readSlices, { ...read, slices }, signal);
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
