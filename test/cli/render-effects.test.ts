import { describe, expect, it } from 'vitest';
import { effectLines } from '../../cli/render-effects.js';
import type { Range } from '../../domain/quality/impact.js';

const exactly = (value: number): Range => ({ low: value, expected: value, high: value });

function lineOf(hit: Range): string {
  const effect = {
    ...{ rows: exactly(400), lost: exactly(0), hit, classes: null, ageMs: null, score: null, verdict: null },
  };
  const fault = { dataset: 'd', kind: 'drift' as const, column: 'size', message: 'size drifted', untouched: [] };
  const readers = [{ needId: 'm/n', model: 'm', effect, sound: null }];
  return effectLines({ faults: [{ ...fault, readers }], ways: [], shared: [] })[0];
}

describe('effectLines', () => {
  it.each([
    ['counted', exactly(100), 'm/n: 100 of 400 rows (25 %) have a size that was rarer before'],
    ['estimated', { low: 7, expected: 40, high: 82 }, 'm/n: about 40 (7 to 82) of 400 rows (10 %) have a size that'],
    [
      'none expected',
      { low: 0, expected: 0, high: 82 },
      'm/n: at most 82 of 400 rows have a size that was rarer before',
    ],
  ])('says how many rows are hit: %s', (_, hit, line) => {
    expect(lineOf(hit)).toContain(line);
  });
});
