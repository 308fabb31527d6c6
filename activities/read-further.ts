/** A read that the plan did not foresee, made inside the quality check: in the place of what was no good, or of rows that were dropped. */
import { BalanceError } from '../domain/types/errors.js';
import { formatDuration } from '../domain/types/units.js';
import type { Foreseen } from './pacing.js';
import type { MergedRead } from './ports.js';
import type { StageDependencies } from './dependencies.js';
import { readPaced, type Scanned } from './read-batch.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

/**
 * Reads as `readPaced` does, but not beyond a time: a source that hangs, or whose limits are far slower than those that the
 * plan was made for, must not take the stage's own time, and its cycle with it.
 *
 * @param endMs when it must have ended
 * @throws BalanceError `QuotaNotCounted`: a quota is counted from the planned reads alone; `ReadTooSlow`
 */
export async function readFurther(
  deps: StageDependencies,
  context: CycleContext,
  read: MergedRead,
  foreseen: Foreseen,
  endMs: number,
): Promise<Scanned> {
  const { source, predictedRows } = foreseen;
  if (context.definition.sources[source].limits.quota !== undefined) {
    const message = `source ${source} has a quota, in which only planned reads are counted: nothing further is read of it`;
    throw new BalanceError('refused', { type: 'QuotaNotCounted', message });
  }
  const cancelled = cancellation();
  const withinMs = Math.max(0, endMs - deps.now());
  const late = AbortSignal.timeout(withinMs);
  try {
    return await readPaced(deps, context, read, foreseen, undefined, AbortSignal.any([cancelled, late]));
  } catch (error) {
    if (!late.aborted || cancelled.aborted) throw error;
    const within = `${predictedRows} rows of ${read.dataset.id} within ${formatDuration(withinMs)}`;
    const message = `source ${source} did not give ${within}, which are left for it: it is too slow, or its limits are`;
    throw new BalanceError('unreachable', { type: 'ReadTooSlow', message });
  }
}
