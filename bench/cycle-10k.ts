/**
 * 10,000 pending requests decided in one cycle: how long, and which share of it the engine itself takes (everything
 * that is not the pure part of a stage, its queries or a read: Temporal's scheduling, and waiting for it).
 *
 *   npx tsx bench/cycle-10k.ts
 */
import { startOwnBalance } from './own-balance.js';

const balance = await startOwnBalance();
try {
  for (const count of [10, 10_000]) {
    await balance.insert(count, count);
    const began = performance.now();
    const { decisionId } = await balance.client.balanceNow();
    await balance.closed(decisionId);
    const ms = performance.now() - began;
    const [row] = await balance.database.sql<
      { delivered: number; batches: number; stages_ms: number; reads_ms: number }[]
    >`
      select (select count(*)::int from deliveries where decision_id = ${decisionId}) as delivered,
        (select count(*)::int from batches where decision_id = ${decisionId}) as batches,
        (select sum(extract(epoch from ended_at - started_at))::float8 * 1000 from decision_stages where decision_id = ${decisionId}) as stages_ms,
        (select sum(actual_ms) from batches where decision_id = ${decisionId}) as reads_ms`;
    const handle = balance.worker.composition.client.workflow.getHandle(`balance-cycle/default/bench/${decisionId}`);
    await handle.result();
    const { historyLength } = await handle.describe();
    const stages = await balance.database.sql<{ stage: string; ms: number }[]>`
      select stage, extract(epoch from ended_at - started_at)::float8 * 1000 as ms from decision_stages where decision_id = ${decisionId} order by ordinal`;
    // Two scans of a source run at once: reads overlap by at most that.
    const work = row.stages_ms + row.reads_ms / Math.min(2, row.batches);
    process.stdout.write(
      `${count} requests: ${Math.round(ms)} ms, ${row.delivered} delivered in ${row.batches} reads, ${historyLength} workflow events\n`,
    );
    process.stdout.write(
      `  stages ${stages.map(({ stage, ms: took }) => `${stage} ${Math.round(took)}`).join(', ')}, reads ${Math.round(row.reads_ms)} ms; the rest (engine, opening, closing) ${Math.round((1 - work / ms) * 100)} %\n`,
    );
  }
} finally {
  await balance.stop();
}
