/** A read beyond the plan counts in the quota of its source before it begins. */
import { BalanceError } from '../domain/types/errors.js';
import { formatDuration } from '../domain/types/units.js';
import type { StageDependencies } from './dependencies.js';
import type { Foreseen } from './pacing.js';
import type { CycleContext } from './store-ports.js';

/**
 * Counts the read in the quota of its source, if that has one.
 *
 * @param id names the read within its decision
 * @returns what settles it with the bytes that it took
 * @throws BalanceError `QuotaUsedUp`: less is left than it will take
 */
export async function takeQuota(
  deps: Pick<StageDependencies, 'plans' | 'now'>,
  context: CycleContext,
  id: string,
  { source, predictedBytes }: Foreseen,
): Promise<(bytesRead: number) => Promise<void>> {
  const { quota } = context.definition.sources[source].limits;
  if (quota === undefined) return () => Promise.resolve();
  const { bytes: quotaBytes, per } = quota;
  const nowMs = deps.now();
  const asked = { id, source, bytes: predictedBytes, quotaBytes, sinceMs: nowMs - per, nowMs };
  const { taken, left } = await deps.plans.takeQuota(context, asked);
  if (!taken) {
    const room = `${Math.floor(left)} of the ${quotaBytes} bytes that may leave it in ${formatDuration(per)}`;
    const message = `source ${source} has ${room}, and this read takes about ${Math.ceil(predictedBytes)}: it is not made`;
    throw new BalanceError('refused', { type: 'QuotaUsedUp', message });
  }
  return (bytesRead) => deps.plans.settleQuota(context, { id, bytes: bytesRead - predictedBytes, nowMs: deps.now() });
}
