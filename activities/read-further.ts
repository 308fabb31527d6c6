/** A read that the plan did not foresee, made inside the quality check: in the place of what was no good, or of rows that were dropped. */
import { BalanceError } from '../domain/types/errors.js';
import { formatDuration } from '../domain/types/units.js';
import type { Foreseen } from './pacing.js';
import type { MergedRead } from './ports.js';
import { takeQuota } from './quota.js';
import type { StageDependencies } from './dependencies.js';
import { readPaced, type Scanned } from './read-batch.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

/**
 * Reads as `readPaced` does, but not beyond a time: a source that hangs, or whose limits are far slower than those that the
 * plan was made for, must not take the stage's own time, and its cycle with it.
 *
 * @param endMs when it must have ended
 * @throws BalanceError `QuotaUsedUp`: less is left of the quota of its source than it will take; `ReadTooSlow`
 */
export async function readFurther(
  deps: StageDependencies,
  context: CycleContext,
  read: MergedRead,
  foreseen: Foreseen,
  endMs: number,
): Promise<Scanned> {
  const { source, predictedRows } = foreseen;
  const settle = await takeQuota(deps, context, read.id, foreseen);
  const cancelled = cancellation();
  const withinMs = Math.max(0, endMs - deps.now());
  const late = AbortSignal.timeout(withinMs);
  try {
    const scanned = await readPaced(deps, context, read, foreseen, undefined, AbortSignal.any([cancelled, late]));
    await settle(scanned.result.bytesRead);
    return scanned;
  } catch (error) {
    // Of one that was stopped some may have left: what was foreseen stays counted. A source that failed gave nothing.
    if (!late.aborted && !cancelled.aborted) await settle(0);
    if (!late.aborted || cancelled.aborted) throw error;
    const within = `${predictedRows} rows of ${read.dataset.id} within ${formatDuration(withinMs)}`;
    const message = `source ${source} did not give ${within}, which are left for it: it is too slow, or its limits are`;
    throw new BalanceError('unreachable', { type: 'ReadTooSlow', message });
  }
}
