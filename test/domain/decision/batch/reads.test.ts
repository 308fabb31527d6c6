import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emptySizeModel, observeBatch } from '../../../../domain/batch/size-model.js';
import { planBatch } from '../../../../domain/decision/batch/batch.js';
import { readWork } from '../../../../domain/decision/batch/read-cost.js';
import { openIntervals } from '../../../../domain/decision/batch/source-windows.js';
import { anyInputs, batchInputs, workItem } from './batch-inputs.js';

const HOUR = 3_600_000;
/** Reads of `d` took 10 ms and 1 ms a slice, and held 1 kB a slice. */
const costs = Array.from({ length: 20 }, (_, i) => i + 1).reduce(
  (state, items) => observeBatch(state, { items, ms: 10 + items, bytes: 1_000 * items }),
  emptySizeModel,
);
const unlimited = (ids: readonly string[], more: object = {}) =>
  batchInputs(
    ids.map((id, index) => workItem(id, { where: [{ column: 'k', op: '=', value: index }] })),
    0,
    { limits: [], readCosts: { d: costs }, ...more },
  );
const names = (count: number) => Array.from({ length: count }, (_, index) => `i${String(index).padStart(3, '0')}`);

describe('composition', () => {
  test('rows that share nothing are one scan of a dataset, foreseen from what its reads took', () => {
    const { reads } = planBatch(unlimited(names(20)));
    expect(reads).toHaveLength(1);
    expect(reads[0].predicted!.ms).toBeCloseTo(10 + 20 * readWork([{ rows: 10, fields: ['x'] }]), 0);
    // One by one each would have opened the dataset.
    expect(reads[0].predicted!.aloneMs).toBeGreaterThan(20 * 10);
  });

  test('where bytes are counted, reads of other fields stay apart: none is read for more rows', () => {
    const items = ['x', 'y'].map((field, value) =>
      workItem(field, { fields: [field], where: [{ column: 'k', op: '=', value }] }),
    );
    expect(planBatch(batchInputs(items, 100_000)).reads).toHaveLength(2);
    expect(planBatch(batchInputs(items, 0, { limits: [] })).reads).toHaveLength(1);
  });

  test('where bytes are counted, samples share a read only where that takes no more; in older records always', () => {
    const pair = (seed: number, rows: number, weighsSamples = true) => {
      const items = [workItem('a', { fields: ['x'], rows: 100 }), workItem('b', { fields: ['y'], rows, seed })];
      const { reads } = planBatch(batchInputs(items, 100_000, { weighsSamples }));
      return reads.map(({ predictedBytes }) => predictedBytes);
    };
    expect(pair(1, 100)).toEqual([1_000, 1_000]);
    expect(pair(1, 100, false)[0]).toBeGreaterThan(2_000);
    // Of one seed and size they are the same rows.
    expect(pair(0, 100)).toEqual([2_000]);
    expect(pair(0, 10)).toEqual([1_000, 100]);
  });

  test('every read keeps its limits of time and memory, tail included, or holds one slice', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 12, max: 60 }), (count, msMax) => {
        const readLimits = { msMax, bytesMax: 20_500 };
        const { reads } = planBatch(unlimited(names(count), { readLimits }));
        expect(reads.flatMap(({ slices }) => slices.map(({ id }) => id)).sort()).toEqual(names(count));
        for (const { predicted, slices } of reads) {
          if (slices.length === 1) continue;
          expect(predicted!.msTail).toBeLessThanOrEqual(msMax * 1.001);
          expect(predicted!.memoryBytes).toBeLessThanOrEqual(20_500);
        }
        // Not needlessly many: no more than twice the reads that the work alone needs.
        const most = Math.min(msMax - 10, 20);
        expect(reads.length).toBeLessThanOrEqual(2 * Math.ceil((count * 1.001) / Math.max(1, most - 1)) + 1);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the order of reads', () => {
  /** Reads of many datasets on two sources, some of them read alone, some after others. */
  const many = fc
    .record({
      datasets: fc.array(fc.record({ source: fc.constantFrom('s', 't'), alone: fc.boolean() }), {
        minLength: 1,
        maxLength: 6,
      }),
      needs: fc.array(
        fc.record({ dataset: fc.nat(5), after: fc.option(fc.nat(9), { nil: null }), pin: fc.boolean() }),
        {
          minLength: 1,
          maxLength: 10,
        },
      ),
    })
    .map(({ datasets, needs }) => {
      const base = batchInputs([], 0);
      const items = needs.map(({ dataset, after, pin }, index) =>
        workItem(`i${index}`, {
          ...{
            kind: 'need',
            needId: `a/n${index}`,
            dataset: `d${dataset % datasets.length}`,
            priority: 1 + (index % 5),
          },
          datasetVersion: pin ? 'c' : null,
          after: after === null || after >= index ? [] : [`a/n${after}`],
        }),
      );
      return batchInputs(items, 0, {
        limits: [],
        datasets: datasets.map(({ source }, index) => ({ ...base.datasets[0], id: `d${index}`, source })),
        sources: { s: { scansAtOnce: 1, windows: null }, t: { scansAtOnce: 2, windows: null } },
        exclusive: datasets.flatMap(({ alone }, index) => (alone ? [`d${index}`] : [])),
      });
    });

  test('at no instant are there more scans than a source bears, or two where one must be alone; after means after', () => {
    fc.assert(
      fc.property(many, (inputs) => {
        const { reads } = planBatch(inputs);
        const during = (at: number) => reads.filter(({ timing }) => timing.startMs! <= at && at < timing.endMs!);
        for (const { timing } of reads) {
          const now = during(timing.startMs!);
          expect(now.length).toBeLessThanOrEqual(4);
          for (const [source, { scansAtOnce }] of Object.entries(inputs.sources))
            expect(now.filter((read) => read.source === source).length).toBeLessThanOrEqual(scansAtOnce);
          for (const dataset of inputs.exclusive)
            expect(now.filter((read) => read.dataset === dataset).length).toBeLessThanOrEqual(1);
        }
        for (const { after, ordinal, timing } of reads)
          for (const before of after) {
            expect(before).toBeLessThan(ordinal);
            expect(reads[before].timing.endMs).toBeLessThanOrEqual(timing.startMs!);
          }
        expect(planBatch({ ...inputs, items: [...inputs.items].reverse() })).toEqual(planBatch(inputs));
      }),
    );
  });

  test('needs that merging made wait for each other are read all the same', () => {
    // a (with d1) before b (with d0), and d (with d0) before c (with d1): neither read can be first.
    const items = [
      workItem('a', { kind: 'need', needId: 'a/a', dataset: 'd1' }),
      workItem('b', { kind: 'need', needId: 'a/b', dataset: 'd0', after: ['a/a'] }),
      workItem('d', { kind: 'need', needId: 'a/d', dataset: 'd0' }),
      workItem('c', { kind: 'need', needId: 'a/c', dataset: 'd1', after: ['a/d'] }),
    ];
    const [dataset] = batchInputs([], 0).datasets;
    const datasets = ['d0', 'd1'].map((id) => ({ ...dataset, id }));
    expect(planBatch(batchInputs(items, 0, { limits: [], datasets })).reads.map(({ after }) => after)).toEqual([
      [],
      [],
    ]);
  });

  test('the most urgent read is first when nothing else decides', () => {
    const [dataset] = batchInputs([], 0).datasets;
    const items = [3, 1, 2].map((priority, index) => workItem(`i${index}`, { dataset: `d${index}`, priority }));
    const datasets = items.map(({ dataset: id }) => ({ ...dataset, id }));
    const sources = { s: { scansAtOnce: 1, windows: null } };
    const { reads } = planBatch(batchInputs(items, 0, { limits: [], datasets, sources }));
    expect(reads.map(({ slices: [{ id }] }) => id)).toEqual(['i1', 'i2', 'i0']);
    expect(reads[1].timing).toMatchObject({
      ...{ startMs: 1_000, waitsFor: 'scans:s, held by the read of d1' },
      wait: { binding: 'scans:s', blockers: [0], shortfall: { 'scans:s': 1 }, earliestMs: 1_000 },
    });
  });

  test('granted exactly the scans that a read is said to lack it starts at once; without one that it does not wait for it still waits', () => {
    const [dataset] = batchInputs([], 0).datasets;
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 1, max: 3 }), (count, scansAtOnce) => {
        const items = Array.from({ length: count }, (_, index) =>
          workItem(`i${index}`, { dataset: `d${index}`, priority: 1 + (index % 5) }),
        );
        const datasets = items.map(({ dataset: id }) => ({ ...dataset, id }));
        const planned = (some: typeof items, scans: number) =>
          planBatch(
            batchInputs(some, 0, {
              ...{ limits: [], datasets, sources: { s: { scansAtOnce: scans, windows: null } } },
            }),
          ).reads;
        const reads = planned(items, scansAtOnce);
        // The first that waits: granted what it lacks, the second would have it where the first is left out.
        for (const { timing, dataset: own } of reads.filter((read) => read.timing.wait !== null).slice(0, 1)) {
          if (timing.wait === null) continue;
          const startOf = (some: typeof reads) => some.find((read) => read.dataset === own)!.timing.startMs;
          expect(timing.wait.earliestMs).toBe(timing.startMs);
          expect(startOf(planned(items, scansAtOnce + timing.wait.shortfall['scans:s']))).toBeLessThan(timing.startMs!);
          const blockers = timing.wait.blockers.map((ordinal) => reads[ordinal].dataset);
          expect(blockers.length).toBeGreaterThan(0);
          for (const { dataset: gone } of items) {
            if (gone === own || blockers.includes(gone)) continue;
            const rest = items.filter((item) => item.dataset !== gone);
            expect(startOf(planned(rest, scansAtOnce))).toBeGreaterThan(0);
          }
        }
      }),
    );
  });
});

describe('windows of a source', () => {
  test('are intervals from now on, over midnight, joined where they touch', () => {
    const at = Date.parse('2026-01-01T23:00:00Z');
    const window = (from: number, to: number) => ({ fromMs: from * HOUR, toMs: to * HOUR });
    expect(openIntervals([window(22, 6)], at)[0]).toEqual([0, 7 * HOUR]);
    expect(openIntervals([window(1, 2)], at)[0]).toEqual([2 * HOUR, 3 * HOUR]);
    expect(openIntervals([window(20, 24), window(0, 3)], at)[0]).toEqual([0, 4 * HOUR]);
  });

  test('outside them nothing is granted, and every item says when they open', () => {
    fc.assert(
      fc.property(anyInputs, fc.integer({ min: 2, max: 23 }), (inputs, hour) => {
        // It is a minute past midnight.
        const windows = [{ fromMs: hour * HOUR, toMs: 0 }];
        const plan = planBatch({ ...inputs, sources: { s: { scansAtOnce: 1, windows } } });
        expect(plan.grants).toEqual([]);
        expect(plan.reads).toEqual([]);
        expect(plan.waiting.map(({ itemId }) => itemId)).toEqual(inputs.items.map(({ id }) => id));
        for (const { resource, earliestMs } of plan.waiting)
          expect([resource, earliestMs]).toEqual(['window:s', hour * HOUR]);
      }),
    );
  });

  test('a read that would not end before it closes waits for the next opening, and is not charged', () => {
    const windows = [{ fromMs: 0, toMs: 60_000 + 15 }];
    const inputs = { ...unlimited(names(1)), limits: batchInputs([], 5_000).limits };
    const plan = planBatch({ ...inputs, sources: { s: { scansAtOnce: 1, windows } } });
    // It takes 11 ms of the 15: granted. Ten of them take 20.
    expect(plan.grants).toHaveLength(1);
    const ten = planBatch({
      ...unlimited(names(10)),
      limits: inputs.limits,
      sources: { s: { scansAtOnce: 1, windows } },
    });
    expect(ten).toMatchObject({ grants: [], reads: [], charges: {} });
    expect(ten.waiting[0]).toMatchObject({ resource: 'window:s', earliestMs: 24 * HOUR });
  });
});

describe('rows that a read is expected to hand out, each once, where nothing counts them', () => {
  const read = (items: ReturnType<typeof workItem>[], rowsMax = 1_000_000) => {
    const inputs = batchInputs(items, 0, { limits: [] });
    const datasets = inputs.datasets.map((dataset) => ({ ...dataset, rows: rowsMax }));
    const { reads } = planBatch({ ...inputs, datasets });
    expect(reads).toHaveLength(1);
    return reads[0];
  };
  const sample = (id: string, rows: number, more: object = {}) => workItem(id, { rows, ...more });
  const where = (value: number) => ({ where: [{ column: 'k', op: '=' as const, value }] });

  test.each<[string, number, ReturnType<typeof workItem>[], number?]>([
    ['nested samples are the largest of them', 500, [sample('a', 300), sample('b', 500)]],
    [
      'half of the rows twice, by other seeds, are three quarters',
      750,
      [sample('a', 500), sample('b', 500, { seed: 1 })],
    ],
    ['all rows are all, whoever has some of them', 1_000, [sample('a', 1_000), sample('b', 400, { seed: 1 })]],
    ['other predicates add up', 700, [sample('a', 300, where(1)), sample('b', 400, where(2))]],
    ['but to no more than there is', 600, [sample('a', 300, where(1)), sample('b', 400, where(2))], 600],
  ])('%s', (_, expected, items, rowsMax) => {
    const { predictedRows, predictedBytes } = read(items, rowsMax);
    expect(predictedRows).toBeCloseTo(expected, 9);
    expect(predictedBytes).toBeCloseTo(expected * 10, 9);
  });
});
