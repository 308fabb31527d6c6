/** What a person reads about one request: why it got its data or did not, what is in the way, until when. */
import { describe, expect, test } from 'vitest';
import { renderRequest } from '../../cli/render-request.js';
import type { RequestExplanation } from '../../db/decision-store.js';

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 12, minute));
const request = (more: Partial<RequestExplanation> = {}): RequestExplanation => ({
  ...{ id: 'r', kind: 'request', needId: null, model: 'trainer', dataset: 'events', state: 'pending', why: null },
  ...{ blockers: [], asked: { fields: ['id', 'value'], where: "label = 'rare'", rows: 50 }, owedRows: 0 },
  ...{ decisionId: null, createdAt: at(0), closedAt: null, deadlineAt: null, cancelRequestedAt: null },
  ...{ attempts: 1, failures: 0, delivery: null },
  ...more,
});
const delivery: NonNullable<RequestExplanation['delivery']> = {
  ...{
    rows: 40,
    bytes: 640,
    chargedBytes: 640,
    verdict: 'degrade',
    score: 0.8,
    served: 'merged',
    path: 'aa/x.parquet',
  },
  ...{ asOfMs: at(0).getTime(), upToMs: null, leaseUntil: at(59) },
  report: { reason: '40 of 50 rows', grantReason: '40 of 50 rows: bytes:lake is used up; 10 are owed to it' },
};
const need = { kind: 'need', needId: 'trainer/all' } as const;
const overQuota = {
  ...{ tier: 'over-quota', reason: '50 rows need 800 of bytes:lake', resource: 'bytes:lake', shortfall: 300.2 },
  earliestMs: at(5).getTime(),
};

describe('a request is told in plain sentences', () => {
  test.each<[string, Partial<RequestExplanation>, readonly (string | RegExp)[]]>([
    [
      'delivered in part',
      { state: 'delivered', closedAt: at(1), decisionId: 'd', delivery },
      [
        'Request r of trainer on events: delivered',
        "It asks for 50 rows of id, value where label = 'rare'.",
        'It got 40 rows as of 2026-01-01T12:00:00Z, 60.0 s after it was asked: read once together with others',
        'Share: 40 of 50 rows: bytes:lake is used up; 10 are owed to it.',
        'Quality: degraded (0.80): 40 of 50 rows.',
        'File: /cache/aa/x.parquet',
        'Readable at least until 2026-01-01T12:59:00Z.',
        'balance explain d',
      ],
    ],
    [
      'new rows, delivered',
      { ...need, state: 'delivered', owedRows: 7, delivery: { ...delivery, upToMs: at(0).getTime() } },
      ['Need trainer/all (r)', '7 more rows were owed', 'every row up to 2026-01-01T12:00:00Z has been handed out'],
    ],
    ['not looked at yet', {}, ['No cycle has looked at it yet', 'It has no deadline']],
    [
      'waiting for its share',
      { why: overQuota, blockers: ['board/all', 'request q of board'], attempts: 2, deadlineAt: at(9) },
      [
        'It waits (over quota): 50 rows need 800 of bytes:lake.',
        'In the way: bytes:lake, the bytes a second that source lake may give; 300 B are missing.',
        'Held by: board/all, request q of board.',
        'Earliest: 2026-01-01T12:05:00Z; looked at by 2 cycles so far.',
        'It expires at 2026-01-01T12:09:00Z.',
      ],
    ],
    [
      'waiting for a lock',
      { why: { tier: 'waiting', reason: 'd is read alone', resource: 'lock:d', shortfall: 1 }, blockers: ['b'] },
      ['In the way: lock:d, as d is read by one at a time.', 'Held by: b.', /^(?!.*(missing|the pool))/s],
    ],
    [
      'waiting for a window',
      { why: { tier: 'waiting', reason: 'lake is closed', resource: 'window:lake', shortfall: 90_000 } },
      [/In the way: window:lake, the times at which source lake may be read; they begin in 1\.?5? ?m/],
    ],
    [
      'waiting for the rest of its gang',
      {
        why: { tier: 'waiting', reason: '1 more', resource: 'gang:g', shortfall: 1, earliestMs: at(59).getTime() },
      },
      ['1 of its requests is missing.', 'Earliest: as soon as they come;', /^(?!.*12:59)/s],
    ],
    [
      'waiting for what can never be had',
      { why: { ...overQuota, tier: 'misconfigured', hint: 'Never: ask for less.' }, attempts: 3 },
      [
        'Earliest: never, as it is; looked at by 3 cycles so far, looked at again at 2026-01-01T12:05:00Z.',
        'What to do: Never: ask for less.',
      ],
    ],
    [
      'refused for good',
      {
        state: 'refused',
        why: {
          type: 'NoFields',
          reason: 'none',
          resource: 'fields',
          shortfall: 1,
          earliestMs: null,
          hint: 'Name one.',
        },
      },
      ['In the way: fields, of which it names none.', 'Earliest: never, as it is.', 'What to do: Name one.'],
    ],
    [
      'nothing was said of it',
      { state: 'refused', why: { type: 'Undecided', reason: 'closed', resource: 'cycle:c', earliestMs: null } },
      ['In the way: cycle:c, which worked on it.', 'Earliest: never, as it is.'],
    ],
    [
      'waiting after failures',
      { why: { tier: 'waiting', reason: 'the last cycle failed: the lake is on fire' }, failures: 2 },
      ['It waits (waiting): the last cycle failed', '2 cycles in a row failed while working on it.'],
    ],
    [
      'a need that scarcity kept back',
      { ...need, state: 'refused', why: overQuota, closedAt: at(1) },
      ['It was not served in this cycle (over quota)', 'due again in the next cycle', /^(?!.*Earliest)/s],
    ],
    [
      'misconfigured',
      { state: 'refused', why: { type: 'UnknownColumn', reason: 'no column nope', hint: 'Name another.' } },
      ['It was refused (misconfigured): no column nope.', 'What to do: Name another.'],
    ],
    [
      'not allowed',
      { state: 'refused', why: { type: 'RestrictedField', reason: 'model trainer may not read secret' } },
      ['It was refused (not allowed)'],
    ],
    [
      'quarantined',
      { state: 'quarantined', why: { type: 'Quarantined', reason: 'value: 3 missing' } },
      ['read and kept back, as they are not good enough: value: 3 missing.'],
    ],
    ['expired', { state: 'expired', deadlineAt: at(3) }, ['It was not served in time at 2026-01-01T12:03:00Z']],
    ['cancelled', { state: 'cancelled', closedAt: at(2) }, ['It was cancelled at 2026-01-01T12:02:00Z: nothing was']],
    ['at work', { state: 'claimed', decisionId: 'd' }, ['A cycle works on it now.']],
    ['at work, cancelled', { state: 'claimed', cancelRequestedAt: at(1) }, ['and will drop it: it was cancelled.']],
  ])('%s', (_, more, sentences) => {
    const text = renderRequest(request(more), '/cache');
    for (const sentence of sentences)
      if (typeof sentence === 'string') expect(text).toContain(sentence);
      else expect(text).toMatch(sentence);
    expect(text).not.toMatch(/undefined|null|\[object/);
  });
});
