import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeInstance } from '../../../domain/batch/range-instance.js';
import { mergeRanges, type RangeMergeResult, type RangeRequest } from '../../../domain/batch/range-merge.js';
import { segmentsOf } from '../../../domain/batch/segments.js';

type Pair = readonly [number, number];
const ask = (id: string, fields: readonly string[], ranges: readonly Pair[], allowedFields?: readonly string[]) => ({
  id,
  model: 'm',
  dataset: 'd',
  fields,
  ranges,
  ...(allowedFields === undefined ? {} : { allowedFields }),
});
type Raw = ReturnType<typeof ask>;
const run = (requests: readonly Raw[], perOperation: number, perUnit: number) =>
  mergeInstance({ requests, cost: { perOperation, perUnit } });

describe('mergeInstance', () => {
  it('merges overlapping and touching ranges of the same fields', () => {
    const result = run([ask('a', ['x'], [[0, 10]]), ask('b', ['x'], [[5, 15]]), ask('c', ['x'], [[15, 20]])], 1, 1);
    expect(result).toEqual({
      batches: [{ dataset: 'd', fields: ['x'], ranges: [[0, 20]], requests: ['a', 'b', 'c'] }],
      read: { operations: 1, units: 20 },
      asked: { operations: 3, units: 25 },
      lowerBound: { operations: 1, units: 20 },
      refused: [],
    });
  });

  it.each([
    [3, 1, 1, 13],
    [2, 1, 2, 10],
    // Two fields make the gap of three keys cost six.
    [5, 2, 2, 20],
    [6, 2, 1, 26],
  ])(
    'at %d an operation, %d field(s), bridges a gap of three keys or not',
    (perOperation, count, operations, units) => {
      const fields = ['x', 'y'].slice(0, count);
      expect(
        run(
          [
            ask('a', fields, [
              [0, 5],
              [8, 13],
            ]),
          ],
          perOperation,
          1,
        ).read,
      ).toEqual({ operations, units });
    },
  );

  it('does not read a cross product that costs more than separate reads', () => {
    const wide = [ask('a', ['p', 'q'], [[0, 10]]), ask('b', ['x', 'y'], [[8, 20]])];
    expect(run(wide, 1, 1).batches).toHaveLength(2);
    // Merged 20 keys x 4 fields = 80 against 20 + 24 cells: worth 36 operations saved at one, so from 36 on.
    expect(run(wide, 35, 1).batches).toHaveLength(2);
    expect(run(wide, 37, 1).batches).toHaveLength(1);
  });

  it('splits what asks for the same fields when the neighbours differ', () => {
    // a and c share a rectangle of 2 fields x 100 keys; b would widen it by 900 unasked cells.
    const result = run(
      [ask('a', ['x'], [[0, 100]]), ask('b', ['x'], [[100, 1000]]), ask('c', ['x', 'y'], [[0, 100]])],
      1,
      1,
    );
    expect(result.batches.map((batch) => batch.requests)).toEqual([['a', 'c'], ['b']]);
    expect(result.read).toEqual({ operations: 2, units: 1100 });
  });

  it('takes keys and predicates instead of ranges', () => {
    const base = { model: 'm', dataset: 'd', fields: ['x'] };
    const result = mergeInstance({
      requests: [
        { ...base, id: 'keys', keys: [3, 1, 2, 2] },
        { ...base, id: 'where', where: 'k > 3 AND k <= 9 AND k != 5' },
        { ...base, id: 'in', where: 'k IN (20, 21)' },
        { ...base, id: 'none', where: 'k < 1 AND k > 2' },
      ],
    });
    expect(result.batches).toEqual([
      { dataset: 'd', fields: ['x'], ranges: [[20, 22]], requests: ['in'] },
      {
        dataset: 'd',
        fields: ['x'],
        ranges: [
          [1, 5],
          [6, 10],
        ],
        requests: ['keys', 'where'],
      },
      { dataset: 'd', fields: ['x'], ranges: [], requests: ['none'] },
    ]);
  });

  it('refuses hidden fields, and never widens a batch beyond what a member may see', () => {
    const result = run(
      [ask('a', ['x', 'y'], [[0, 9]]), ask('b', ['x'], [[0, 9]], ['x']), ask('c', ['x', 'y'], [[0, 9]], ['x'])],
      100,
      1,
    );
    expect(result.refused).toEqual([{ request: 'c', reason: 'may not see y' }]);
    expect(result.batches.map((batch) => [batch.requests, batch.fields])).toEqual([
      [['a'], ['x', 'y']],
      [['b'], ['x']],
    ]);
  });

  it('has an empty result for no requests', () => {
    const nothing = { operations: 0, units: 0 };
    expect(run([], 1, 1)).toEqual({ batches: [], read: nothing, asked: nothing, lowerBound: nothing, refused: [] });
  });

  const one = { id: 'a', model: 'm', dataset: 'd', fields: ['x'] };
  it.each([
    [{}, 'requests: '],
    [{ requests: [{ ...one, ranges: [[0, 1.5]] }] }, 'requests.0.ranges.0.1: '],
    [{ requests: [{ ...one, ranges: [[5, 1]] }] }, 'ends before it begins'],
    [{ requests: [one] }, 'must say which keys'],
    [{ requests: [{ ...one, fields: [], keys: [1] }] }, 'requests.0.fields: '],
    [{ requests: [{ ...one, where: 'k > 3' }] }, 'must bound one whole-number column'],
    [{ requests: [{ ...one, where: "k = 'a'" }] }, 'must bound one whole-number column'],
    [{ requests: [{ ...one, where: 'k = 1 AND j = 2' }] }, 'must bound one whole-number column'],
    [
      {
        requests: [
          { ...one, where: 'k = 1' },
          { ...one, id: 'b', where: 'j = 1' },
        ],
      },
      'keyed by another column',
    ],
    [
      {
        requests: [
          { ...one, keys: [1] },
          { ...one, keys: [2] },
        ],
      },
      'two requests are called a',
    ],
    [{ requests: [], cost: { perOperation: -1, perUnit: 1 } }, 'cost.perOperation: '],
  ])('refuses %j', (input, message) => {
    expect(() => mergeInstance(input)).toThrow(message);
  });
});

const fieldNames = ['p', 'q', 'r'];
const requests = (maxLength: number) =>
  fc
    .array(
      fc.record({
        fields: fc.uniqueArray(fc.constantFrom(...fieldNames), { minLength: 1 }),
        ranges: fc.array(
          fc.tuple(fc.nat(40), fc.nat(12)).map(([lo, width]) => [lo, lo + width] as const),
          { maxLength: 3 },
        ),
        dataset: fc.constantFrom('d', 'd', 'd', 'e'),
        seesAll: fc.integer({ max: 9, min: 0 }).map((die) => die > 0),
      }),
      { maxLength },
    )
    .map((list) =>
      list.map(({ fields, ranges, dataset, seesAll }, i): RangeRequest => ({
        id: `r${String(i).padStart(2, '0')}`,
        dataset,
        fields,
        keys: segmentsOf(ranges),
        allowedFields: seesAll ? undefined : fields,
      })),
    );

function cellsOf(requests: readonly RangeRequest[]): Set<string> {
  const cells = new Set<string>();
  for (const { dataset, fields, keys } of requests) {
    for (const field of fields) {
      for (let i = 0; i < keys.length; i += 2)
        for (let k = keys[i]; k < keys[i + 1]; k++) cells.add(`${dataset} ${field} ${k}`);
    }
  }
  return cells;
}

/** Checks what the contract promises, from the output alone. */
function expectValid(list: readonly RangeRequest[], result: RangeMergeResult): void {
  expect(result.batches.flatMap((batch) => batch.requests).sort()).toEqual(list.map((request) => request.id));
  for (const batch of result.batches) {
    for (const id of batch.requests) {
      const request = list.find((candidate) => candidate.id === id)!;
      expect(request.dataset).toBe(batch.dataset);
      for (const field of request.fields) expect(batch.fields).toContain(field);
      for (const field of batch.fields) expect(request.allowedFields ?? batch.fields).toContain(field);
      for (let i = 0; i < request.keys.length; i += 2) {
        expect(batch.ranges.some(([lo, hi]) => lo <= request.keys[i] && request.keys[i + 1] <= hi)).toBe(true);
      }
    }
  }
  const units = result.batches.reduce(
    (sum, { fields, ranges }) => sum + fields.length * ranges.reduce((keys, [lo, hi]) => keys + hi - lo, 0),
    0,
  );
  expect(result.read).toEqual({ operations: result.batches.reduce((sum, b) => sum + b.ranges.length, 0), units });
  expect(result.lowerBound.units).toBe(cellsOf(list).size);
  expect(units).toBeGreaterThanOrEqual(result.lowerBound.units);
}

/** Every partition of a list: restricted growth. */
function* partitions<T>(items: readonly T[]): Generator<T[][]> {
  if (items.length === 0) {
    yield [];
    return;
  }
  const [first, ...rest] = items;
  for (const parts of partitions(rest)) {
    yield [[first], ...parts];
    for (let i = 0; i < parts.length; i++) yield parts.map((part, j) => (i === j ? [first, ...part] : part));
  }
}

function costOfBatch(group: readonly RangeRequest[], perOperation: number, perUnit: number): number {
  const fields = new Set(group.flatMap((request) => request.fields));
  const barred = group.some(({ allowedFields }) =>
    [...fields].some((field) => allowedFields?.includes(field) === false),
  );
  if (barred || new Set(group.map((request) => request.dataset)).size > 1) return Infinity;
  const keys = [
    ...new Set(group.flatMap(({ keys: k }) => [...cellsOf([{ id: '', dataset: 'd', fields: ['f'], keys: k }])])),
  ]
    .map((cell) => Number(cell.split(' ')[2]))
    .sort((a, b) => a - b);
  return keys.reduce((sum, key, i) => {
    const gap = i === 0 ? Infinity : key - keys[i - 1] - 1;
    const jump = gap === 0 ? 0 : Math.min(perOperation, gap * fields.size * perUnit);
    return sum + fields.size * perUnit + jump;
  }, 0);
}

describe('every range plan', () => {
  const cost = fc.record({ perOperation: fc.constantFrom(0, 1, 4, 15, 60), perUnit: fc.constantFrom(0.5, 1) });
  const total = ({ read }: RangeMergeResult, { perOperation, perUnit }: { perOperation: number; perUnit: number }) =>
    read.operations * perOperation + read.units * perUnit;

  it('is valid, costs no more than separate reads, and does not depend on the order of requests', () => {
    fc.assert(
      fc.property(requests(40), cost, (list, price) => {
        const result = mergeRanges(list, price);
        expectValid(list, result);
        expect(total(result, price)).toBeLessThanOrEqual(
          result.asked.operations * price.perOperation + result.asked.units * price.perUnit + 1e-6,
        );
        expect(mergeRanges([...list].reverse(), price)).toEqual(result);
      }),
      { numRuns: 60 },
    );
  });

  it('is the cheapest of all partitions for up to six requests', () => {
    fc.assert(
      fc.property(requests(6), cost, (list, price) => {
        const { perOperation, perUnit } = price;
        let best = Infinity;
        for (const parts of partitions(list)) {
          const sum = parts.reduce((acc, part) => acc + costOfBatch(part, perOperation, perUnit), 0);
          best = Math.min(best, sum);
        }
        expect(total(mergeRanges(list, price), price)).toBeCloseTo(best, 6);
      }),
      { numRuns: 60 },
    );
  });

  it('reads no more than asked for when nothing is charged for an operation and all ask for the same fields', () => {
    fc.assert(
      fc.property(requests(40), (list) => {
        const same = list.map((request) => ({ ...request, fields: fieldNames, allowedFields: undefined }));
        const result = mergeRanges(same, { perOperation: 0, perUnit: 1 });
        expect(result.read).toEqual(result.lowerBound);
      }),
      { numRuns: 30 },
    );
  });

  it('merges all when cells cost nothing', () => {
    const result = mergeRanges(
      [
        { id: 'a', dataset: 'd', fields: ['p'], keys: [0, 1] },
        { id: 'b', dataset: 'd', fields: ['q'], keys: [1000, 1001] },
      ],
      { perOperation: 1, perUnit: 0 },
    );
    expect(result.batches).toEqual([{ dataset: 'd', fields: ['p', 'q'], ranges: [[0, 1001]], requests: ['a', 'b'] }]);
  });
});

describe('an instance as it is written', () => {
  const forms = {
    keys: (keys: readonly number[]) => ({ keys }),
    ranges: (keys: readonly number[]) => ({ ranges: keys.map((key) => [key, key + 1]) }),
    where: (keys: readonly number[]) => ({
      where: keys.length === 0 ? 'k > 1 AND k < 1' : `k IN (${keys.join(', ')})`,
    }),
  };
  const written = fc.array(
    fc.record({
      dataset: fc.constantFrom('d', 'e'),
      fields: fc.array(fc.constantFrom(...fieldNames), { minLength: 1, maxLength: 4 }),
      keys: fc.array(fc.nat(7), { maxLength: 8 }),
      form: fc.constantFrom('keys' as const, 'ranges' as const, 'where' as const),
      allowedFields: fc.option(fc.subarray(fieldNames)),
    }),
    { maxLength: 4 },
  );
  /** Runs of keys that follow one another. */
  const runs = (keys: ReadonlySet<number>): number => [...keys].filter((key) => !keys.has(key - 1)).length;

  it('in any form, with fields and keys named twice: asked, bound, refusals and what each may see are counted right', () => {
    fc.assert(
      fc.property(written, (list) => {
        const requests = list.map(({ form, keys, ...one }, i) => ({
          id: `r${i}`,
          model: 'm',
          ...one,
          ...forms[form](keys),
        }));
        const result = mergeInstance({ requests, cost: { perOperation: 2, perUnit: 1 } });
        const seen = list.map(({ fields, allowedFields }) =>
          fields.every((field) => allowedFields?.includes(field) ?? true),
        );
        expect(result.refused.map(({ request }) => request)).toEqual(
          requests.filter((_, i) => !seen[i]).map(({ id }) => id),
        );
        const asked = { operations: 0, units: 0 };
        const wanted = { d: new Set<number>(), e: new Set<number>() };
        const cells = new Set<string>();
        for (const [i, { dataset, fields, keys, allowedFields }] of list.entries()) {
          const [batch, ...more] = result.batches.filter((one) => one.requests.includes(`r${i}`));
          expect(more).toEqual([]);
          expect(batch === undefined).toBe(!seen[i]);
          if (batch === undefined) continue;
          asked.operations += runs(new Set(keys));
          asked.units += new Set(keys).size * new Set(fields).size;
          expect(batch.dataset).toBe(dataset);
          for (const field of batch.fields) expect(allowedFields ?? fieldNames).toContain(field);
          for (const key of keys) {
            wanted[dataset].add(key);
            expect(batch.ranges.some(([lo, hi]) => lo <= key && key < hi)).toBe(true);
            for (const field of fields) {
              expect(batch.fields).toContain(field);
              cells.add(`${dataset} ${key} ${field}`);
            }
          }
        }
        expect(result.asked).toEqual(asked);
        expect(result.lowerBound).toEqual({ operations: runs(wanted.d) + runs(wanted.e), units: cells.size });
        expect(result.read.units).toBeGreaterThanOrEqual(cells.size);
      }),
      { numRuns: 500 },
    );
  });
});
