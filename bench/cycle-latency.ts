/**
 * How long a cycle of 100 small requests takes, against a workflow with the same number of activities and children that
 * does nothing, on the same servers, in turns. Goal: at most 1.3 times its p50. Also where the time goes, by stage, and
 * the CPU time of this process (worker and client) for both, which a busy machine blurs less than the clock.
 *
 *   npx tsx bench/cycle-latency.ts [rounds, default 20]
 */
import { Client, Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { fileURLToPath } from 'node:url';
import { cycleWorkflowId } from '../workflows/contract.js';
import { POOL, startOwnBalance } from './own-balance.js';

const rounds = Number(process.argv[2] ?? 20);
const balance = await startOwnBalance();
const native = await NativeConnection.connect({ address: balance.temporalAddress });
const noOp = await Worker.create({
  ...{ connection: native, taskQueue: 'no-op', activities: { nothing: () => Promise.resolve() } },
  workflowsPath: fileURLToPath(new URL('no-op-workflows.ts', import.meta.url)),
});
const running = noOp.run();
const connection = await Connection.connect({ address: balance.temporalAddress });
const { workflow } = new Client({ connection });

const cycleMs: number[] = [];
const noOpMs: number[] = [];
const cpuMs = { cycle: 0, noOp: 0 };
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** From the start of the cycle's workflow to its end, as the server saw it: both are measured alike. */
async function took(workflowId: string): Promise<number> {
  const handle = workflow.getHandle(workflowId);
  await handle.result();
  const { startTime, closeTime } = await handle.describe();
  return closeTime!.getTime() - startTime.getTime();
}

try {
  for (let round = -3; round < rounds; round++) {
    await balance.insert(100, round + 10);
    const before = process.cpuUsage();
    const { decisionId } = await balance.client.balanceNow();
    await balance.closed(decisionId);
    const ours = await took(cycleWorkflowId(POOL, decisionId));
    const between = process.cpuUsage();
    const workflowId = `no-op-${round}`;
    await workflow.start('noOpCycle', { taskQueue: 'no-op', workflowId });
    const theirs = await took(workflowId);
    if (round < 0) continue; // warm
    cycleMs.push(ours);
    noOpMs.push(theirs);
    cpuMs.cycle += (between.user + between.system - before.user - before.system) / 1000;
    const after = process.cpuUsage(between);
    cpuMs.noOp += (after.user + after.system) / 1000;
  }
  const stages = await balance.database.sql<{ stage: string; ms: number }[]>`
    select stage, percentile_cont(0.5) within group (order by extract(epoch from ended_at - started_at)) * 1000 as ms
    from decision_stages group by stage, ordinal order by ordinal`;
  const [read] = await balance.database.sql<{ ms: number }[]>`
    select percentile_cont(0.5) within group (order by actual_ms) as ms from batches`;
  process.stdout.write(`cycle of 100 requests, p50 of ${rounds}: ${median(cycleMs)} ms\n`);
  process.stdout.write(`no-op with as many activities and children: ${median(noOpMs)} ms\n`);
  process.stdout.write(
    `CPU of worker and client, mean: ${Math.round(cpuMs.cycle / rounds)} ms; no-op ${Math.round(cpuMs.noOp / rounds)} ms\n`,
  );
  process.stdout.write(`ratio ${(median(cycleMs) / median(noOpMs)).toFixed(2)} (goal: at most 1.3)\n`);
  process.stdout.write(
    `inside the stages, ms: ${stages.map(({ stage, ms }) => `${stage} ${Math.round(ms)}`).join(', ')}, read ${Math.round(read.ms)}\n`,
  );
} finally {
  noOp.shutdown();
  await running;
  await native.close();
  await connection.close();
  await balance.stop();
}
