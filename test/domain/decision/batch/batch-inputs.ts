/** Planning inputs that are valid by default, and an arbitrary over many of them. */
import fc from 'fast-check';
import type { BatchInputs } from '../../../../domain/decision/batch/batch-inputs.js';
import type { WorkItem } from '../../../../domain/decision/work.js';

export function workItem(id: string, more: Partial<WorkItem> = {}): WorkItem {
  return {
    ...{ id, kind: 'request', needId: null, model: 'a', dataset: 'd', fields: ['x'], where: [], rows: 10, seed: 0 },
    ...{ maxAgeMs: null, deadlineMs: null, priority: 3, datasetVersion: null, createdMs: 0, attempts: 1 },
    ...{ classColumn: null, target: null, maxClassGap: 1, minCompleteness: null, minRows: 0, critical: 0.5 },
    ...{ resources: {}, after: [] },
    ...more,
  };
}

/** One dataset of a million rows and four columns of 10 bytes, of which 1,000 rows match whatever is asked; `bytes` of it may be read now. */
export function batchInputs(items: readonly WorkItem[], bytes: number, more: Partial<BatchInputs> = {}): BatchInputs {
  const columns = { x: 10, y: 10, z: 10, k: 10 };
  return {
    ...{ nowMs: 60_000, asOfMs: 60_000, windowMs: 10_000, items, refused: [], attempts: {}, aheadRows: {}, hits: [] },
    windowsPerStep: 1,
    ...{
      criticality: {},
      predictions: [],
      resample: {},
      surges: [],
      expected: [],
      readingShapes: [],
      prefetchBytesMax: 1e9,
    },
    ...{ exclusive: [], readCosts: {}, credits: {} },
    ...{ sources: { s: { scansAtOnce: 2, windows: null } }, readLimits: { msMax: 30_000, bytesMax: 1e9 } },
    datasets: [
      {
        ...{ id: 'd', source: 's', contentId: 'c', version: 'c', rows: 1_000_000, newestEventMs: null },
        ...{ bytesPerValue: columns, completeness: {} },
      },
    ],
    facts: items.map(({ id }) => ({
      itemId: id,
      rows: 1_000,
      exact: true,
      classCounts: null,
      completeness: {},
      newestEventMs: null,
    })),
    models: { a: { weight: 1, priority: 3 }, b: { weight: 2, priority: 3 }, c: { weight: 4, priority: 3 } },
    limits: [{ resource: 'bytes:s', source: 's', available: bytes, perSecond: 1_000, burst: 100_000 }],
    ...more,
  };
}

const item = fc.record({
  model: fc.constantFrom('a', 'b', 'c'),
  kind: fc.constantFrom('request' as const, 'need' as const),
  fields: fc.subarray(['x', 'y', 'z'], { minLength: 1 }),
  rows: fc.integer({ min: 1, max: 400 }),
  seed: fc.nat(2),
  priority: fc.integer({ min: 1, max: 5 }),
  where: fc.option(fc.nat(3), { nil: null }),
});

export const anyInputs = fc
  .record({
    items: fc.array(item, { minLength: 1, maxLength: 12 }),
    bytes: fc.integer({ min: 0, max: 100_000 }),
    weighsSamples: fc.boolean(),
  })
  .map(({ items, bytes, weighsSamples }) =>
    batchInputs(
      items.map(({ where, ...one }, index) =>
        workItem(`i${String(index).padStart(2, '0')}`, {
          ...one,
          needId: one.kind === 'need' ? `${one.model}/n${index}` : null,
          where: where === null ? [] : [{ column: 'k', op: '=', value: where }],
        }),
      ),
      bytes,
      { weighsSamples },
    ),
  );
