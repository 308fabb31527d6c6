/** Opening and abandoning a decision, and the loop's look for waiting requests. */
import { decideRelease } from '../domain/decision/release.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { ReleaseAnswer, StageDependencies } from './dependencies.js';
import { digestOf } from './digest.js';
import { recordOf } from './stage.js';
import type { ClosedDecision, CycleAsked, DecisionRef, OpenCycle, StageRecord } from './store-ports.js';
import type { Released } from './release-ports.js';

export function createOpen(deps: StageDependencies) {
  return {
    async openDecision(
      input: OpenCycle & { readonly released?: string },
    ): Promise<{ summary: string; models: readonly string[] }> {
      const { released, ...cycle } = input;
      await deps.cycles.open(cycle, deps.now(), deps.versions);
      const ref = { tenant: input.tenant, pool: input.pool, decisionId: input.decisionId };
      const why = released === undefined ? null : await deps.requests.kept(input, released);
      if (why !== null) await deps.stages.save(ref, releaseRecord(deps, why));
      const { number, asOfMs, items } = await deps.contextOf(ref);
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
    async requestsWait(pool: PoolRef): Promise<ReleaseAnswer> {
      const inputs = await deps.requests.waiting(pool, deps.now());
      if (inputs === null) return { due: false, againMs: null };
      const outcome = decideRelease(inputs);
      if (!outcome.due)
        return { due: false, againMs: Math.max(1, outcome.wakeMs - inputs.nowMs), held: outcome.reason };
      const why = { inputs, outcome };
      const released = digestOf(why);
      await deps.requests.keep(pool, released, why, inputs.nowMs);
      return { due: true, againMs: null, released };
    },
  };
}

/** Decided before the decision was open: it is stored with it. */
function releaseRecord(deps: StageDependencies, { inputs, outcome }: Released): StageRecord {
  const parts = { inputs, prior: [], outcome, reasons: [outcome.reason], degraded: false };
  return recordOf(deps, 'release', inputs.nowMs, parts);
}
