/** Opening and abandoning a decision, and the loop's look for waiting requests. */
import type { StageDependencies } from './dependencies.js';
import type { ClosedDecision, CycleAsked, DecisionRef, OpenCycle } from './store-ports.js';
import type { PoolRef } from '../domain/types/pool.js';

export function createOpen(deps: StageDependencies) {
  return {
    async openDecision(input: OpenCycle): Promise<{ summary: string; models: readonly string[] }> {
      await deps.cycles.open(input, deps.now(), deps.versions);
      const { number, asOfMs, items } = await deps.contextOf({
        tenant: input.tenant,
        pool: input.pool,
        decisionId: input.decisionId,
      });
      const needs = items.filter(({ kind }) => kind === 'need').length;
      return {
        summary: `Cycle ${number} as of ${new Date(asOfMs).toISOString()}: ${needs} needs and ${items.length - needs} requests`,
        models: [...new Set(items.map(({ model }) => model))].sort(),
      };
    },
    async abandonDecision(
      input: DecisionRef & { outcome: 'failed' | 'cancelled'; reason: string; asked?: CycleAsked },
    ): Promise<ClosedDecision> {
      const { outcome, reason, asked, tenant, pool, decisionId } = input;
      return deps.cycles.abandon({ tenant, pool, decisionId }, outcome, reason, deps.now(), asked);
    },
    async requestsWait(pool: PoolRef): Promise<boolean> {
      return deps.requests.wait(pool, deps.now());
    },
  };
}
