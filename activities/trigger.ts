/** What a schedule's workflow does: ask the loop for a cycle, and wait until its decision is closed. */
import { Context } from '@temporalio/activity';
import type { Trigger } from '../domain/decision/stages.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { StageDependencies } from './dependencies.js';
import type { ClosedDecision, DecisionRef, SliceRef } from './store-ports.js';

/** How often a waiting schedule looks whether its decision is closed. */
const POLL_MS = 500;

export function createTrigger(deps: StageDependencies) {
  return {
    async requestCycle(
      input: PoolRef & { trigger: Exclude<Trigger, 'work'>; asOfMs: number | null; slice?: SliceRef },
    ): Promise<{ decisionId: string; known: boolean }> {
      const { tenant, pool, ...asked } = input;
      const known = asked.slice === undefined ? null : await deps.cycles.decisionOf({ tenant, pool }, asked.slice);
      if (known !== null) return { decisionId: known, known: true };
      const callId = Context.current().info.workflowExecution!.runId;
      const { decisionId } = await deps.loops.balanceNow({ tenant, pool }, asked, callId);
      return { decisionId, known: false };
    },
    async awaitDecision(ref: DecisionRef): Promise<ClosedDecision> {
      const context = Context.current();
      while (true) {
        const closed = await deps.closing.closed(ref);
        if (closed !== null) return closed;
        context.heartbeat();
        await context.sleep(POLL_MS);
      }
    },
  };
}
