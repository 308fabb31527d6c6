import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SegmentList } from '../../../domain/batch/segment-list.js';
import { segmentsOf, unite, uniteAll, type Segments } from '../../../domain/batch/segments.js';

const segments = (most: number, count: number) =>
  fc
    .array(fc.tuple(fc.nat(most), fc.integer({ min: 1, max: 6 })), { maxLength: count })
    .map((pairs) => segmentsOf(pairs.map(([low, length]) => [low, low + length])));

/** By its definition: all keys, each gap bridged or paid for. */
function costOf(keys: Segments, perOperation: number, perKey: number): number {
  let cost = 0;
  for (let i = 0; i < keys.length; i += 2) {
    cost += perKey * (keys[i + 1] - keys[i]);
    if (i > 0) cost += Math.min(perOperation, perKey * (keys[i] - keys[i - 1]));
  }
  return cost;
}

describe('SegmentList', () => {
  it('is the union of what was added, and knows its cost and what more would cost', () => {
    const lists = fc.array(segments(60, 12), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(segments(60, 12), lists, fc.nat(20), fc.constantFrom(1, 2, 3), (first, others, perOperation, key) => {
        const list = new SegmentList(first, perOperation);
        let keys = first;
        for (const other of others) {
          const united = unite(keys, other);
          const more = costOf(united, perOperation, key) - costOf(keys, perOperation, key);
          if (other.length > 0) expect(list.added(other, key)).toBe(more);
          expect(list.cost(key)).toBe(costOf(keys, perOperation, key));
          list.add(other);
          keys = united;
          expect(list.segments).toEqual(keys);
          expect(list.cost(key)).toBe(costOf(keys, perOperation, key));
        }
      }),
    );
  });

  it('of many blocks is one of few: added to at the front, in the middle, over many at once', () => {
    const spread = segmentsOf(Array.from({ length: 3_000 }, (_, i) => [10 * i, 10 * i + 3]));
    const list = new SegmentList(spread, 5);
    const cost = list.cost(1);
    let keys: Segments = spread;
    const singles = Array.from({ length: 1_500 }, (_, i): Segments => [12_000 + 4 * i, 12_001 + 4 * i]);
    for (const more of [...singles, [-7, -5], [3, 10], [5_000, 25_000], [29_993, 40_000]] as Segments[]) {
      const united = unite(keys, more);
      expect(list.added(more, 1)).toBe(costOf(united, 5, 1) - costOf(keys, 5, 1));
      list.add(more);
      keys = united;
    }
    expect(list.segments).toEqual(keys);
    expect(cost).toBe(costOf(spread, 5, 1));
    expect(list.cost(1)).toBe(costOf(keys, 5, 1));
  });
});

it('uniteAll of many lists is what joining one after the other gives', () => {
  fc.assert(
    fc.property(fc.array(segments(200, 6), { maxLength: 30 }), (lists) => {
      expect(uniteAll(lists)).toEqual(lists.reduce<Segments>(unite, []));
    }),
  );
});
