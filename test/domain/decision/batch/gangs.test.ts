import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planBatch } from '../../../../domain/decision/batch/batch.js';
import type { BatchInputs } from '../../../../domain/decision/batch/batch-inputs.js';
import { partedGangs, type Apart } from '../../../../domain/decision/batch/whole-gangs.js';
import { gangsOf } from '../../../../domain/decision/gangs.js';
import type { WaitReason, WorkItem } from '../../../../domain/decision/work.js';
import { anyInputs, batchInputs, workItem } from './batch-inputs.js';

const limit = (available: number, burst = available) => [
  { resource: 'bytes:s', source: 's', available, perSecond: 100, burst },
];
const member = (id: string, rows: number, more: Partial<WorkItem> = {}, size = 2): WorkItem =>
  workItem(id, {
    rows,
    seed: id.charCodeAt(0) * 100 + id.charCodeAt(id.length - 1),
    gang: { name: 'g', size },
    ...more,
  });
const ids = (some: readonly { readonly itemId: string }[]) => some.map(({ itemId }) => itemId).sort();

describe('gangs', () => {
  test('wait for those that have not come, and say how many and until when', () => {
    const items = [member('m-1', 10, { deadlineMs: 120_000 }, 3), member('m-2', 10, {}, 3), workItem('r')];
    const { grants, waiting } = planBatch(batchInputs(items, 10_000));
    expect(ids(grants)).toEqual(['r']);
    expect(waiting).toMatchObject([
      { itemId: 'm-1', resource: 'gang:g', shortfall: 1 },
      { itemId: 'm-2', reason: 'gang g has 2 of its 3 members: 1 more must come by 1970-01-01T00:02:00.000Z' },
    ]);
  });

  test('are granted whole or not at all, and the reason is what all of them lack', () => {
    const items = [member('m-1', 60), member('m-2', 60)];
    const short = planBatch(batchInputs(items, 0, { limits: limit(1_000, 5_000) }));
    expect(short.grants).toEqual([]);
    expect(short.waiting).toMatchObject([
      { itemId: 'm-1', resource: 'bytes:s', shortfall: 200, short: { 'bytes:s': 200 } },
      { itemId: 'm-2', resource: 'bytes:s', shortfall: 200 },
    ]);
    // Whichever of them is named first, none waits for another.
    for (const { reason } of short.waiting)
      expect(reason).toContain('gang g of 2 waits together: 120 rows need 1200 of bytes:s');
    // Granted exactly that, they run.
    const enough = planBatch(batchInputs(items, 0, { limits: limit(1_200, 5_000) }));
    expect(enough.grants.map(({ reason }) => reason)).toEqual([
      'all 60 rows, with all 2 of gang g',
      'all 60 rows, with all 2 of gang g',
    ]);
  });

  test('their turn is that of the last member: nobody that came between is held up for them', () => {
    const items = [member('m-1', 60, { createdMs: 0 }), member('m-2', 60, { createdMs: 50_000 })];
    const between = workItem('r', { rows: 60, createdMs: 20_000, seed: 1 });
    const { grants } = planBatch(batchInputs([...items, between], 0, { limits: limit(1_200, 5_000) }));
    expect(ids(grants)).toEqual(['r']);
  });

  test('that waited until their shares add up are granted whole, though less is left', () => {
    const items = [member('m-1', 60, { attempts: 2 }), member('m-2', 60, { attempts: 2 })];
    const attempts = { 'm-1': 2, 'm-2': 2 };
    const { grants, charges } = planBatch(batchInputs(items, 0, { attempts, limits: limit(700, 5_000) }));
    expect(ids(grants)).toEqual(['m-1', 'm-2']);
    expect(charges['bytes:s']).toBe(1_200);
    // As many cycles as its last member waited count.
    const late = { 'm-1': 2, 'm-2': 1 };
    expect(planBatch(batchInputs(items, 0, { attempts: late, limits: limit(700, 5_000) })).grants).toEqual([]);
  });

  /** Two sources; the second has little. */
  const twoSources = (items: readonly WorkItem[], bytes: number, more: Partial<BatchInputs> = {}): BatchInputs => {
    const inputs = batchInputs(items, 0, { ...more, limits: limit(10_000) });
    const other = { resource: 'bytes:t', source: 't', available: bytes, perSecond: 100, burst: 5_000 };
    return {
      ...inputs,
      datasets: [...inputs.datasets, { ...inputs.datasets[0], id: 'e', source: 't' }],
      sources: { ...inputs.sources, t: { scansAtOnce: 2, windows: null } },
      limits: [...inputs.limits, other],
    };
  };

  test('over two sources wait together, and what they leave goes to others', () => {
    const items = [member('m-1', 600), member('m-2', 60, { dataset: 'e' }), workItem('r', { rows: 600, seed: 9 })];
    const { grants, waiting } = planBatch(twoSources(items, 100));
    expect(ids(grants)).toEqual(['r']);
    expect(waiting.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('gang g of 2 waits together (for m-2): 60 rows need 600 of bytes:t'),
      expect.stringContaining('gang g of 2 waits together: 60 rows need 600 of bytes:t'),
    ]);
    expect(waiting).toMatchObject([{ resource: 'bytes:t' }, { resource: 'bytes:t', shortfall: 500 }]);
  });

  test('wait with a member whose source is closed, and end with one that can never be served', () => {
    const items = [member('m-1', 10), member('m-2', 10, { dataset: 'e' })];
    const closed = twoSources(items, 5_000);
    const windows = [{ fromMs: 3_600_000, toMs: 7_200_000 }];
    const sources = { ...closed.sources, t: { scansAtOnce: 1, windows } };
    expect(planBatch({ ...closed, sources }).waiting).toMatchObject([
      { itemId: 'm-1', resource: 'window:t', earliestMs: 3_600_000 },
      { itemId: 'm-2', resource: 'window:t' },
    ]);
    const empty = planBatch(twoSources([items[0], { ...items[1], fields: [] }], 5_000));
    expect(empty.refusals).toMatchObject([
      { itemId: 'm-1', type: 'GangBroken', reason: 'gang g: its request m-2 was refused: request m-2 names no field' },
      { itemId: 'm-2', type: 'NoFields' },
    ]);
    expect([...empty.grants, ...empty.waiting]).toEqual([]);
  });

  test('are set apart several at a time, the least urgent first: thousands of them take some dozens of plans', () => {
    const name = (of: number): string => `g${String(of).padStart(4, '0')}`;
    const items = Array.from({ length: 4_000 }, (_, i) =>
      workItem(`${name(i >> 1)}-${i % 2}`, { gang: { name: name(i >> 1), size: 2 } }),
    );
    // Of each gang the first member is granted, and the other one waits.
    const grants = items.filter((_, i) => i % 2 === 0).map(({ id }, score) => ({ itemId: id, score }));
    const wait = {
      tier: 'waiting',
      resource: 'bytes:t',
      blockers: [],
      shortfall: 1,
      earliestMs: 0,
      reason: 'r',
    } as const;
    const waiting = items.filter((_, i) => i % 2 === 1).map(({ id }): WaitReason => ({ ...wait, itemId: id }));
    const apart: Apart = { waiting: [], refusals: [], aside: new Set() };
    let plans = 0;
    for (; ; plans++) {
      const parted = partedGangs(gangsOf(items), { grants, waiting, refusals: [] }, apart);
      if (parted === null) break;
      for (const id of parted.aside) apart.aside.add(id);
      apart.waiting.push(...parted.waiting);
    }
    expect([...apart.aside].sort()).toEqual(items.map(({ id }) => id).sort());
    expect([...apart.aside].slice(0, 2)).toEqual(['g0000-0', 'g0000-1']);
    expect(plans).toBeLessThan(50);
  });

  test('whatever is asked: whole, within the limit, everybody answered once, the same in any order', () => {
    const gangs = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(anyInputs, gangs, fc.integer({ min: 2, max: 4 }), (inputs, of, size) => {
        const items = inputs.items.map((item, index) =>
          item.kind === 'need' || of[index] === 0 ? item : { ...item, gang: { name: `g${of[index]}`, size } },
        );
        const plan = planBatch({ ...inputs, items });
        const granted = new Set(ids(plan.grants));
        const answered = [...ids(plan.grants), ...ids(plan.waiting), ...ids(plan.refusals)].sort();
        expect(answered).toEqual(items.map(({ id }) => id).sort());
        const members = new Map<string, boolean[]>();
        for (const { id, model, gang } of items) {
          if (gang === undefined) continue;
          const key = `${model} ${gang.name}`;
          members.set(key, [...(members.get(key) ?? []), granted.has(id)]);
        }
        for (const all of members.values()) {
          expect(new Set(all).size).toBe(1);
          if (all.length < size) expect(all).not.toContain(true);
        }
        const available = inputs.limits[0].available;
        expect(plan.charges['bytes:s'] ?? 0).toBeLessThanOrEqual(available * 1.001 + 1e-6);
        expect(JSON.stringify(planBatch({ ...inputs, items: [...items].reverse() }))).toBe(JSON.stringify(plan));
      }),
      { numRuns: 200 },
    );
  });
});
