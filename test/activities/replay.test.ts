/** A stored decision, replayed from its rows: identical digests; whatever is tampered with is found. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../activities/digest.js';
import { replayDecision } from '../../activities/replay.js';
import { stageInputDigest } from '../../activities/stage.js';
import type { StageRecord } from '../../activities/store-ports.js';
import { createDecisionStore } from '../../db/decision-store.js';
import { STAGES } from '../../domain/decision/stages.js';
import { startBalance, type TestBalance } from '../support/balance.js';
import { EVENTS, smallPool } from '../e2e/small-pool.js';

let balance: TestBalance;
let stages: StageRecord[];
beforeAll(async () => {
  const need = { dataset: 'events', fields: ['id', 'label'], rows: 900 };
  const models = {
    trainer: { kind: 'training', weight: 2, needs: [{ id: 'even', ...need, classColumn: 'label', target: 'uniform' }] },
    auditor: { kind: 'serving', needs: [{ id: 'all', ...need, seed: 1, after: ['trainer/even'] }] },
  };
  balance = await startBalance((dir) => smallPool(dir, { models, limits: { bytesPerSecond: '1kB' } }));
  balance.write('events.csv', EVENTS as never);
  await balance.client.pause();
  await balance.client.request({ model: 'auditor', dataset: 'events', fields: ['nope'], key: 'refused' });
  await balance.client.request({ model: 'auditor', dataset: 'events', fields: ['id'], rows: 5, key: 'served' });
  await balance.client.resume();
  const { decision } = await balance.cycle();
  stages = await createDecisionStore(balance.database.db).decisionStages(balance.pool, decision.id);
});
afterAll(() => balance.stop());

describe('replaying a decision', () => {
  test('every stage gives the identical digests, from Postgres alone', () => {
    expect(replayDecision(stages)).toEqual(STAGES.map((stage) => ({ stage, same: true })));
  });

  test('a decision of before effects were kept replays without them', () => {
    const [checked, closed] = ['quality-check', 'coordinate'].map((name) =>
      stages.find(({ stage }) => stage === name)!,
    );
    const { ways, ...inputs } = checked.inputs as { readonly ways: object };
    const { effects, ...outcome } = closed.outcome as { readonly effects: object };
    expect([ways, effects]).toEqual([expect.any(Object), expect.any(Object)]);
    const [analyzed, planned] = ['analyze', 'batch'].map((name) => stages.find(({ stage }) => stage === name)!);
    const older = { ...checked, inputs, inputDigest: stageInputDigest(inputs, [analyzed, planned]) };
    const records = stages.map((record) => {
      if (record.stage === 'quality-check') return older;
      if (record.stage !== 'coordinate') return record;
      const inputDigest = stageInputDigest(closed.inputs, [analyzed, planned, older]);
      return { ...closed, outcome, outcomeDigest: digestOf(outcome), inputDigest };
    });
    expect(replayDecision(records)).toEqual(STAGES.map((stage) => ({ stage, same: true })));
  });

  test('a decision that ended early replays the stages that it reached', () => {
    expect(replayDecision(stages.slice(0, 3))).toEqual(STAGES.slice(0, 3).map((stage) => ({ stage, same: true })));
    expect(replayDecision([])).toEqual([]);
  });

  test.each(STAGES)('a tampered outcome of %s is found, there or in what builds on it', (stage) => {
    const tampered = stages.map((record) =>
      record.stage === stage
        ? { ...record, outcome: { ...(record.outcome as object), added: true }, outcomeDigest: 'f'.repeat(64) }
        : record,
    );
    expect(replayDecision(tampered).find((one) => one.stage === stage)).toEqual({ stage, same: false });
  });

  test.each(STAGES)('tampered inputs of %s are found', (stage) => {
    const tampered = stages.map((record) =>
      record.stage === stage ? { ...record, inputs: { ...(record.inputs as object), asOfMs: 1, stepMs: 1 } } : record,
    );
    expect(replayDecision(tampered).find((one) => one.stage === stage)).toEqual({ stage, same: false });
  });
});
