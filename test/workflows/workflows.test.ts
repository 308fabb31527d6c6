/** The workflows over fake activities, on the time-skipping server: hours pass in milliseconds. */
import { randomUUID } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Activities } from '../../activities/create.js';
import type { ReleaseAnswer } from '../../activities/dependencies.js';
import { balanceCycle } from '../../workflows/balance-cycle.js';
import { balanceLoop } from '../../workflows/balance-loop.js';
import { balanceTrigger } from '../../workflows/balance-trigger.js';
import {
  balanceNowUpdate,
  pauseSignal,
  resumeSignal,
  stateQuery,
  workWaitsSignal,
  type LoopInput,
} from '../../workflows/contract.js';
import { processBatch } from '../../workflows/process-batch.js';
import { workflowCode } from '../support/balance.js';
import { startWorkflowEnvironment } from './workflow-environment.js';
import { fakeActivities, fakeWorld, type FakeWorld } from './fake-activities.js';

let env: TestWorkflowEnvironment;
beforeAll(async () => {
  env = await startWorkflowEnvironment();
});
afterAll(() => env.teardown());

/** Runs `job` beside a worker over the fake world. */
async function within<T>(
  job: (taskQueue: string, world: FakeWorld) => Promise<T>,
  replace: Partial<Activities> = {},
): Promise<T> {
  const taskQueue = randomUUID();
  const world = fakeWorld();
  const worker = await Worker.create({
    ...{ connection: env.nativeConnection, namespace: env.namespace, taskQueue },
    workflowBundle: { code: await workflowCode() },
    activities: fakeActivities(world, replace),
  });
  return worker.runUntil(job(taskQueue, world));
}

const pool = { tenant: 'default', pool: 'test' };
const startLoop = (taskQueue: string, input: Partial<LoopInput> = {}) =>
  env.client.workflow.start(balanceLoop, { taskQueue, workflowId: randomUUID(), args: [{ ...pool, ...input }] });
const cycle = { ...pool, decisionId: 'd', trigger: 'manual' as const, asOfMs: null };
const runCycle = (taskQueue: string) =>
  env.client.workflow.execute(balanceCycle, {
    taskQueue,
    workflowId: randomUUID(),
    args: [{ ...cycle, decisionId: randomUUID() }],
  });
const now = { trigger: 'manual' as const, asOfMs: null };

describe('balanceCycle', () => {
  test('runs the stages in order, the reads between planning and the quality check', () =>
    within(async (taskQueue, world) => {
      expect(await runCycle(taskQueue)).toMatchObject({ outcome: 'delivered', summary: 'all delivered' });
      const stages = ['open', 'analyze', 'predict', 'batch', 'readBatch', 'readBatch', 'quality-check', 'coordinate'];
      expect(world.ran).toEqual(stages);
    }));

  test('what reads has the time that the limits of its sources make it take', async () => {
    const times: Record<string, number> = {};
    const seen = (name: string): void => void (times[name] = Context.current().info.startToCloseTimeoutMs);
    const pacedMs = 3_600_000;
    for (const plan of [{}, { pacedMs }]) {
      const batch = { batchId: randomUUID(), dataset: 'events', requests: 1, model: null };
      const paced = 'pacedMs' in plan ? 'paced' : 'free';
      await within((taskQueue) => runCycle(taskQueue), {
        batch: () => Promise.resolve({ summary: '', batches: [batch], ...plan }),
        readBatch: () => Promise.resolve((seen(`${paced} read`), { rows: 1, bytes: 1 })),
        qualityCheck: () => Promise.resolve((seen(`${paced} check`), { summary: '' })),
      });
    }
    expect(times['paced read'] - times['free read']).toBe(2 * pacedMs);
    expect(times['paced check'] - times['free check']).toBe(2 * pacedMs);
  });

  test.each(['analyze', 'predict', 'batch', 'qualityCheck', 'coordinate'] as const)(
    'a %s that fails for good abandons the decision with its reason and ends as failed',
    (stage) =>
      within(
        async (taskQueue, world) => {
          await expect(runCycle(taskQueue)).rejects.toBeInstanceOf(WorkflowFailedError);
          expect(world.abandoned).toMatchObject([{ outcome: 'failed', reason: `${stage} is broken` }]);
        },
        { [stage]: () => Promise.reject(ApplicationFailure.nonRetryable(`${stage} is broken`)) },
      ),
  );

  test('a stage whose dependency is away for minutes is tried until it is back', () => {
    let left = 12;
    return within(
      async (taskQueue, world) => {
        expect(await runCycle(taskQueue)).toMatchObject({ outcome: 'delivered' });
        expect(world.abandoned).toEqual([]);
      },
      {
        predict: () =>
          left-- > 0 ? Promise.reject(new Error('connection refused')) : Promise.resolve({ summary: '' }),
      },
    );
  });

  test('a read that cannot be done fails its requests, not the cycle', () =>
    within(
      async (taskQueue, world) => {
        expect(await runCycle(taskQueue)).toMatchObject({ outcome: 'delivered' });
        expect(world.ran.filter((name) => name === 'failBatch')).toHaveLength(2);
        expect(world.abandoned).toEqual([]);
      },
      { readBatch: () => Promise.reject(ApplicationFailure.nonRetryable('no such file')) },
    ));
});

describe('processBatch', () => {
  test('a read of one model carries its priority and fairness, a merged one the pool of its own', () =>
    within(async (taskQueue) => {
      const batch = { ...pool, decisionId: 'd', batchId: 'd:0', dataset: 'events', requests: 2 };
      const priorities = [];
      for (const model of [{ id: 'trainer', priority: 1, weight: 2.5 }, null]) {
        const handle = await env.client.workflow.start(processBatch, {
          taskQueue,
          workflowId: randomUUID(),
          args: [{ ...batch, model }],
        });
        await handle.result();
        const { events } = await handle.fetchHistory();
        priorities.push(
          events?.find((event) => event.activityTaskScheduledEventAttributes)?.activityTaskScheduledEventAttributes
            ?.priority,
        );
      }
      expect(priorities).toMatchObject([
        { priorityKey: 1, fairnessKey: 'model:trainer', fairnessWeight: 2.5 },
        { priorityKey: 3, fairnessKey: 'pool:test', fairnessWeight: 1 },
      ]);
    }));
});

describe('balanceLoop', () => {
  test('an accepted balanceNow becomes a cycle with the decision id that was given', () =>
    within(async (taskQueue, world) => {
      const loop = await startLoop(taskQueue);
      const { decisionId } = await loop.executeUpdate(balanceNowUpdate, { args: [{ trigger: 'backfill', asOfMs: 5 }] });
      while ((await loop.query(stateQuery)).cycles === 0) await env.sleep('100ms');
      expect(world.opened).toEqual([{ decisionId, trigger: 'backfill', asOfMs: 5 }]);
      expect((await loop.query(stateQuery)).last).toMatchObject({ decisionId, outcome: 'delivered' });
      await loop.terminate();
    }));

  test('a row whose signal was lost is found by the sweep, within 5 s', () =>
    within(async (taskQueue, world) => {
      const loop = await startLoop(taskQueue);
      await env.sleep('10s');
      expect(world.opened).toEqual([]);
      world.waiting = true;
      await env.sleep('5s');
      expect(world.opened).toMatchObject([{ trigger: 'work' }]);
      await loop.terminate();
    }));

  test('an unreachable database ends no loop: the next sweep asks again', () => {
    let left = 5;
    return within(
      async (taskQueue, world) => {
        const loop = await startLoop(taskQueue);
        await env.sleep('60s');
        expect(world.opened.length).toBeGreaterThan(0);
        await loop.terminate();
      },
      {
        requestsWait: () =>
          left-- > 0 ? Promise.reject(new Error('connection refused')) : Promise.resolve({ due: true, againMs: null }),
      },
    );
  });

  test('an answer of an older worker, that requests wait, is a cycle that is due', () => {
    let left = 1;
    return within(
      async (taskQueue, world) => {
        const loop = await startLoop(taskQueue);
        while ((await loop.query(stateQuery)).cycles === 0) await env.sleep('100ms');
        expect(world.opened).toMatchObject([{ trigger: 'work' }]);
        await loop.terminate();
      },
      { requestsWait: (() => Promise.resolve(left-- > 0)) as unknown as Activities['requestsWait'] },
    );
  });

  describe('requests that are held for others to join', () => {
    /** Answers one after the other, then that nothing waits; counts how often it was asked. */
    function answering(answers: ReleaseAnswer[]) {
      const asked = { times: 0 };
      const requestsWait = () => {
        asked.times += 1;
        return Promise.resolve(answers.shift() ?? { due: false, againMs: null });
      };
      return { asked, replace: { requestsWait } };
    }
    const held = (againMs: number): ReleaseAnswer => ({ due: false, againMs, held: 'others are likely' });
    const due: ReleaseAnswer = { due: true, againMs: null };

    test('are looked at again when they are due, not at the next sweep, and the cycle is told why', () => {
      const told: unknown[] = [];
      const released = 'digest of the reasons';
      const { asked, replace } = answering([held(400), held(300), { ...due, released }]);
      const openDecision: Activities['openDecision'] = (input) => {
        told.push(input.released);
        return Promise.resolve({ summary: '', models: [] });
      };
      return within(
        async (taskQueue) => {
          const loop = await startLoop(taskQueue);
          while ((await loop.query(stateQuery)).cycles === 0) await env.sleep('50ms');
          expect(asked.times).toBe(3);
          expect(told).toEqual([released]);
          const { events } = await loop.fetchHistory();
          const timers = events?.flatMap(({ timerStartedEventAttributes: timer }) => timer?.startToFireTimeout ?? []);
          // 400 and 300 ms; the first look of a new loop waits for nothing.
          expect(timers?.slice(0, 2).map(({ nanos }) => nanos)).toEqual([4e8, 3e8]);
          await loop.terminate();
        },
        { ...replace, openDecision },
      );
    });

    test('are looked at again at once when more come', () => {
      const { replace } = answering([held(3_000), due]);
      return within(async (taskQueue, world) => {
        const loop = await startLoop(taskQueue);
        while ((await loop.query(stateQuery)).held === null) await env.sleep('50ms');
        expect(await loop.query(stateQuery)).toMatchObject({ held: 'others are likely', running: null });
        await loop.signal(workWaitsSignal);
        while ((await loop.query(stateQuery)).cycles === 0) await env.sleep('50ms');
        expect((await loop.query(stateQuery)).held).toBeNull();
        expect(world.opened).toMatchObject([{ trigger: 'work' }]);
        const { events } = await loop.fetchHistory();
        expect(events?.filter(({ timerFiredEventAttributes: fired }) => fired)).toEqual([]);
        await loop.terminate();
      }, replace);
    });

    test('are looked at again right after a cycle that somebody asked for meanwhile, not at the next sweep', () => {
      const { asked, replace } = answering([held(3_000), due]);
      return within(async (taskQueue, world) => {
        const loop = await startLoop(taskQueue);
        while ((await loop.query(stateQuery)).held === null) await env.sleep('50ms');
        await loop.executeUpdate(balanceNowUpdate, { args: [{ trigger: 'backfill', asOfMs: 1_000 }] });
        while ((await loop.query(stateQuery)).cycles < 2) await env.sleep('50ms');
        expect(world.opened.map(({ trigger }) => trigger)).toEqual(['backfill', 'work']);
        const { events = [] } = await loop.fetchHistory();
        // No timer of the loop ran out: the second look came by itself.
        expect(events?.filter(({ timerFiredEventAttributes: fired }) => fired)).toEqual([]);
        expect(asked.times).toBeGreaterThanOrEqual(2);
        await loop.terminate();
      }, replace);
    });

    test('never longer than until the next sweep without a look, however long they are held', () => {
      const { asked, replace } = answering(Array.from({ length: 20 }, () => held(3_600_000)));
      return within(async (taskQueue) => {
        const loop = await startLoop(taskQueue);
        await env.sleep('12s');
        expect(asked.times).toBeGreaterThanOrEqual(4);
        await loop.terminate();
      }, replace);
    });

    test('balanceNow does not wait for them, and takes no reason of theirs', () => {
      const { replace } = answering([held(3_600_000)]);
      const told: unknown[] = [];
      const openDecision: Activities['openDecision'] = (input) => {
        told.push([input.trigger, input.released]);
        return Promise.resolve({ summary: '', models: [] });
      };
      return within(
        async (taskQueue) => {
          const loop = await startLoop(taskQueue);
          await loop.executeUpdate(balanceNowUpdate, { args: [now] });
          while ((await loop.query(stateQuery)).cycles === 0) await env.sleep('50ms');
          expect(told).toEqual([['manual', undefined]]);
          await loop.terminate();
        },
        { ...replace, openDecision },
      );
    });

    test('stay where they are while the pool is paused, and are looked at when it resumes', () => {
      const { asked, replace } = answering([held(3_000), due]);
      return within(async (taskQueue, world) => {
        const loop = await startLoop(taskQueue);
        while (asked.times < 1) await env.sleep('50ms');
        await loop.signal(pauseSignal);
        await env.sleep('1h');
        expect([asked.times, world.opened]).toEqual([1, []]);
        await loop.signal(resumeSignal);
        while ((await loop.query(stateQuery)).cycles === 0) await env.sleep('50ms');
        expect(asked.times).toBe(2);
        await loop.terminate();
      }, replace);
    });
  });

  test('a failed cycle is the last state, and the loop goes on', () =>
    within(
      async (taskQueue) => {
        const loop = await startLoop(taskQueue);
        await loop.executeUpdate(balanceNowUpdate, { args: [now] });
        await loop.executeUpdate(balanceNowUpdate, { args: [now] });
        while ((await loop.query(stateQuery)).cycles < 2) await env.sleep('100ms');
        expect((await loop.query(stateQuery)).last).toMatchObject({ outcome: 'failed' });
        await loop.terminate();
      },
      { analyze: () => Promise.reject(ApplicationFailure.nonRetryable('broken')) },
    ));

  test('paused: rejects balanceNow with the reason, keeps what is queued, and serves it when resumed', () =>
    within(async (taskQueue, world) => {
      const queued = [{ decisionId: 'kept', trigger: 'manual' as const, asOfMs: 1 }];
      const loop = await startLoop(taskQueue, { paused: true, pauseReason: 'night', queue: queued, cycles: 7 });
      await loop.signal(workWaitsSignal);
      await expect(loop.executeUpdate(balanceNowUpdate, { args: [now] })).rejects.toMatchObject({
        cause: { type: 'Paused', message: expect.stringContaining('night') as string },
      });
      await env.sleep('1h');
      expect(world.opened).toEqual([]);
      expect(await loop.query(stateQuery)).toMatchObject({ paused: true, pauseReason: 'night', queued, cycles: 7 });
      await loop.signal(resumeSignal);
      while ((await loop.query(stateQuery)).cycles < 8) await env.sleep('100ms');
      expect(world.opened).toEqual([{ decisionId: 'kept', trigger: 'manual', asOfMs: 1 }]);
      await loop.terminate();
    }));

  test('continues as new with all of its state, even while paused', () =>
    within(async (taskQueue) => {
      const last = { decisionId: 'x', outcome: 'partial' as const, summary: 'half of it' };
      const loop = await startLoop(taskQueue, { cycles: 3, last });
      const firstRun = loop.firstExecutionRunId;
      await loop.signal(pauseSignal, 'over night');
      const queue = await loop.query(stateQuery);
      expect(queue.paused).toBe(true);
      const runs = new Set([firstRun]);
      for (let hour = 0; hour < 12 && runs.size < 2; hour++) {
        // Paused, it sleeps without a timer: only messages make history.
        for (let index = 0; index < 400; index++) await loop.signal(workWaitsSignal);
        await env.sleep('1h');
        runs.add((await env.client.workflow.getHandle(loop.workflowId).describe()).runId);
      }
      expect(runs.size).toBe(2);
      const state = await env.client.workflow.getHandle(loop.workflowId).query(stateQuery);
      expect(state).toMatchObject({ paused: true, pauseReason: 'over night', cycles: 3, last });
      await env.client.workflow.getHandle(loop.workflowId).terminate();
    }));
});

describe('balanceTrigger', () => {
  const input = { ...pool, scheduleId: 'hourly', catchupWindowMs: 60_000 };
  const run = (taskQueue: string) =>
    env.client.workflow.execute(balanceTrigger, { taskQueue, workflowId: randomUUID(), args: [input] });

  test('ends with the cycle that it asked for', () =>
    within(async (taskQueue) => {
      expect(await run(taskQueue)).toEqual({ decisionId: 'asked', outcome: 'delivered', summary: 'all delivered' });
    }));

  test('fails when the pool is paused', () =>
    within(
      async (taskQueue) => {
        await expect(run(taskQueue)).rejects.toMatchObject({ cause: { cause: { type: 'Paused' } } });
      },
      { requestCycle: () => Promise.reject(ApplicationFailure.nonRetryable('pool test is paused', 'Paused')) },
    ));

  test.each(['failed', 'rejected'] as const)(
    'fails when its cycle %s, so that pause-on-failure means something',
    (outcome) =>
      within(
        async (taskQueue) => {
          await expect(run(taskQueue)).rejects.toMatchObject({ cause: { type: 'CycleFailed' } });
        },
        { awaitDecision: () => Promise.resolve({ outcome, summary: 'why' }) },
      ),
  );
});
