import { describe, expect, it } from 'vitest';
import {
  chooseBatchSize,
  emptySizeModel,
  observeBatch,
  predictBatch,
  type SizeModelState,
} from '../../../domain/batch/size-model.js';

/** Deterministic noise in [-1, 1]. */
const noise = (i: number) => Math.sin(i * 12.9898) ** 3;
function learn(start: SizeModelState, count: number, factor: number, spread: number): SizeModelState {
  let state = start;
  for (let i = 0; i < count; i++) {
    const items = 1 + ((i * 7) % 40);
    const ms = factor * (10 + 2 * items) * (1 + spread * noise(i));
    state = observeBatch(state, { items, ms, bytes: 1000 + 50 * items });
  }
  return state;
}

describe('the size model', () => {
  it('learns a line exactly', () => {
    const predicted = predictBatch(learn(emptySizeModel, 10, 1, 0), 100)!;
    expect(predicted.ms).toBeCloseTo(210, 6);
    expect(predicted.bytes).toBeCloseTo(6000, 6);
  });

  it('recovers within 200 batches after a threefold slowdown', () => {
    const before = learn(emptySizeModel, 500, 1, 0.2);
    const after = learn(before, 200, 3, 0.2);
    const fresh = learn(emptySizeModel, 500, 3, 0.2);
    const limits = { itemsMax: 1000, msMax: 150 };
    expect(predictBatch(after, 30)!.ms / 210).toBeCloseTo(1, 1);
    expect(Math.abs(chooseBatchSize(after, limits).items / chooseBatchSize(fresh, limits).items - 1)).toBeLessThan(0.1);
  });

  it('shrinks the batch before the mean has followed: the tail sees the first slow batches', () => {
    const before = learn(emptySizeModel, 500, 1, 0);
    const limits = { itemsMax: 1000, msMax: 90 };
    expect(chooseBatchSize(before, limits)).toEqual({ items: 40, binding: 'time' });
    expect(chooseBatchSize(learn(before, 5, 3, 0), limits).items).toBeLessThan(20);
  });

  it('bounds about nineteen of twenty batches', () => {
    let state = learn(emptySizeModel, 200, 1, 0.4);
    let within = 0;
    for (let i = 0; i < 400; i++) {
      const items = 1 + ((i * 11) % 40);
      const ms = (10 + 2 * items) * (1 + 0.4 * noise(i + 1000));
      if (ms <= predictBatch(state, items)!.msTail) within++;
      state = observeBatch(state, { items, ms, bytes: null });
    }
    expect(within / 400).toBeGreaterThan(0.9);
  });

  it('starts with one item and doubles at most', () => {
    expect(chooseBatchSize(emptySizeModel, { itemsMax: 64 })).toEqual({ items: 1, binding: 'growth' });
    const one = observeBatch(emptySizeModel, { items: 1, ms: 5, bytes: null });
    expect(chooseBatchSize(one, { itemsMax: 64, msMax: 1000 })).toEqual({ items: 2, binding: 'growth' });
    expect(chooseBatchSize(one, { itemsMax: 1 })).toEqual({ items: 1, binding: 'items' });
  });

  it('keeps to memory, and to one item when even that breaks a limit', () => {
    const state = learn(emptySizeModel, 100, 1, 0);
    expect(chooseBatchSize(state, { itemsMax: 64, bytesMax: 2000 })).toEqual({ items: 20, binding: 'memory' });
    expect(chooseBatchSize(state, { itemsMax: 64, msMax: 1 })).toEqual({ items: 1, binding: 'time' });
  });

  it('has decided answers for no measurement, one size, and sizes that cost the less the larger', () => {
    expect(predictBatch(emptySizeModel, 5)).toBeNull();
    const same = observeBatch(observeBatch(emptySizeModel, { items: 10, ms: 20, bytes: 0 }), {
      items: 10,
      ms: 20,
      bytes: 0,
    });
    expect([5, 10, 20].map((items) => predictBatch(same, items)!.ms)).toEqual([20, 20, 40]);
    expect(predictBatch(same, 10)!.bytes).toBe(0);
    const falling = observeBatch(observeBatch(emptySizeModel, { items: 1, ms: 30, bytes: null }), {
      items: 9,
      ms: 10,
      bytes: null,
    });
    expect(predictBatch(falling, 100)!.ms).toBeGreaterThan(predictBatch(falling, 9)!.ms);
  });

  it.each([
    { items: 0, ms: 1, bytes: null },
    { items: 1, ms: -1, bytes: null },
    { items: 1, ms: Number.NaN, bytes: null },
    { items: 1, ms: 1, bytes: -1 },
  ])('refuses %j', (bad) => {
    expect(() => observeBatch(emptySizeModel, bad)).toThrow('expected items >= 1');
  });

  it('is plain JSON', () => {
    const state = learn(emptySizeModel, 30, 1, 0.3);
    expect(predictBatch(JSON.parse(JSON.stringify(state)) as SizeModelState, 7)).toEqual(predictBatch(state, 7));
  });
});
