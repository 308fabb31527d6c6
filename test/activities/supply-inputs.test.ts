/** A need that asks something else has no past of it. */
import { expect, test } from 'vitest';
import type { CycleContext } from '../../activities/store-ports.js';
import { matchedMetrics } from '../../activities/supply-inputs.js';
import type { Predicate } from '../../domain/types/predicate.js';
import { workItem } from '../domain/decision/batch/batch-inputs.js';

const subjectOf = (where: Predicate, rows = 60): string => {
  const item = workItem('n', { kind: 'need', needId: 'a/n', rows, where });
  const context: Pick<CycleContext, 'items' | 'asOfMs'> = { items: [item], asOfMs: 0 };
  const [{ subject }] = matchedMetrics(context as CycleContext, [{ itemId: 'n', rows: 9, exact: true }]);
  return subject;
};

test('rows that matched are kept by need and question, however many of them it wants', () => {
  const above = (value: number): Predicate => [{ column: 'x', op: '>', value }];
  expect(subjectOf(above(1))).toMatch(/^a\/n#/);
  expect(subjectOf(above(2))).not.toBe(subjectOf(above(1)));
  expect(subjectOf([{ value: 1, op: '>', column: 'x' }], 70)).toBe(subjectOf(above(1)));
});
