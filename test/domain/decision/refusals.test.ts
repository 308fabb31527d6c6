/** Whatever is refused says what was asked, what it failed on, by how much where that is counted, and what to change. */
import { describe, expect, test } from 'vitest';
import { analyze, type AnalyzeInputs } from '../../../domain/decision/analyze/analyze.js';
import { planBatch } from '../../../domain/decision/batch/batch.js';
import {
  coordinate,
  type CoordinateInputs,
  type CoordinateOutcome,
} from '../../../domain/decision/coordinate/coordinate.js';
import { refuseTogether } from '../../../domain/decision/gangs.js';
import type { Refusal, WorkItem } from '../../../domain/decision/work.js';
import { batchInputs, workItem } from './batch/batch-inputs.js';

const NOW = 60_000;
const gang = { name: 'g', size: 2 };

function analyzed(items: readonly WorkItem[], more: Partial<AnalyzeInputs> = {}): readonly Refusal[] {
  const { datasets, facts } = batchInputs(items, 0);
  const inputs = {
    ...{ nowMs: NOW, asOfMs: NOW, items, datasets, facts, weights: {}, classCounts: {}, failures: [], rejected: [] },
    ...{ restricted: { d: ['z'] }, mayRead: {} },
    ...more,
  };
  return analyze(inputs, []).refusals;
}
function coordinated(items: readonly WorkItem[], more: object): readonly Refusal[] {
  return coordinateAll(items, more).ended;
}
function coordinateAll(items: readonly WorkItem[], more: object): CoordinateOutcome {
  const verdicts = items.map(({ id }) => ({
    itemId: id,
    use: id === 'a' ? 'slice' : 'none',
    verdict: 'fail',
    score: 0,
    reason: 'half its rows are null',
  }));
  const grants = items.map(({ id }) => ({ itemId: id, rows: 10, quotas: null, bytes: 1, score: 1 }));
  const snapshot = { asOfMs: NOW, needs: [], datasets: [], measurements: [], forecasts: [], history: [] };
  const inputs = { items, verdicts, grants, snapshot, waiting: [], refusals: [], failed: [], nowMs: NOW, ...more };
  return coordinate(inputs as unknown as CoordinateInputs);
}

const failure = { dataset: 'd', type: 'SourceMissing', reason: 'no file', transient: false };
const quota = [{ resource: 'quota:s', source: 's', available: 50, perSecond: 1, burst: 50 }];
const pair = [workItem('a', { gang }), workItem('b', { gang, deadlineMs: NOW - 5 })];
const chained = workItem('n', { kind: 'need', needId: 'a/n', after: ['a/first'] });

test.each<[string, string, number | undefined, readonly Refusal[]]>([
  ['DeadlinePassed', 'deadline', 1_000, analyzed([workItem('r', { deadlineMs: NOW - 1_000 })])],
  ['UnknownDataset', 'dataset:gone', undefined, analyzed([workItem('r', { dataset: 'gone' })])],
  ['SourceMissing', 'dataset:d', undefined, analyzed([workItem('r')], { failures: [failure] })],
  ['UnknownColumn', 'column:d.nope', 2, analyzed([workItem('r', { fields: ['nope', 'not'] })])],
  ['RestrictedField', 'column:d.z', 1, analyzed([workItem('r', { fields: ['z'] })])],
  ['VersionGone', 'version:d', undefined, analyzed([workItem('r', { datasetVersion: 'old' })])],
  ['NoFields', 'fields', 1, planBatch(batchInputs([workItem('r', { fields: [] })], 1_000)).refusals],
  ['ExceedsQuota', 'quota:s', 50, planBatch(batchInputs([workItem('r')], 0, { limits: quota })).refusals],
  ['GangBroken', 'gang:g', 1, planBatch(batchInputs([workItem('b', { gang, fields: [] }), pair[0]], 1_000)).refusals],
  ['DeadlinePassed', 'deadline', 5, refuseTogether(pair, analyzed([pair[1]]))],
  ['Quarantined', 'quality:d', undefined, coordinated([workItem('r')], {})],
  ['DependencyNotMet', 'need:a/first', undefined, coordinated([chained], {})],
  [
    'TypeMismatch',
    'dataset:d',
    undefined,
    coordinated([workItem('r')], { failed: [{ itemId: 'r', type: 'TypeMismatch', reason: 'x is text' }] }),
  ],
  [
    'GangBroken',
    'gang:g',
    1,
    coordinated(pair, { failed: [{ itemId: 'b', type: 'TypeMismatch', reason: 'x is text' }] }),
  ],
])('%s names %s', (type, resource, shortfall, refusals) => {
  const found = refusals.filter((one) => one.type === type);
  expect(found.length).toBeGreaterThan(0);
  for (const refusal of refusals) {
    expect(refusal.resource).toBeDefined();
    expect(refusal.reason).not.toBe('');
    expect(refusal.hint).toMatch(/^[A-Z].*[.]$/);
  }
  for (const one of found)
    expect({ resource: one.resource, shortfall: one.shortfall }).toEqual({ resource, shortfall });
});

describe('when it can be served', () => {
  const ended = (items: readonly WorkItem[], more: object) =>
    coordinated(items, more).map(({ type, earliestMs }) => ({ type, earliestMs }));

  test('never, unless the question is mended; a standing need with the next cycle, where the data may be better then', () => {
    const none = { type: 'UnknownColumn', reason: 'no x', hint: 'Name another.' };
    const asked = [workItem('r'), workItem('n', { kind: 'need', needId: 'a/n' })];
    expect(ended(asked, {})).toEqual([
      { type: 'Quarantined', earliestMs: undefined },
      { type: 'Quarantined', earliestMs: null },
    ]);
    const refusals = asked.map(({ id }) => ({ itemId: id, ...none }));
    expect(ended(asked, { refusals, grants: [] })).toEqual(
      asked.map(() => ({ type: 'UnknownColumn', earliestMs: null })),
    );
    expect(ended([chained], {})).toEqual([{ type: 'DependencyNotMet', earliestMs: undefined }]);
  });

  test('a request whose read left nothing behind waits for another, and names that read; its gang with it', () => {
    const failure = { type: 'NotRead', reason: 'the read b-1 left no rows for it', resource: 'read:b-1' };
    const { waiting, ended: none } = coordinateAll([workItem('r')], { failed: [{ itemId: 'r', ...failure }] });
    expect(none).toEqual([]);
    expect(waiting).toMatchObject([{ resource: 'read:b-1', reason: failure.reason, blockers: [] }]);
    const whole = coordinateAll(pair, { failed: [{ itemId: 'b', ...failure }] });
    expect(whole.waiting).toMatchObject([{ itemId: 'a' }, { itemId: 'b', resource: 'read:b-1' }]);
    expect(whole.ended).toEqual([]);
  });
});

describe('who is refused on account of another', () => {
  test('names it', () => {
    expect(refuseTogether(pair, analyzed([pair[1]]))).toMatchObject([
      { itemId: 'b' },
      { itemId: 'a', blockers: ['b'] },
    ]);
    expect(coordinated([chained], {})).toMatchObject([{ blockers: ['a/first'] }]);
  });
});

test('who was too late is told what it waited for, where it was looked at before', () => {
  const reasonOf = (more: object) => analyzed([workItem('r', { deadlineMs: NOW - 1_000, ...more })])[0].reason;
  expect(reasonOf({})).toMatch(/passed before it could be served$/);
  expect(reasonOf({ waited: 'it is being read: the read x:0' })).toMatch(/waited: it is being read: the read x:0$/);
});
