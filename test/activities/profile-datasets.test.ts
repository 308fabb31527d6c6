/** Nobody waits for a profile: a slow one is told and left alone, the others are made; what is restricted is not shown. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { StageDependencies } from '../../activities/dependencies.js';
import { profileDatasets, type DescribedDataset, type SlowProfiles } from '../../activities/profile-datasets.js';
import type { CycleContext } from '../../activities/store-ports.js';
import { testPlane } from '../interfaces/data/plane-kit.js';

const root = mkdtempSync(join(tmpdir(), 'balance-profiles-'));
writeFileSync(join(root, 't.csv'), 'name,salary\na,10\nb,20\nc,30\n');
const { plane } = await testPlane();

const dataset = {
  ...{ source: 'lake', path: 't.csv', maxDuplicateFraction: 1 },
  columns: { salary: { sensitivity: 'restricted' } },
};
const needs = (id: string) => ({ dataset: id, fields: ['name', 'salary'] });
const context = (mayRead: readonly string[]) =>
  ({
    ...{ tenant: 't', pool: 'p', asOfMs: 0 },
    items: ['fast', 'slow'].map((id) => ({ id, needId: `m/${id}`, dataset: id })),
    definition: {
      sources: { lake: { kind: 'files', root } },
      datasets: { fast: dataset, slow: dataset },
      models: { m: { needs: [needs('fast'), needs('slow')], mayRead } },
    },
  }) as unknown as CycleContext;
const described = ['fast', 'slow'].map((id) => ({
  id,
  state: { columns: [{ name: 'name' }, { name: 'salary' }] },
})) as unknown as DescribedDataset[];

const BUDGET_MS = 60_000;

/** The real plane, of which one dataset gives no answer until it is told to stop; the others leave it 50 ms. */
function dependencies(tried: string[], isSlow: (id: string) => boolean, clock = { ms: 0 }): StageDependencies {
  const data: Partial<StageDependencies['data']> = {
    profile: async (of, asOfMs, ask, signal) => {
      tried.push(of.id);
      if (isSlow(of.id))
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
      const made = await plane.profile(of, asOfMs, ask, signal);
      clock.ms += BUDGET_MS - 50;
      return made;
    },
  };
  const history = { keptProfiles: () => Promise.resolve({}) };
  return { now: () => clock.ms, data, history } as unknown as StageDependencies;
}
const run = (
  deps: StageDependencies,
  slow: SlowProfiles,
  mayRead: readonly string[],
): ReturnType<typeof profileDatasets> =>
  new MockActivityEnvironment().run(() => profileDatasets(deps, context(mayRead), described, slow, BUDGET_MS));

test('a dataset that takes too long has no profile, is told, and is not tried again at once', async () => {
  const tried: string[] = [];
  const clock = { ms: 0 };
  const deps = dependencies(tried, (id) => id === 'slow', clock);
  const slow: SlowProfiles = new Map();
  const first = await run(deps, slow, []);
  expect(Object.keys(first.profiles)).toEqual(['fast']);
  expect(first.unprofiled).toEqual({ slow: 'its profile took longer than 50ms' });
  const second = await run(deps, slow, []);
  expect(Object.keys(second.profiles)).toEqual(['fast']);
  expect(second.unprofiled.slow).toBe('its profile took too long; it is tried again from 1970-01-01T01:00:59.950Z on');
  clock.ms += 3_600_000;
  expect((await run(deps, slow, [])).unprofiled).toEqual(first.unprofiled);
  expect(tried).toEqual(['fast', 'slow', 'fast', 'fast', 'slow']);
});

test('restricted columns are profiled for those who may read them, and without their values', async () => {
  const of = async (mayRead: readonly string[]) =>
    (
      await run(
        dependencies([], () => false),
        new Map(),
        mayRead,
      )
    ).profiles.fast.columns;
  expect(Object.keys(await of([]))).toEqual(['name']);
  expect((await of(['fast.salary'])).salary).toMatchObject({
    ...{ rows: 3, distinct: 3, inferredType: 'integer' },
    ...{ min: null, median: null, max: null, mean: null },
  });
});
