/** Tries at what would be kept back are bounded in number and time; what is not tried is told, and nothing is looked up twice. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StageDependencies } from '../../activities/dependencies.js';
import { REROUTED_MAX, REROUTING_MS, rerouteItems, type Tries } from '../../activities/quality-reroute.js';
import type { QualityStageInputs } from '../../activities/quality-stage.js';
import type { CycleContext } from '../../activities/store-ports.js';
import type { Grant } from '../../domain/decision/batch/grants.js';
import { qualityCheck } from '../../domain/decision/quality/quality-check.js';
import { BalanceError } from '../../domain/types/errors.js';
import { workItem } from '../domain/decision/batch/batch-inputs.js';
import { testPlane } from '../interfaces/data/plane-kit.js';

const { plane, folder } = await testPlane();
writeFileSync(join(folder, 'own.csv'), 'x\n1\n2\n');
writeFileSync(join(folder, 'backup.csv'), 'x\n1\n2\n');
const sources = { lake: { kind: 'files', root: folder, limits: { scansAtOnce: 1 } } };
const counted = { lake: { ...sources.lake, limits: { scansAtOnce: 1, quota: { bytes: 1, per: 60_000 } } } };
const own = { source: 'lake', path: 'own.csv', columns: {}, maxDuplicateFraction: 1, fallback: 'backup' };
const definition = { sources, models: {}, datasets: { d: own, backup: { ...own, path: 'backup.csv' } } };

/** So many requests whose reads gave nothing but a fault; each further read takes `tookMs` by the clock. */
function cycle(count: number, tookMs: number, endMs = 120_000, others = {}, first = '') {
  const items = Array.from({ length: count }, (_, index) => workItem(`i${String(index).padStart(3, '0')}`));
  const rests = { resting: {}, notes: [] };
  const context = {
    tenant: 't',
    pool: 'p',
    asOfMs: 0,
    items,
    definition: { ...definition, ...others },
    rests,
  } as unknown as CycleContext;
  const seen = { clockMs: 0, reads: [] as string[], described: [] as string[] };
  const deps = {
    now: () => seen.clockMs,
    plans: { learned: () => Promise.resolve({}) },
    history: { metrics: () => Promise.resolve([]) },
    scanSlots: { hold: (_: string, __: number, run: () => Promise<unknown>) => run() },
    pace: { take: () => Promise.resolve(null), settle: () => Promise.resolve() },
    data: {
      describe: (...asked: Parameters<typeof plane.describe>) => {
        seen.described.push(asked[0].id);
        return plane.describe(...asked);
      },
      read: (...asked: Parameters<typeof plane.read>) => {
        seen.clockMs += tookMs;
        seen.reads.push(`${asked[0].dataset.id} ${asked[0].slices[0].id}`);
        return plane.read(...asked);
      },
    },
  } as unknown as StageDependencies;
  const grants = items.map(({ id }) => {
    return { itemId: id, rows: 2, bytes: 16, quotas: null, score: id === first ? 1 : 0 } as Grant;
  });
  const run = async (contentId: string, invalid: number) => {
    const slice = {
      ...{ id: 'i', path: 'p', digest: 'e', rows: 2, bytes: 16, fileBytes: 9, newestEventMs: null, duplicateRows: 0 },
      ...{ completeness: { x: 1 }, invalid: { x: invalid }, classCounts: null },
    };
    const results = items.map(({ id }) => {
      return { itemId: id, served: 'read' as const, asOfMs: 0, contentId, slice, failure: null, chargedBytes: 0 };
    });
    const promised = { columns: {}, maxDuplicateFraction: 1, eventTime: undefined };
    const known = { asOfMs: 0, granted: {}, minRows: {}, lastGood: [], datasets: { d: promised } };
    const inputs: QualityStageInputs = { ...known, results };
    const tries: Tries = await new MockActivityEnvironment().run(() =>
      rerouteItems(deps, context, { ...inputs, items }, grants, endMs),
    );
    return { ...tries, verdicts: qualityCheck({ ...inputs, ...tries, items }).verdicts };
  };
  return { seen, deps, run };
}
const { contentId: current } = await plane.describe(
  { ...{ tenant: 't', pool: 'p', id: 'd', sourceId: 'lake' }, source: sources.lake, definition: own } as never,
  0,
  new AbortController().signal,
);

test('no try begins when the time for tries is over: the rest is named with that reason, and served by none', async () => {
  const { seen, run } = cycle(4, (REROUTING_MS * 2) / 3);
  const { rerouted, untried, verdicts } = await run(current, 0.9);
  expect(seen.reads).toEqual(['backup i000', 'backup i001']);
  expect(Object.keys(rerouted)).toEqual(['i000', 'i001']);
  const told = 'fallback backup: not tried, 30s had gone by with other tries';
  expect(untried).toEqual({ i002: told, i003: told });
  expect(verdicts.map(({ use }) => use)).toEqual(['slice', 'slice', 'none', 'none']);
  expect(verdicts[3]).toMatchObject({ notRouted: [told], reason: expect.stringContaining(told) });
});

test('so many items are tried at most; one more is named', async () => {
  const { seen, run } = cycle(REROUTED_MAX + 1, 0);
  const { untried, verdicts } = await run(current, 0.9);
  expect(seen.reads).toHaveLength(REROUTED_MAX);
  expect(untried).toEqual({ [`i${REROUTED_MAX}`]: 'fallback backup: not tried, 100 others of this decision were' });
  expect(verdicts.filter(({ use }) => use === 'none')).toHaveLength(1);
});

test('of more than can be tried those are that matter most', async () => {
  const last = `i${REROUTED_MAX}`;
  const { run } = cycle(REROUTED_MAX + 1, 0, 120_000, {}, last);
  const { untried, rerouted } = await run(current, 0.9);
  expect(Object.keys(untried)).toEqual([`i${String(REROUTED_MAX - 1).padStart(3, '0')}`]);
  expect(rerouted).toHaveProperty(last);
});

test('whether a dataset changed is looked up once, however many items were read from it', async () => {
  const { seen, run } = cycle(3, 0);
  const { verdicts } = await run('what was there before', 0.9);
  expect(seen.described).toEqual(['d']);
  expect(seen.reads).toEqual(['d i000', 'd i001', 'd i002']);
  expect(verdicts.map(({ routed }) => routed?.kind)).toEqual(['refetch', 'refetch', 'refetch']);
});

test('what is good enough is neither looked up nor read again', async () => {
  const { seen, run } = cycle(3, 0);
  await run('what was there before', 0);
  expect([seen.described, seen.reads]).toEqual([[], []]);
});

test('a stand-in whose limits are too slow is left when its time is over: the cycle goes on, and the try is told', async () => {
  const { deps, run } = cycle(1, 0, 50);
  Object.assign(deps.pace, {
    take: (_ref: unknown, _charges: unknown, signal: AbortSignal) =>
      new Promise((_, reject) => {
        const message = 'waiting for the limits of a source was cancelled';
        signal.addEventListener('abort', () =>
          reject(new BalanceError('interrupted', { type: 'Interrupted', message })),
        );
      }),
  });
  const { rerouted, verdicts } = await run(current, 0.9);
  const failure =
    'source lake did not give 2 rows of backup within 50ms, which are left for it: it is too slow, or its limits are';
  expect(rerouted.i000).toMatchObject([{ kind: 'fallback', slice: null, failure }]);
  expect(verdicts).toMatchObject([{ use: 'none', notRouted: [`fallback backup: ${failure}`] }]);
});

test('of a source with a quota something further is read while there is room, and what it took is counted', async () => {
  const { seen, deps, run } = cycle(1, 0, 120_000, { sources: counted });
  const asked: object[] = [];
  const settled: object[] = [];
  Object.assign(deps.plans, {
    takeQuota: (_: unknown, charge: { readonly bytes: number }) => {
      asked.push(charge);
      return Promise.resolve(asked.length === 1 ? { taken: true, left: 0 } : { taken: false, left: 0.4 });
    },
    settleQuota: (_: unknown, charge: object) => Promise.resolve(settled.push(charge)),
  });
  const { rerouted, verdicts } = await run('what was there before', 0.9);
  expect(seen.reads).toEqual(['d i000']);
  const read = rerouted.i000[0];
  expect(asked[0]).toMatchObject({ id: 'refetch i000', source: 'lake', bytes: 16, quotaBytes: 1, sinceMs: -60_000 });
  expect(settled).toEqual([{ id: 'refetch i000', bytes: read.chargedBytes - 16, nowMs: 0 }]);
  expect(verdicts).toMatchObject([{ routed: { kind: 'refetch' } }]);
});

test('of a source whose quota has less room nothing further is read, and it is told', async () => {
  const { seen, deps, run } = cycle(1, 0, 120_000, { sources: counted });
  Object.assign(deps.plans, { takeQuota: () => Promise.resolve({ taken: false, left: 0.4 }) });
  const { verdicts } = await run('what was there before', 0.9);
  expect(seen.reads).toEqual([]);
  const told = 'source lake has 0 of the 1 bytes that may leave it in 1m, and this read takes about 16: it is not made';
  expect(verdicts).toMatchObject([{ notRouted: [`reading it again: ${told}`, `fallback backup: ${told}`] }]);
});
