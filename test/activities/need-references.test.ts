/** The reading of what a model was trained on is taken from the limits of its source, as every read is. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StageDependencies } from '../../activities/dependencies.js';
import { lookAtReferences, type LookedReferences } from '../../activities/need-references.js';
import type { BudgetCharge, CycleContext, QuotaCharge } from '../../activities/store-ports.js';
import { needQuestion } from '../../domain/decision/quality/reference.js';
import { BalanceError } from '../../domain/types/errors.js';
import { workItem } from '../domain/decision/batch/batch-inputs.js';
import { testPlane } from '../interfaces/data/plane-kit.js';

const { plane, folder } = await testPlane();
writeFileSync(join(folder, 'train.csv'), ['x', ...Array.from({ length: 1_000 }, (_, at) => at)].join('\n'));

const item = workItem('i', { needId: 'n', kind: 'need', reference: { dataset: 'train', isTarget: false } });

/** How a look goes: `fails`: the sample cannot be taken; `waits`: what its limits give comes too late; `left` of a quota. */
interface Course {
  readonly fails?: boolean;
  readonly waits?: boolean;
  readonly left?: number;
  readonly known?: object;
}

/** What is taken of each limit in one look, by what the limits are. */
async function look(limits: object, { fails = false, waits = false, left = Infinity, known = {} }: Course = {}) {
  const set = { source: 'lake', columns: {}, maxDuplicateFraction: 1 };
  const definition = {
    window: 10_000,
    reads: { waitMax: 20 },
    sources: { lake: { kind: 'files', root: folder, limits: { scansAtOnce: 1, ...limits } } },
    datasets: { d: { ...set, path: 'd.csv' }, train: { ...set, path: 'train.csv' } },
    models: {},
  };
  const context = {
    ...{ tenant: 't', pool: 'p', asOfMs: Date.parse('2100-01-01T00:00:00Z'), decisionId: 'one', items: [item] },
    ...{ definition, rests: { resting: {}, notes: [] } },
  } as unknown as CycleContext;
  const taken: Record<string, number> = {};
  const counted: Record<string, number> = {};
  const add = (charges: readonly BudgetCharge[]): void => {
    for (const { resource, amount } of charges) taken[resource] = (taken[resource] ?? 0) + amount;
  };
  const first: (readonly BudgetCharge[])[] = [];
  const deps = {
    now: () => 0,
    history: { references: () => Promise.resolve(known), saveReferences: () => Promise.resolve() },
    pace: {
      take: (_: unknown, charges: readonly BudgetCharge[], signal: AbortSignal) => {
        if (waits)
          return new Promise((_resolve, reject) => {
            const stopped = new BalanceError('interrupted', { type: 'Interrupted', message: 'stopped' });
            signal.addEventListener('abort', () => reject(stopped));
          });
        first.push(charges);
        add(charges);
        return Promise.resolve(null);
      },
      settle: (_: unknown, charges: readonly BudgetCharge[]) => {
        add(charges);
        return Promise.resolve();
      },
    },
    plans: {
      takeQuota: (_: unknown, { id, bytes }: QuotaCharge) => {
        const isTaken = bytes <= left;
        if (isTaken) counted[id] = (counted[id] ?? 0) + bytes;
        return Promise.resolve({ taken: isTaken, left });
      },
      settleQuota: (_: unknown, { id, bytes }: Pick<QuotaCharge, 'id' | 'bytes'>) => {
        counted[id] += bytes;
        return Promise.resolve();
      },
    },
    data: {
      describe: plane.describe,
      measure: plane.measure,
      sample: fails ? () => Promise.reject(new Error('gone')) : plane.sample,
    },
  } as unknown as StageDependencies;
  const looked = new MockActivityEnvironment().run<[], LookedReferences, () => Promise<LookedReferences>>(() =>
    lookAtReferences(deps, context),
  );
  const result = await (fails ? looked.catch(() => null) : looked);
  return { taken, counted, first: first.map((charges) => charges.map(({ amount }) => amount)), result };
}

test('rows and bytes of its sample are taken: a portion before it is read, the rest as a debt that later reads wait for', async () => {
  const { taken, first, result } = await look({ rowsPerSecond: 20, bytesPerSecond: 1_000_000 });
  expect(result!.unreferenced).toEqual({});
  expect(taken).toEqual({ 'rows:lake': 1_000, 'bytes:lake': 8_000 });
  // An eighth of what one window holds, where the whole would be a wait of many windows.
  expect(first).toEqual([[8_000, 25]]);
});

test('nothing is taken where nothing is limited, and nothing stays taken of a sample that failed', async () => {
  expect((await look({})).taken).toEqual({});
  expect((await look({ rowsPerSecond: 20 }, { fails: true })).taken).toEqual({ 'rows:lake': 0 });
});

const quota = { quota: { bytes: 10_000, per: 60_000 } };
const older = { n: { question: needQuestion(item), declared: { dataset: 'train', version: 'older', missing: [] } } };

test('its bytes count in a quota of its source, and those of a sample that failed do not', async () => {
  expect((await look(quota)).counted).toEqual({ 'reference of n': 8_000 });
  expect((await look(quota, { fails: true })).counted).toEqual({ 'reference of n': 0 });
});

test('it is not read where less is left of a quota, or nothing in time: that is told, and what is known of it stands', async () => {
  const room =
    'source lake has 7999 of the 10000 bytes that may leave it in 1m, and this read takes about 8000: it is not made';
  const late = 'the limits of source lake leave no room for it within 20ms';
  for (const [limits, course, told] of [
    [quota, { left: 7_999 }, room],
    [{ rowsPerSecond: 20 }, { waits: true }, late],
  ] as const) {
    const { counted, taken, result } = await look(limits, course);
    expect(Object.values({ ...counted, ...taken }).every((amount) => amount === 0)).toBe(true);
    expect(result).toMatchObject({ references: {}, unreferenced: { n: told } });
    const again = (await look(limits, { ...course, known: older })).result;
    expect(again).toMatchObject({ references: older, unreferenced: {} });
    expect(again!.notes[0]).toContain(`${told}; it is compared with version older`);
  }
});
