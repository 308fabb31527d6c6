import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  expectRequests,
  type ExpectedRequest,
  type KnownRequest,
} from '../../../../domain/decision/predict/expected-requests.js';
import { planPrefetch } from '../../../../domain/decision/batch/prefetch.js';
import { batchInputs } from './batch-inputs.js';

const HOUR = 3_600_000;
const known = (shape: string, more: Partial<KnownRequest> = {}): KnownRequest => ({
  ...{ shape, model: 'a', dataset: 'd', source: 's', fields: ['x'], where: [], rows: 10, seed: 0, maxAgeMs: HOUR },
  ...{ askedMs: [0, 1, 2, 3, 4].map((hour) => hour * HOUR), resultRows: 10, resultBytes: 100 },
  ...{ coveredUntilMs: null, right: 0, wrong: 0 },
  ...more,
});
const expected = (shape: string, more: Partial<ExpectedRequest> = {}): ExpectedRequest => ({
  ...expectRequests([known(shape)], 4.5 * HOUR)[0],
  ...more,
});
const plan = (requests: readonly ExpectedRequest[], bytes: number, more: object = {}) =>
  planPrefetch({ ...batchInputs([], bytes), expected: requests, ...more }, {}, {});

describe('what is expected', () => {
  test('a result that will still be fresh then needs no other', () => {
    const at = (coveredUntilMs: number) => expectRequests([known('q', { coveredUntilMs })], 4.5 * HOUR);
    expect(at(5.2 * HOUR)).toEqual([]);
    expect(at(4.8 * HOUR)).toMatchObject([{ fromMs: 4.8 * HOUR + 1, untilMs: 5.5 * HOUR }]);
  });

  test('a question that wants a result of its own time is expected at this very time only', () => {
    const due = { maxAgeMs: null };
    expect(expectRequests([known('q', due)], 5 * HOUR)).toMatchObject([{ fromMs: 5 * HOUR, untilMs: 5 * HOUR }]);
    expect(expectRequests([known('q', due)], 4.9 * HOUR)).toEqual([]);
  });
});

describe('what is read ahead', () => {
  test('nothing of a size that nobody knows', () => {
    const [uncounted] = expectRequests([known('q', { uncounted: true })], 4.5 * HOUR);
    const { reads, left } = plan([uncounted], 1e6);
    expect(reads).toEqual([]);
    expect(left).toEqual([{ shape: 'q', reason: 'it was never asked, and what matches it could not be counted' }]);
  });

  test('half of what is left after the asked, the reserved and the dearer-bought', () => {
    const requests = ['p', 'q', 'r'].map((shape) => expected(shape));
    const { reads, left, charges } = planPrefetch(
      { ...batchInputs([], 1_000), expected: requests },
      { 'bytes:s': 400 },
      { 'bytes:s': 150 },
    );
    // (1000 - 400 - 150) / 2 = 225 bytes: two of 100.
    expect(reads.map((read) => read.requests.map(({ shape }) => shape))).toEqual([['p', 'q']]);
    expect(charges).toEqual({ 'bytes:s': 200 });
    expect(left).toEqual([{ shape: 'r', reason: 'too little of bytes:s is spare' }]);
  });

  test('not what is read anyway, not what did not pay, not beyond the bound of a cycle', () => {
    const requests = [expected('p'), expected('q', { pays: false, right: 1, wrong: 3 }), expected('r'), expected('t')];
    const { reads, left } = plan(requests, 1e6, { readingShapes: ['p'], prefetchBytesMax: 150 });
    expect(reads.flatMap((read) => read.requests.map(({ shape }) => shape))).toEqual(['r']);
    expect(left.map(({ reason }) => reason)).toEqual([
      'predictions of it failed more often than they held (3 to 1)',
      '100 B exceed what may be read ahead in one cycle',
    ]);
  });

  test('never more than is spare, each expected request either read, left or read anyway', () => {
    const some = fc.array(fc.record({ resultBytes: fc.integer({ min: 1, max: 500 }), pays: fc.boolean() }));
    fc.assert(
      fc.property(some, fc.nat(5_000), fc.nat(5_000), fc.nat(5_000), (list, bytes, asked, reserved) => {
        const requests = list.map((one, index) => expected(`q${String(index).padStart(3, '0')}`, one));
        const inputs = { ...batchInputs([], bytes), expected: requests };
        const { reads, left, charges } = planPrefetch(inputs, { 'bytes:s': asked }, { 'bytes:s': reserved });
        expect(charges['bytes:s'] ?? 0).toBeLessThanOrEqual(Math.max(0, bytes - asked - reserved) / 2);
        expect(reads.flatMap((read) => read.requests).length + left.length).toBe(requests.length);
      }),
    );
  });
});
