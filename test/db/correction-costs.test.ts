/** What corrections took, against a real PostgreSQL: the newest cases foresee the next. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createCycleStore } from '../../db/cycle-store.js';
import { createHistoryStore } from '../../db/history-store.js';
import { createPoolStore } from '../../db/pool-store.js';
import { keepLessons } from '../../db/quality-store.js';
import { COST_CASES_MAX } from '../../domain/decision/quality/correction-cost.js';
import { poolSchema } from '../../domain/types/pool.js';
import { testDatabase } from '../support/database.js';

const database = testDatabase();

test('an action is foreseen by the newest of its cases on its dataset, of those that were done', async () => {
  const ref = { tenant: 't', pool: 'p' };
  const nowMs = Date.parse('2026-01-01T12:00:00Z');
  const pool = {
    sources: { lake: { kind: 'files', root: '.' } },
    datasets: { events: { source: 'lake', path: 'events.csv', eventTime: 'at' } },
    models: { asker: { kind: 'serving' } },
  };
  await createPoolStore(database.db).apply(ref, poolSchema.parse(pool), '{}', '/');
  const decision = { ...ref, decisionId: randomUUID() };
  const input = { ...decision, trigger: 'work' as const, asOfMs: null, workflowId: 'w', runId: 'r' };
  await createCycleStore(database.db).open(input, nowMs, {});

  let tick = 0;
  const keep = (action: 'drop-rows' | 'impute', dataset: string, ms: number | null): Promise<void> => {
    const cost = { foreseen: null, took: ms === null ? null : { ms, bytes: 2 * ms } };
    const told = {
      issue: 'invalid' as const,
      applied: false,
      verdict: 'roll-back' as const,
      reason: 'r',
      needId: null,
      step: 0,
    };
    const measuredDelta = ms === null ? null : ms / 100;
    const measured = { predictedDelta: 0, measuredDelta, standardError: null, effect: null, cost };
    const corrections = [{ requestId: randomUUID(), dataset, action, ...told, ...measured }];
    const lessons = { references: [], strategy: null, corrections, asks: [] };
    return keepLessons(database.db, decision, lessons, new Date(nowMs + tick++));
  };
  await keep('drop-rows', 'events', 1_000_000);
  for (let nr = 0; nr < COST_CASES_MAX; nr++) await keep('drop-rows', 'events', 7);
  await keep('drop-rows', 'events', null);
  await keep('impute', 'other', 5);

  const asked = [
    { dataset: 'events', action: 'drop-rows' as const },
    { dataset: 'events', action: 'impute' as const },
    { dataset: 'other', action: 'impute' as const },
  ];
  const { costs, gains } = createHistoryStore(database.db);
  expect(await costs(ref, asked)).toEqual({
    'events/drop-rows': {
      ...{ cases: COST_CASES_MAX, ms: { mean: 7, standardError: 0 }, bytes: { mean: 14, standardError: 0 } },
    },
    'other/impute': { cases: 1, ms: { mean: 5, standardError: null }, bytes: { mean: 10, standardError: null } },
  });
  expect(await gains(ref, asked)).toEqual({
    'events/invalid/drop-rows': {
      cases: COST_CASES_MAX,
      delta: { mean: expect.closeTo(0.07, 12), standardError: expect.closeTo(0, 12) },
    },
    'other/invalid/impute': { cases: 1, delta: { mean: 0.05, standardError: null } },
  });
  expect(await gains({ ...ref, tenant: 'another' }, asked)).toEqual({});
  expect(await costs({ ...ref, tenant: 'another' }, asked)).toEqual({});
  expect(await costs(ref, [])).toEqual({});
});
