/**
 * Records the histories that test/replay/replay.test.ts replays: `npx tsx test/replay/record.ts`.
 *
 * Starts a dev server of its own, runs every workflow once in each shape (a cycle that delivers, one that fails, one
 * whose read fails, one that goes on without its reads; a loop that is paused, asked and swept, one whose cycles are held and released) over fake activities, and writes one
 * JSON file for each into test/replay/histories/. A released shape is never recorded again: new shapes get new names,
 * so that what runs in production while the code changes keeps being replayed.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/create.js';
import { digestOf } from '../../activities/digest.js';
import { decideRelease, type ReleaseInputs } from '../../domain/decision/release.js';
import { findTemporal } from '../../workers/embedded/find-temporal.js';
import { startTemporal } from '../../workers/embedded/temporal.js';
import {
  balanceNowUpdate,
  pauseSignal,
  resumeSignal,
  stateQuery,
  workWaitsSignal,
  type LoopState,
} from '../../workflows/contract.js';
import { historyText } from './history-file.js';
import { fakeActivities, fakeWorld } from '../workflows/fake-activities.js';

const folder = fileURLToPath(new URL('histories/', import.meta.url));
const root = fileURLToPath(new URL('../../', import.meta.url));
const found = await findTemporal(() => undefined, { ...process.env, TEMPORAL_ADDRESS: undefined });
if (found.kind === 'server') throw new Error('expected a program');
const program = found.path;
const dataDir = mkdtempSync(join(tmpdir(), 'balance-record-'));
const server = await startTemporal({
  program,
  dataDir,
  port: 0,
  uiPort: false,
  inMemory: true,
  report: () => undefined,
});
Runtime.install({ logger: new DefaultLogger('ERROR') });
const connection = await Connection.connect({ address: server.address });
const native = await NativeConnection.connect({ address: server.address });
const { workflow } = new Client({ connection });
const releaseInputs: ReleaseInputs = {
  ...{ nowMs: 1_000, earlierMs: [400, 500, 600], cycleMs: [300], idleSinceMs: 700, waitMsMax: 500, requestsMax: 100 },
  waiting: [{ id: 'r1', atMs: 900, deadlineMs: null, priority: 3, tried: false }],
};
const pool = { tenant: 'default', pool: 'recorded' };

/** Runs `job` beside a worker over the fake activities. */
async function within(taskQueue: string, replace: Partial<Activities>, job: () => Promise<void>): Promise<void> {
  const worker = await Worker.create({
    ...{ connection: native, taskQueue, activities: fakeActivities({ ...fakeWorld(), waiting: true }, replace) },
    workflowsPath: join(root, 'workflows', 'index.ts'),
  });
  await worker.runUntil(job());
}

async function keep(name: string, handle: WorkflowHandle): Promise<void> {
  const path = join(folder, `${name}.json`);
  if (existsSync(path)) return void process.stdout.write(`${name}: kept as it is\n`);
  const history = await handle.fetchHistory();
  writeFileSync(path, historyText(history));
  process.stdout.write(`${name}: ${history.events?.length} events\n`);
}

async function cycle(name: string, replace: Partial<Activities>): Promise<void> {
  await within(name, replace, async () => {
    const input = { ...pool, decisionId: name, trigger: 'manual', asOfMs: null };
    const handle = await workflow.start('balanceCycle', { taskQueue: name, workflowId: name, args: [input] });
    await handle.result().catch(() => undefined);
    await keep(name, handle);
    const batch = workflow.getHandle(`balance-batch/default/recorded/${name}:0`);
    if (name !== 'cycle-failed') await keep(`${name}-batch`, batch);
  });
}

try {
  await cycle('cycle-delivered', {});
  await cycle('cycle-prefetches', {
    batch: ({ decisionId }) => {
      const read = (ordinal: number) => ({ batchId: `${decisionId}:${ordinal}`, dataset: 'events', requests: 1 });
      const model = { id: 'trainer', priority: 2, weight: 3 };
      return Promise.resolve({
        summary: '**batch**',
        batches: [{ ...read(0), model }],
        prefetches: [{ ...read(1), model: null }],
      });
    },
  });
  await cycle('cycle-failed', { predict: () => Promise.reject(ApplicationFailure.nonRetryable('broken')) });
  await cycle('cycle-read-failed', {
    readBatch: () => Promise.reject(ApplicationFailure.nonRetryable('no such file')),
  });
  // One read is not waited for, one takes longer than is waited for, one must be; one of an earlier cycle is begun again.
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const outlasting: Partial<Activities> = {
    batch: ({ decisionId }) => {
      const read = (of: string, ordinal: number) => {
        return { batchId: `${of}:${ordinal}`, dataset: 'events', requests: 1, model: null };
      };
      return Promise.resolve({
        ...{ summary: '**batch**', waitMs: 300, longLanes: 1 },
        batches: [
          { ...read(decisionId, 0), mayOutlast: true, long: true },
          { ...read(decisionId, 1), mayOutlast: true },
          read(decisionId, 2),
        ],
        overdue: [{ ...read('earlier', 0), decisionId: 'earlier', mayOutlast: true, pacedMs: 1_000 }],
      });
    },
    readBatch: async ({ batchId }) => {
      if (!batchId.endsWith(':2')) await released;
      return { rows: 1, bytes: 1, outlasted: !batchId.endsWith(':2') };
    },
  };
  await within('cycle-outlasted', outlasting, async () => {
    const input = { ...pool, decisionId: 'cycle-outlasted', trigger: 'manual', asOfMs: null };
    const start = { taskQueue: 'cycle-outlasted', workflowId: 'cycle-outlasted', args: [input] };
    const handle = await workflow.start('balanceCycle', start);
    await handle.result();
    await keep('cycle-outlasted', handle);
    release();
    const read = workflow.getHandle('balance-batch/default/recorded/cycle-outlasted:0');
    await read.result();
    await keep('cycle-outlasted-batch', read);
  });
  await within('loop', {}, async () => {
    const handle = await workflow.start('balanceLoop', { taskQueue: 'loop', workflowId: 'loop', args: [pool] });
    const state = () => handle.query(stateQuery);
    const ran = async (cycles: number): Promise<void> => {
      while ((await state()).cycles < cycles) await new Promise((resolve) => setTimeout(resolve, 100));
    };
    await ran(1);
    await handle.executeUpdate(balanceNowUpdate, { args: [{ trigger: 'backfill', asOfMs: 1_000 }] });
    await ran(2);
    await handle.signal(pauseSignal, 'recording');
    await handle
      .executeUpdate(balanceNowUpdate, { args: [{ trigger: 'manual', asOfMs: null }] })
      .catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 8_000)); // two sweeps while paused
    await handle.signal(resumeSignal);
    await handle.signal(workWaitsSignal);
    await new Promise((resolve) => setTimeout(resolve, 8_000)); // two sweeps that find nothing
    await keep('loop', workflow.getHandle('loop'));
    await handle.terminate();
  });
  // Held twice, then due with its reasons; held again, and released by what comes.
  const due = { due: true, againMs: null, released: digestOf(decideRelease(releaseInputs)) };
  const held = { due: false, againMs: 200 };
  const answers = [held, held, due, held, due];
  const releases: Partial<Activities> = {
    requestsWait: () => Promise.resolve(answers.shift() ?? { due: false, againMs: null }),
  };
  await within('loop-released', releases, async () => {
    const start = { taskQueue: 'loop-released', workflowId: 'loop-released', args: [pool] };
    const handle = await workflow.start('balanceLoop', start);
    const ran = async (cycles: number): Promise<void> => {
      while ((await handle.query(stateQuery)).cycles < cycles) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await ran(1);
    await handle.signal(workWaitsSignal);
    await ran(2);
    await keep('loop-released', handle);
    await handle.terminate();
  });
  // Held, and overtaken by a cycle that somebody asked for: looked at right after it.
  const overtaken = [{ due: false, againMs: 3_000, held: 'others are likely' }, due];
  const later: Partial<Activities> = {
    requestsWait: () => Promise.resolve(overtaken.shift() ?? { due: false, againMs: null }),
  };
  await within('loop-overtaken', later, async () => {
    const start = { taskQueue: 'loop-overtaken', workflowId: 'loop-overtaken', args: [pool] };
    const handle = await workflow.start('balanceLoop', start);
    const until = async (holds: (state: LoopState) => boolean): Promise<void> => {
      while (!holds(await handle.query(stateQuery))) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await until(({ held }) => held !== null);
    await handle.executeUpdate(balanceNowUpdate, { args: [{ trigger: 'backfill', asOfMs: 1_000 }] });
    await until(({ cycles }) => cycles === 2);
    await keep('loop-overtaken', handle);
    await handle.terminate();
  });
  await within('trigger', {}, async () => {
    const input = { ...pool, scheduleId: 'hourly', catchupWindowMs: 60_000 };
    const handle = await workflow.start('balanceTrigger', {
      taskQueue: 'trigger',
      workflowId: 'trigger',
      args: [input],
    });
    await handle.result();
    await keep('trigger', handle);
  });
  // Of three slices the second fails, and the third has run before.
  let asked = 0;
  const failing: Partial<Activities> = {
    requestCycle: () =>
      ++asked === 2
        ? Promise.reject(ApplicationFailure.nonRetryable('broken'))
        : Promise.resolve({ decisionId: 'asked', known: asked === 3 }),
  };
  await within('backfill', failing, async () => {
    const input = { ...pool, scheduleId: 'daily', slices: [86_400_000, 172_800_000, 259_200_000] };
    const start = { taskQueue: 'backfill', workflowId: 'backfill', args: [input] };
    const handle = await workflow.start('balanceBackfill', start);
    await handle.result();
    await keep('backfill', handle);
  });
} finally {
  await native.close();
  await connection.close();
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
