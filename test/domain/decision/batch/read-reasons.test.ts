import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planBatch } from '../../../../domain/decision/batch/batch.js';
import type { Grant } from '../../../../domain/decision/batch/grants.js';
import { readReason } from '../../../../domain/decision/batch/read-reasons.js';
import { anyInputs, batchInputs, workItem } from './batch-inputs.js';

const need = (model: string, rows: number, more: object = {}) =>
  workItem(`${model}-id`, { model, kind: 'need', needId: `${model}/n`, rows, ...more });

const told = (grants: readonly Grant[]) => grants.map(({ share, bytes }) => share && readReason(share, bytes));

describe('why a request is in its read', () => {
  test('with whom, and what it saves: half of what two ask alike; one that is alone shares nothing', () => {
    const plan = planBatch(batchInputs([need('a', 100), need('b', 100), workItem('r', { dataset: 'e' })], 100_000));
    expect(plan.grants.map(({ share }) => share)).toEqual([
      { read: 0, with: ['b/n'], sharers: 1, besides: 0, savedBytes: 500 },
      expect.objectContaining({ with: ['a/n'], savedBytes: 500 }),
    ]);
    expect(told(plan.grants)[0]).toBe('one read with b/n, which saves it 500 B of 1 kB');
    // Without the other it is charged all of it.
    const [alone] = planBatch(batchInputs([need('a', 100)], 100_000)).grants;
    expect(alone.share).toBeUndefined();
    expect(alone.cost['bytes:s']).toBe(alone.bytes);
  });

  test('many are counted, a few named; other rows in the same scan are told apart', () => {
    const at = (value: number) => [{ column: 'k', op: '=' as const, value }];
    const alike = ['a', 'b', 'c', 'd', 'e'].map((id) => workItem(id, { rows: null, where: at(1) }));
    const { grants } = planBatch(batchInputs([...alike, workItem('z', { rows: null, where: at(900) })], 1e6));
    const saves = ', which saves it 8 kB of 10 kB; one scan with 1 of other rows';
    expect(told(grants)).toEqual([
      `one read with b, c, d and 1 more${saves}`,
      `one read with a, c, d and 1 more${saves}`,
      `one read with a, b, d and 1 more${saves}`,
      `one read with a, b, c and 1 more${saves}`,
      `one read with a, b, c and 1 more${saves}`,
      'one scan with 5 of other rows',
    ]);
    // Where no bytes are counted, nothing is said of what is saved.
    const free = planBatch(batchInputs(alike, 0, { limits: [] })).grants;
    expect(free[0].share).toMatchObject({ savedBytes: null });
    expect(told(free)[0]).toBe('one read with b, c, d and 1 more');
  });

  test('what its members are told to save is what the plan saves; who is not named shares no rows', () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        // Enough for all: where some of a read wait, the others' charges are those of the last round of sharing.
        const plan = planBatch({ ...inputs, limits: [{ ...inputs.limits[0], available: 1e9 }] });
        const saved = plan.grants.reduce((sum, { share }) => sum + (share?.savedBytes ?? 0), 0);
        const planned = plan.reads.reduce((sum, { predictedBytes }) => sum + predictedBytes, 0);
        const asked = plan.reads.reduce((sum, { askedBytes }) => sum + askedBytes, 0);
        // A member may be charged for more than its own bytes, where the read has fields that it does not ask.
        expect(saved).toBeGreaterThanOrEqual(asked - planned - 1e-6 * asked - 1e-6);
        for (const { itemId, share } of plan.grants) {
          const read = plan.reads.find(({ slices }) => slices.some(({ id }) => id === itemId))!;
          expect(share === undefined).toBe(read.slices.length === 1);
          if (share !== undefined) expect(share.sharers + share.besides).toBe(read.slices.length - 1);
        }
        expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
      }),
    );
  });
});
