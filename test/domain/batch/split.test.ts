import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextGroup, recordGroup, splitBatch, startBisection, type Bisection } from '../../../domain/batch/split.js';

function bisect(ids: readonly string[], poisoned: ReadonlySet<string>): Bisection {
  let state = startBisection(ids);
  for (let group = nextGroup(state); group !== null; group = nextGroup(state)) {
    const bad = group.find((id) => poisoned.has(id));
    state = recordGroup(state, bad === undefined ? null : `row of ${bad}`);
  }
  return state;
}

describe('bisection', () => {
  const ids = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 100 });
  it('finds one poisoned item in at most 2 ceil(log2 n) + 1 calls, and all others succeed', () => {
    fc.assert(
      fc.property(ids, fc.nat(), (list, pick) => {
        const poison = list[pick % list.length];
        const state = bisect(list, new Set([poison]));
        expect(state.failed).toEqual([{ id: poison, error: `row of ${poison}` }]);
        expect([...state.succeeded].sort()).toEqual(list.filter((id) => id !== poison).sort());
        expect(state.calls).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(list.length)) + 1);
      }),
    );
  });
  it('decides every item exactly once whatever is poisoned, in at most 2 n - 1 calls', () => {
    fc.assert(
      fc.property(ids, fc.infiniteStream(fc.boolean()), (list, coins) => {
        const poisoned = new Set(list.filter(() => coins.next().value));
        const state = bisect(list, poisoned);
        expect(state.failed.map(({ id }) => id)).toEqual(list.filter((id) => poisoned.has(id)));
        expect(state.succeeded).toEqual(list.filter((id) => !poisoned.has(id)));
        expect(state.calls).toBeLessThanOrEqual(2 * list.length - 1);
      }),
    );
  });
  it('needs one call when nothing fails and none for nothing', () => {
    expect(bisect(['a', 'b', 'c'], new Set()).calls).toBe(1);
    expect(nextGroup(startBisection([]))).toBeNull();
    expect(() => recordGroup(startBisection([]), null)).toThrow('expected a pending group');
  });
});

describe('splitBatch', () => {
  const limits = { itemsMax: 10, bytesMax: 100 };
  it('cuts by size and memory, the most urgent first', () => {
    const item = (id: string, items: number, bytes: number, priority: number) => ({ id, items, bytes, priority });
    expect(
      splitBatch([item('low', 6, 10, 0), item('b', 5, 10, 1), item('a', 5, 95, 1), item('huge', 50, 1, 2)], limits),
    ).toEqual([
      { ids: ['huge'], items: 50, bytes: 1, oversized: true },
      { ids: ['a'], items: 5, bytes: 95, oversized: false },
      { ids: ['b'], items: 5, bytes: 10, oversized: false },
      { ids: ['low'], items: 6, bytes: 10, oversized: false },
    ]);
    expect(splitBatch([], limits)).toEqual([]);
  });
  it('partitions its input within the limits, in order of priority', () => {
    const items = fc
      .array(fc.record({ items: fc.nat(14), bytes: fc.nat(140), priority: fc.nat(3) }), { maxLength: 30 })
      .map((list) => list.map((item, i) => ({ ...item, id: `i${i}` })));
    fc.assert(
      fc.property(items, (list) => {
        const batches = splitBatch(list, limits);
        expect(splitBatch([...list].reverse(), limits)).toEqual(batches);
        const order = batches.flatMap((batch) => batch.ids);
        expect([...order].sort()).toEqual(list.map(({ id }) => id).sort());
        const priorities = order.map((id) => list.find((item) => item.id === id)!.priority);
        expect(priorities).toEqual([...priorities].sort((a, b) => b - a));
        for (const { ids, items: size, bytes, oversized } of batches) {
          expect(oversized).toBe(size > limits.itemsMax || bytes > limits.bytesMax);
          if (oversized) expect(ids).toHaveLength(1);
        }
      }),
    );
  });
});
