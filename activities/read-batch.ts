/** Executes one planned read: heartbeats, source slots, one bad slice does not fail its neighbours. */
import { Context } from '@temporalio/activity';
import { BalanceError } from '../domain/types/errors.js';
import { datasetRef } from './analyze.js';
import { chargesOf, sourceLimits } from './batch.js';
import type { StageDependencies } from './dependencies.js';
import type { MergedRead, MergedReadResult, SliceAsk } from './ports.js';
import type { AheadEnd, CycleContext, DecisionRef, PlannedBatch, SliceFailure } from './store-ports.js';

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
      const { cancellationSignal } = Context.current();
      const read: MergedRead = {
        id: batchId,
        dataset,
        asOfMs: plan.asOfMs,
        contentId: plan.contentId,
        slices: plan.slices,
      };
      const slots = dataset.source.limits.scansAtOnce;
      const source = `${ref.tenant}/${ref.pool}/${dataset.sourceId}`;
      let startedMs = 0;
      let endedMs = 0;
      const scan = () =>
        deps.scanSlots.hold(
          source,
          slots,
          async () => {
            // What it waited for a slot is not what it took.
            startedMs = deps.now();
            const done = await readBisecting(deps, read, cancellationSignal);
            endedMs = deps.now();
            return done;
          },
          cancellationSignal,
        );
      const alone = dataset.definition.access === 'exclusive';
      const result = alone
        ? await deps.scanSlots.hold(`${source}/${plan.dataset}`, 1, scan, cancellationSignal)
        : await scan();
      await deps.batches.done(
        ref,
        batchId,
        result,
        endedMs - startedMs,
        endedMs,
        aheadEnd(context, plan, result, endedMs),
      );
      return { rows: result.rowsRead, bytes: result.bytesRead };
    },
    async failBatch(input: DecisionRef & { batchId: string; reason: string }): Promise<void> {
      const { batchId, reason, ...ref } = input;
      const found = await deps.batches.find(ref, batchId);
      const context = await deps.contextOf(ref);
      const ahead = found === null ? undefined : aheadEnd(context, found.plan, null, deps.now());
      await deps.batches.fail(ref, batchId, reason, ahead);
    },
  };
}

/** A read for nobody yet enters the cache by itself, and gives back what it was charged and did not take. */
function aheadEnd(
  { definition }: CycleContext,
  { source, asOfMs, predictedBytes, prefetch }: PlannedBatch,
  result: MergedReadResult | null,
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
    })),
    settle: chargesOf(unused, sourceLimits(definition), -1),
    nowMs,
  };
}

/** A read that its caller must mend fails as a whole; halving finds the slice that is at fault, the others succeed. */
async function readBisecting(
  deps: StageDependencies,
  read: MergedRead,
  signal: AbortSignal,
): Promise<MergedReadResult & { failures: readonly SliceFailure[] }> {
  try {
    return { ...(await deps.data.read(read, signal)), failures: [] };
  } catch (error) {
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
