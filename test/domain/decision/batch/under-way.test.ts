import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planBatch } from '../../../../domain/decision/batch/batch.js';
import { isPinned, mergeDemand } from '../../../../domain/decision/batch/costs.js';
import {
  expectedEndMs,
  mayOutlast,
  readEnds,
  waitsForLeft,
  type ReadUnderWay,
} from '../../../../domain/decision/batch/under-way.js';
import type { PlannedRead } from '../../../../domain/decision/batch/reads.js';
import { anyInputs, batchInputs, workItem } from './batch-inputs.js';

const NOW = 60_000;
const read = (id: string, more: Partial<ReadUnderWay> = {}): ReadUnderWay => ({
  ...{
    id,
    decisionId: 'before',
    source: 's',
    dataset: 'd',
    asOfMs: NOW - 20_000,
    sinceMs: NOW - 10_000,
    endMs: NOW + 5_000,
  },
  ...{ slices: [], joinable: true },
  ...more,
});
const slice = (id: string, where: ReadUnderWay['slices'][number]['where'] = []) => {
  return { id, fields: ['x', 'k'], where, rows: null, seed: 0, classColumn: null, quotas: null };
};
const waitOf = (plan: ReturnType<typeof planBatch>, itemId: string) =>
  plan.waiting.find((wait) => wait.itemId === itemId);

describe('a plan beside reads under way', () => {
  test('counterfactual: who waits for a slot names who holds it; with one of them gone, it is read', () => {
    const items = [workItem('i')];
    const both = planBatch(batchInputs(items, 1e6, { underWay: [read('r1'), read('r2', { endMs: NOW + 3_000 })] }));
    expect(both.grants).toEqual([]);
    expect(waitOf(both, 'i')).toMatchObject({
      ...{ tier: 'waiting', resource: 'scans:s', blockers: ['r1', 'r2'], shortfall: 1, earliestMs: NOW + 3_000 },
    });
    const one = planBatch(batchInputs(items, 1e6, { underWay: [read('r1')] }));
    expect(one.grants.map(({ itemId }) => itemId)).toEqual(['i']);
    // A source elsewhere is no matter.
    const elsewhere = planBatch(
      batchInputs(items, 1e6, { underWay: [read('r1', { source: 't' }), read('r2', { source: 't' })] }),
    );
    expect(elsewhere.grants).toHaveLength(1);
  });

  test('a dataset that is read alone is free when its read has ended', () => {
    const alone = { exclusive: ['d'], underWay: [read('r1')] };
    expect(waitOf(planBatch(batchInputs([workItem('i')], 1e6, alone)), 'i')).toMatchObject({
      resource: 'lock:d',
      blockers: ['r1'],
    });
    const other = { ...alone, underWay: [read('r1', { dataset: 'e' })] };
    expect(planBatch(batchInputs([workItem('i')], 1e6, other)).grants).toHaveLength(1);
  });

  test('what it holds of a limit is told to those who lack it', () => {
    const short = planBatch(batchInputs([workItem('i', { rows: 900 })], -5_000, { underWay: [read('r1')] }));
    const wait = waitOf(short, 'i')!;
    expect(wait.resource).toBe('bytes:s');
    expect(wait.blockers).toContain('r1');
    expect(wait.reason).toContain('the read r1 of d');
    // A source that it does not read is short for other reasons.
    const other = planBatch(
      batchInputs([workItem('i', { rows: 900 })], -5_000, { underWay: [read('r1', { source: 't' })] }),
    );
    expect(waitOf(other, 'i')!.blockers).not.toContain('r1');
  });

  test('who asks what it reads anyway waits for it, if that is fresh enough, in time, sooner than a read of its own, and can be cut from it', () => {
    const running = read('r1', { slices: [slice('long')] });
    const where = [{ column: 'k', op: '=' as const, value: 1 }];
    // The source owes 5,000 bytes: what is asked, 10,000, would take 15 s, and the read under way 5.
    const asked = (more: object, underWay = [running], bytes = -5_000) => {
      const item = workItem('i', { fields: ['x'], where, rows: null, ...more });
      return waitOf(planBatch(batchInputs([item], bytes, { underWay })), 'i')!.resource;
    };
    expect(asked({})).toBe('read:r1');
    expect(asked({ maxAgeMs: 20_000 })).toBe('read:r1');
    expect(asked({ maxAgeMs: 19_999 })).toBe('bytes:s');
    expect(asked({ deadlineMs: NOW + 5_001 })).toBe('read:r1');
    expect(asked({ deadlineMs: NOW + 5_000 })).toBe('bytes:s');
    expect(asked({ fields: ['y'] })).toBe('bytes:s');
    expect(asked({ datasetVersion: 'c' })).toBe('bytes:s');
    expect(asked({}, [{ ...running, joinable: false }])).toBe('bytes:s');
    expect(asked({}, [{ ...running, slices: [slice('part', [{ column: 'k', op: '=', value: 2 }])] }])).toBe('bytes:s');
  });

  test('counterfactual: who could read it sooner by itself does; from when that takes as long, it waits', () => {
    const item = workItem('i', { fields: ['x'], rows: 100 });
    const plan = (bytes: number) =>
      planBatch(batchInputs([item], bytes, { underWay: [read('r1', { slices: [slice('long')] })] }));
    // 1,000 bytes are asked, 1,000 come in a second, and the read under way ends in five.
    expect(plan(1_000).grants).toHaveLength(1);
    expect(waitOf(plan(-3_999), 'i')!.resource).toBe('bytes:s');
    expect(waitOf(plan(-4_000), 'i')!.resource).toBe('read:r1');
  });

  test('what is soon read shares no read with what the limits keep long; nobody is merged into a wait', () => {
    const items = [
      workItem('long', { rows: 1_000 }),
      workItem('short', { rows: 5, seed: 1 }),
      workItem('standing', { kind: 'need', needId: 'a/n', rows: 900 }),
    ];
    const limits = [{ resource: 'rows:s', source: 's', available: 950, perSecond: 1, burst: 100_000 }];
    const merged = (more: object) => {
      const demand = mergeDemand(batchInputs(items, 0, { limits, ...more }), new Set(), 0);
      return demand.reads.map(({ members, datasetVersion }) => {
        return [[...members].map((index) => demand.items[index].item.id), isPinned(datasetVersion)];
      });
    };
    // 50 seconds are missing for the long one; for the others all is there.
    expect(merged({ readWaitMs: 49_000 })).toEqual([
      [['long'], false],
      [['short', 'standing'], false],
    ]);
    const all = [[['long', 'short', 'standing'], false]];
    expect(merged({ readWaitMs: 50_000 })).toEqual(all);
    // Versions without a bound merged as ever.
    expect(merged({})).toEqual(all);
  });

  test('whose read has ended is granted at no cost; whose read has not ended waits for that one alone', () => {
    const items = [workItem('a1', { readId: 'r0' }), workItem('a2', { readId: 'r1' })];
    const plan = planBatch(batchInputs(items, 0, { hits: ['a1'], underWay: [read('r1')] }));
    expect(plan.reads).toEqual([]);
    expect(plan.grants).toMatchObject([
      { itemId: 'a1', reason: expect.stringContaining('read since an earlier cycle') },
    ]);
    expect(plan.charges).toEqual({ 'bytes:s': 0 });
    expect(waitOf(plan, 'a2')).toMatchObject({ resource: 'read:r1', blockers: ['r1'], earliestMs: NOW + 5_000 });
  });

  test('every item is granted, waits or is refused, once; a source with no slot left is not read; the order of items is no matter', () => {
    const ways = fc.array(
      fc.record({ source: fc.constantFrom('s', 't'), ms: fc.integer({ min: -9_000, max: 9_000 }) }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(anyInputs, ways, (given, found) => {
        const underWay = found.map(({ source, ms }, nth) => read(`r${nth}`, { source, endMs: NOW + ms }));
        const inputs = { ...given, underWay };
        const plan = planBatch(inputs);
        const answered = [...plan.grants, ...plan.waiting, ...plan.refusals].map(({ itemId }) => itemId).sort();
        expect(answered).toEqual(given.items.map(({ id }) => id).sort());
        const held = underWay.filter(({ source }) => source === 's').length;
        if (held >= 2) expect(plan.reads).toEqual([]);
        for (const wait of plan.waiting) expect(wait.earliestMs).toBeGreaterThan(inputs.nowMs);
        expect(planBatch({ ...inputs, items: [...given.items].reverse() })).toEqual(plan);
      }),
      { numRuns: 200 },
    );
  });
});

describe('when reads end', () => {
  const planned = (source: string, bytes: number, endMs: number | null) =>
    ({ source, predictedBytes: bytes, predictedRows: 0, timing: { endMs } }) as PlannedRead;
  const limits = [{ resource: 'bytes:s', source: 's', available: 1_000, perSecond: 100, burst: 1_000 }];

  test('worked by hand: as scheduled, or when the limit has let through it and those before it', () => {
    const reads = [planned('s', 500, 40), planned('t', 9_999, 70), planned('s', 1_500, 90), planned('s', 0, null)];
    // 500 are there; 2,000 are there when 1,000 more have come, ten seconds later.
    expect(readEnds(reads, limits)).toEqual([40, 70, 10_000, 10_000]);
    // A bucket in debt has nothing before it is out of it.
    expect(readEnds([planned('s', 100, 1)], [{ ...limits[0], available: -400 }])).toEqual([5_000]);
  });

  test('one that is late will take as long again as it has taken', () => {
    expect(expectedEndMs({ sinceMs: 0, endMs: 50 }, 10)).toBe(50);
    expect(expectedEndMs({ sinceMs: 0, endMs: 50 }, 4_000)).toBe(8_000);
    expect(expectedEndMs({ sinceMs: 0, endMs: 50 }, 100)).toBe(1_100);
  });
});

describe('what a cycle goes on without', () => {
  test('requests alone; a need, a gang or a version is waited for', () => {
    const items = [
      workItem('r'),
      workItem('n', { kind: 'need', needId: 'a/n' }),
      workItem('g', { gang: { name: 'x', size: 2 } }),
      workItem('v', { datasetVersion: 'c' }),
    ];
    const itemOf = new Map(items.map((item) => [item.id, item]));
    const may = (...ids: string[]) => mayOutlast({ slices: ids.map((id) => slice(id)) }, itemOf);
    expect(['r', 'n', 'g', 'v'].map((id) => may(id))).toEqual([true, false, false, false]);
    expect(may('r', 'n')).toBe(false);
  });

  test('who is read waits for that; whose read has not begun waits for the first that ends', () => {
    const running = [read('r1', { slices: [slice('a')] }), read('r2', { slices: [slice('b')], endMs: NOW + 9_000 })];
    // Four run at once.
    const earlier = [read('r0', { endMs: NOW + 1_000 }), read('r3', { endMs: NOW + 8_000 })];
    const waits = waitsForLeft(running, ['c'], earlier, NOW);
    expect(waits).toMatchObject([
      { itemId: 'a', resource: 'read:r1', blockers: ['r1'], earliestMs: NOW + 5_000 },
      { itemId: 'b', resource: 'read:r2', blockers: ['r2'], earliestMs: NOW + 9_000 },
      { itemId: 'c', resource: 'reads', blockers: ['r0', 'r3', 'r1', 'r2'], shortfall: 1, earliestMs: NOW + 1_000 },
    ]);
  });

  test('whose read has not begun behind reads that were waited for is due at once, whether none or some are under way', () => {
    const due = { itemId: 'c', tier: 'waiting', resource: 'reads', blockers: [], shortfall: 1, earliestMs: NOW };
    expect(waitsForLeft([], ['c'], [], NOW)).toMatchObject([due]);
    expect(waitsForLeft([], ['c'], [read('r0'), read('r1'), read('r2')], NOW)).toMatchObject([due]);
  });
});
