/** The bound of bench/cycle-latency.ts: as many activities and children as a cycle has, and nothing in them. */
import { executeChild, proxyActivities } from '@temporalio/workflow';

interface Nothing {
  nothing(): Promise<void>;
}
const { nothing } = proxyActivities<Nothing>({ startToCloseTimeout: '1m' });

export async function noOpChild(): Promise<void> {
  await nothing();
}

/** open, analyze, predict, batch; one child with its read; quality-check, coordinate. */
export async function noOpCycle(): Promise<void> {
  for (let stage = 0; stage < 4; stage++) await nothing();
  await executeChild(noOpChild);
  for (let stage = 0; stage < 2; stage++) await nothing();
}
