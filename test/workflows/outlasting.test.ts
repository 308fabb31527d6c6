/**
 * Cycles that go on without some of their reads, over fake activities. In a file of its own, without sleeps: once a workflow has ended
 * before a child that it abandons, the time-skipping server skips no time any more, even when that child has ended.
 */
import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Activities } from '../../activities/create.js';
import type { BatchRef } from '../../activities/dependencies.js';
import type { LeftReads } from '../../activities/batch-ports.js';

import { balanceCycle } from '../../workflows/balance-cycle.js';
import { workflowCode } from '../support/balance.js';
import { startWorkflowEnvironment } from './workflow-environment.js';
import { fakeActivities, fakeWorld } from './fake-activities.js';

let env: TestWorkflowEnvironment;
beforeAll(async () => {
  env = await startWorkflowEnvironment();
});
afterAll(() => env.teardown());

const pool = { tenant: 'default', pool: 'outlasting' };

describe('reads that may outlast their cycle', () => {
  /** A cycle whose reads end when they are told to; what its quality check was told of those it does not wait for. */
  async function leaving(reads: readonly Partial<BatchRef>[], endsAtOnce: (ordinal: number) => boolean, longLanes = 4) {
    let left: LeftReads | undefined;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const begun: number[] = [];
    const ordinalOf = (id: string) => Number(/\d+$/.exec(id)![0]);
    const replace: Partial<Activities> = {
      batch: ({ decisionId }) => {
        const batches = reads.map((more, ordinal): BatchRef => {
          return { batchId: `${decisionId}:${ordinal}`, dataset: 'events', requests: 1, model: null, ...more };
        });
        return Promise.resolve({ summary: '**batch**', batches, waitMs: 300, longLanes });
      },
      readBatch: async ({ batchId }) => {
        begun.push(ordinalOf(batchId));
        if (!endsAtOnce(ordinalOf(batchId))) await released;
        return { rows: 1, bytes: 1 };
      },
      qualityCheck: (input) => {
        left = input.left;
        return Promise.resolve({ summary: '**quality-check**' });
      },
    };
    const taskQueue = randomUUID();
    const worker = await Worker.create({
      ...{ connection: env.nativeConnection, namespace: env.namespace, taskQueue },
      workflowBundle: { code: await workflowCode() },
      activities: fakeActivities(fakeWorld(), replace),
    });
    await worker.runUntil(async () => {
      const cycle = { ...pool, decisionId: randomUUID(), trigger: 'manual', asOfMs: null } as const;
      const asked = { taskQueue, workflowId: randomUUID(), args: [cycle] as [typeof cycle] };
      expect(await env.client.workflow.execute(balanceCycle, asked)).toMatchObject({ outcome: 'delivered' });
      release();
      // What goes on by itself ends by itself.
      for (const id of left?.running ?? [])
        await env.client.workflow.getHandle(`balance-batch/${pool.tenant}/${pool.pool}/${id}`).result();
    });
    const { running = [], notBegun = [] } = left ?? {};
    return { running: running.map(ordinalOf), notBegun: notBegun.map(ordinalOf), begun: [...begun].sort() };
  }
  const may = { mayOutlast: true } as const;
  const long = { ...may, long: true } as const;

  test('one that is foreseen to take long is begun, and not waited for', async () => {
    const left = await leaving([long, may, {}], (ordinal) => ordinal > 0);
    expect(left).toEqual({ running: [0], notBegun: [], begun: [0, 1, 2] });
  });

  test('one that takes longer than is waited for goes on by itself; with all at an end nothing is said of any', async () => {
    expect(await leaving([may, {}], (ordinal) => ordinal > 0)).toEqual({ running: [0], notBegun: [], begun: [0, 1] });
    expect(await leaving([may, {}], () => true)).toEqual({ running: [], notBegun: [], begun: [0, 1] });
  });

  test('those that fill all lanes make room for one that must be waited for; what has not begun by then never does', async () => {
    const left = await leaving([may, may, may, may, may, {}, may], (ordinal) => ordinal === 5);
    expect(left).toEqual({ running: [0, 1, 2, 3], notBegun: [4, 6], begun: [0, 1, 2, 3, 5] });
  });

  test('no more long ones are begun than have a lane', async () => {
    expect(await leaving([long, long, {}], (ordinal) => ordinal === 2, 1)).toMatchObject({
      running: [0],
      notBegun: [1],
    });
    expect(await leaving([long, {}], (ordinal) => ordinal === 1, 0)).toMatchObject({ running: [], notBegun: [0] });
  });

  test('one of an earlier cycle that should have ended is begun again where it does not run, and only there', async () => {
    const overdue = {
      decisionId: randomUUID(),
      dataset: 'events',
      requests: 1,
      model: null,
      mayOutlast: true,
    } as const;
    const read = { ...overdue, batchId: `${overdue.decisionId}:0`, pacedMs: 0 };
    const begun: string[] = [];
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const taskQueue = randomUUID();
    const worker = await Worker.create({
      ...{ connection: env.nativeConnection, namespace: env.namespace, taskQueue },
      workflowBundle: { code: await workflowCode() },
      activities: fakeActivities(fakeWorld(), {
        batch: () => Promise.resolve({ summary: '**batch**', batches: [], overdue: [read] }),
        readBatch: async ({ batchId, decisionId }) => {
          begun.push(`${decisionId} ${batchId}`);
          await released;
          return { rows: 1, bytes: 1 };
        },
      }),
    });
    const cycle = async () => {
      const args = { ...pool, decisionId: randomUUID(), trigger: 'manual', asOfMs: null } as const;
      const asked = { taskQueue, workflowId: randomUUID(), args: [args] as [typeof args] };
      expect(await env.client.workflow.execute(balanceCycle, asked)).toMatchObject({ outcome: 'delivered' });
    };
    await worker.runUntil(async () => {
      await cycle();
      await cycle();
      release();
      await env.client.workflow.getHandle(`balance-batch/${pool.tenant}/${pool.pool}/${read.batchId}`).result();
      await cycle();
    });
    expect(begun).toEqual([`${read.decisionId} ${read.batchId}`]);
  });
});
