/** A decision with corrections that was recorded before the rules of the quality check had a version. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../activities/digest.js';
import { replayDecision } from '../../activities/replay.js';
import { stageInputDigest } from '../../activities/stage.js';
import type { StageRecord } from '../../activities/store-ports.js';
import { QUALITY_RULES } from '../../domain/decision/quality/quality-check.js';
import { STAGES } from '../../domain/decision/stages.js';

const file = new URL('records/corrections-rules-1.json', import.meta.url);
const stages = JSON.parse(readFileSync(file, 'utf8')) as StageRecord[];
const of = (changed: readonly StageRecord[], stage: string) =>
  replayDecision(changed).find((one) => one.stage === stage)!;
/** Another outcome, with the digest that it would have been stored with. */
const told = (outcome: unknown) => {
  const other = { ...(outcome as object), told: 'by other rules' };
  return { outcome: other, outcomeDigest: digestOf(other) };
};
const altered = (stage: string, change: (record: StageRecord) => Partial<StageRecord>) =>
  stages.map((record) => (record.stage === stage ? { ...record, ...change(record) } : record));

describe('a decision recorded by an older version', () => {
  test('replays as it did, or is told to be of older rules: it never differs', () => {
    for (const { stage, same, older } of replayDecision(stages))
      expect(same || (stage === 'quality-check' && older!.rules === 1 && older!.now === QUALITY_RULES)).toBe(true);
    expect(replayDecision(stages).map(({ stage }) => stage)).toEqual(STAGES);
  });

  test('is told to be of older rules where these make something else of its inputs', () => {
    const changed = altered('quality-check', ({ outcome }) => ({ ...told(outcome) }));
    expect(of(changed, 'quality-check')).toEqual({
      ...{ stage: 'quality-check', same: false, older: { rules: 1, now: QUALITY_RULES } },
    });
  });

  test('is found to be tampered with all the same', () => {
    const inputs = altered('quality-check', (record) => ({ inputs: { ...(record.inputs as object), asOfMs: 1 } }));
    const both = altered('quality-check', () => ({ outcomeDigest: 'f'.repeat(64) }));
    const outcome = altered('quality-check', (record) => ({ outcome: told(record.outcome).outcome }));
    for (const changed of [inputs, both, outcome])
      expect(of(changed, 'quality-check')).toEqual({ stage: 'quality-check', same: false });
  });

  test.each(STAGES)('whose outcome of %s is gone differs there', (stage) => {
    for (const change of [{ outcome: {} }, { outcome: {}, outcomeDigest: digestOf({}) }]) {
      const replayed = replayDecision(altered(stage, () => change));
      expect(replayed.map((one) => one.stage)).toEqual(STAGES);
      expect(replayed.find((one) => one.stage === stage)!.same).toBe(false);
    }
  });

  test('says why a stage cannot be run again on inputs that have their digests', () => {
    const changed = altered('analyze', () => ({ inputs: {}, inputDigest: stageInputDigest({}, []) }));
    expect(of(changed, 'analyze')).toEqual({ stage: 'analyze', same: false, failed: expect.any(String) });
  });

  test('of the rules of this program differs, where it differs', () => {
    const changed = altered('quality-check', (record) => {
      const inputs = { ...(record.inputs as object), rules: QUALITY_RULES };
      const prior = stages.filter(({ stage }) => stage === 'analyze' || stage === 'batch');
      return { inputs, inputDigest: stageInputDigest(inputs, prior), ...told(record.outcome) };
    });
    expect(of(changed, 'quality-check')).toEqual({ stage: 'quality-check', same: false });
  });
});
