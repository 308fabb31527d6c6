/** Activities that answer at once: workflow tests are about order, signals and failures, not about data. */
import type { Activities } from '../../activities/create.js';
import type { DecisionRef } from '../../activities/store-ports.js';

export interface FakeWorld {
  /** Names of the activities that ran, oldest first. */
  readonly ran: string[];
  /** Decisions that were abandoned, with why. */
  readonly abandoned: { readonly decisionId: string; readonly outcome: string; readonly reason: string }[];
  readonly opened: { readonly decisionId: string; readonly trigger: string; readonly asOfMs: number | null }[];
  /** Whether requests wait. */
  waiting: boolean;
}

export function fakeWorld(): FakeWorld {
  return { ran: [], abandoned: [], opened: [], waiting: false };
}

export function fakeActivities(world: FakeWorld, replace: Partial<Activities> = {}): Activities {
  const stage = (name: string) => (_: DecisionRef) => {
    world.ran.push(name);
    return Promise.resolve({ summary: `**${name}**` });
  };
  const batch = (ordinal: number, { decisionId }: DecisionRef) => ({
    ...{ batchId: `${decisionId}:${ordinal}`, dataset: 'events', requests: 1 },
    model: ordinal === 0 ? { id: 'trainer', priority: 2, weight: 3 } : null,
  });
  return {
    openDecision: (input) => {
      world.ran.push('open');
      world.opened.push({ decisionId: input.decisionId, trigger: input.trigger, asOfMs: input.asOfMs });
      world.waiting = false;
      return Promise.resolve({ summary: 'Cycle 1', models: ['trainer'] });
    },
    analyze: stage('analyze'),
    predict: stage('predict'),
    batch: (ref) => {
      world.ran.push('batch');
      return Promise.resolve({ summary: '**batch**', batches: [0, 1].map((ordinal) => batch(ordinal, ref)) });
    },
    readBatch: () => {
      world.ran.push('readBatch');
      return Promise.resolve({ rows: 1, bytes: 1 });
    },
    failBatch: () => {
      world.ran.push('failBatch');
      return Promise.resolve(undefined);
    },
    qualityCheck: stage('quality-check'),
    coordinate: () => {
      world.ran.push('coordinate');
      return Promise.resolve({ outcome: 'delivered' as const, summary: 'all delivered' });
    },
    abandonDecision: ({ decisionId, outcome, reason }) => {
      world.ran.push('abandon');
      world.abandoned.push({ decisionId, outcome, reason });
      return Promise.resolve({ outcome, summary: `${outcome}: ${reason}` });
    },
    requestsWait: () => Promise.resolve({ due: world.waiting, againMs: null }),
    requestCycle: () => Promise.resolve({ decisionId: 'asked', known: false }),
    awaitDecision: () => Promise.resolve({ outcome: 'delivered' as const, summary: 'all delivered' }),
    ...replace,
  };
}
