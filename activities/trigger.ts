/** What a schedule's workflow does: ask the loop for a cycle, and wait until its decision is closed. */
import { Context } from '@temporalio/activity';
import type { Trigger } from '../domain/decision/stages.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { StageDependencies } from './dependencies.js';
import type { ClosedDecision, DecisionRef } from './store-ports.js';

/** How often a waiting schedule looks whether its decision is closed. */
const POLL_MS = 500;

export function createTrigger(deps: StageDependencies) {
  return {
    async requestCycle(
      input: PoolRef & { trigger: Exclude<Trigger, 'work'>; asOfMs: number | null },
    ): Promise<{ decisionId: string }> {
      const { tenant, pool, trigger, asOfMs } = input;
      return deps.loops.balanceNow(
        { tenant, pool },
        { trigger, asOfMs },
        Context.current().info.workflowExecution!.runId,
      );
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
