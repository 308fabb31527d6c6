/** Live progress of one cycle on standard error: one line that moves on a terminal, a line for each stage elsewhere. */
import type { DecisionStore } from '../db/decision-store.js';
import type { DatabaseHandle } from '../db/client.js';
import { createDecisionStore } from '../db/decision-store.js';
import { STAGES } from '../domain/decision/stages.js';
import { BalanceError } from '../domain/types/errors.js';
import type { PoolRef } from '../domain/types/pool.js';

const LOOK_MS = 150;

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly quiet: boolean;
  readonly signal?: AbortSignal;
}

/** Waits until the decision is closed, showing its stages as they end. Exact progress: it reads the record itself. */
export async function followDecision(
  database: DatabaseHandle,
  ref: PoolRef,
  decisionId: string,
  { timeoutMs, quiet, signal }: WaitOptions,
): Promise<{ outcome: string; summary: string }> {
  const store: DecisionStore = createDecisionStore(database.db);
  const startedMs = Date.now();
  const live = process.stderr.isTTY && process.env.NO_COLOR === undefined && !quiet;
  let shown = 0;
  while (true) {
    const recorded = await store.decisionStages(ref, decisionId);
    const stages = recorded.filter(({ stage }) => stage !== 'release');
    if (live)
      process.stderr.write(
        `\r\u001b[2K${STAGES.map((stage, index) => (index < stages.length ? `✓ ${stage}` : index === stages.length ? `… ${stage}` : `  ${stage}`)).join('  ')}`,
      );
    else if (!quiet)
      for (const { stage, endedMs, startedMs: began } of stages.slice(shown))
        process.stderr.write(`  ${stage} ${endedMs - began} ms\n`);
    shown = stages.length;
    const [closed] = await database.sql<{ outcome: string; summary: string }[]>`
      select outcome, summary from decisions where tenant = ${ref.tenant} and pool = ${ref.pool} and id = ${decisionId} and state = 'closed'`;
    if (closed !== undefined) {
      if (live) process.stderr.write('\r\u001b[2K');
      return closed;
    }
    if (signal?.aborted === true)
      throw new BalanceError('interrupted', {
        type: 'Interrupted',
        message: `the wait was interrupted; decision ${decisionId} goes on`,
      });
    if (Date.now() - startedMs > timeoutMs) {
      throw new BalanceError('timeout', {
        type: 'WaitTimedOut',
        message: `decision ${decisionId} is not closed after ${Math.round(timeoutMs / 1000)} s`,
        hint: `It goes on: balance explain ${decisionId}`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
