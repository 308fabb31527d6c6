import { describe, expect, test } from 'vitest';
import { poolSchema } from '../../../domain/types/pool.js';
import { completeDefinition } from '../../../domain/types/stored-definition.js';

const written = {
  clock: { kind: 'replay', start: '2001-01-08T00:00:00Z', step: '6h' },
  window: '5s',
  cache: { maxBytes: '1GB' },
  sources: { lake: { kind: 'files', root: './data', limits: { bytesPerSecond: '20MB' } } },
  datasets: { rows: { source: 'lake', path: 'rows.csv', eventTime: 'at', columns: { id: { required: true } } } },
  models: {
    trainer: {
      kind: 'training',
      needs: [{ id: 'all', dataset: 'rows', fields: ['id'], rows: 10, where: "label = 'a'", target: { a: 1 } }],
    },
  },
  schedules: [{ id: 'hourly', every: '1h' }],
};

/** What an older version would have stored: the same, without one key wherever it stands. */
function without(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return value.map((item) => without(item, key));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => (name === key ? [] : [[name, without(item, key)]])),
  );
}

describe('a stored definition', () => {
  const now = poolSchema.parse(written);

  test('that is complete stays as it is', () => {
    expect(completeDefinition(JSON.parse(JSON.stringify(now)))).toEqual(now);
  });

  test.each([
    'prefetch',
    'predict',
    'alarmsPerWeek',
    'retention',
    'scansAtOnce',
    'maxDuplicateFraction',
    'after',
    'priority',
    'catchupWindow',
  ])('that lacks %s, as an older version did not know it, gets its default', (key) => {
    const older = without(now, key);
    expect(older).not.toEqual(now);
    expect(completeDefinition(older)).toEqual(now);
  });
});
