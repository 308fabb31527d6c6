/** A stage's record and the end of a cycle, where a test does not care what is in them. */
import type { Closing, StageRecord } from '../../activities/store-ports.js';

export function stageRecord(
  nowMs: number,
  stage: StageRecord['stage'],
  inputs: unknown = {},
  outcome: unknown = {},
): StageRecord {
  return {
    ...{ stage, state: 'ok', inputs, inputDigest: 'i', outcome, outcomeDigest: 'o', reasons: [] },
    ...{ startedMs: nowMs, endedMs: nowMs },
  };
}

/** An end with which nothing is handed out, learned or charged. */
export function closingAt(nowMs: number, more: Partial<Closing> = {}): Closing {
  return {
    ...{ record: stageRecord(nowMs, 'coordinate'), outcome: 'delivered', risk: 'low', summary: 's', reasons: [] },
    ...{ impact: [], digest: 'd', deliveries: [], ended: [], waiting: [], needs: [], cache: [], settle: [] },
    ...{ metrics: [], credits: {}, references: [], strategy: null, corrections: [], circuits: {}, spoiled: [] },
    ...{ asks: [], leaseUntilMs: nowMs },
    ...more,
  };
}
