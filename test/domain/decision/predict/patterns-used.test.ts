import { describe, expect, test } from 'vitest';
import { leadersOf, seasonsToTry, warnShifts } from '../../../../domain/decision/predict/patterns-used.js';

const relation = (leader: string, follower: string, lagSteps: number, correlation: number) => {
  return { leader, follower, lagSteps, correlation, pValue: 0, qValue: 0 };
};

test('the strongest leader counts: at least a step before, and not a weak one', () => {
  const relations = [
    relation('a/x', 'b/x', 0, 0.9),
    relation('c/x', 'b/x', 2, -0.6),
    relation('d/x', 'b/x', 1, 0.5),
    relation('a/x', 'd/x', 1, 0.2),
  ];
  expect([...leadersOf({ relations })]).toEqual([['b/x', { series: 'c/x', lagSteps: 2 }]]);
});

test.each([
  ['what the calendar has is no news', [{ steps: 24, strength: 0.9 }], undefined],
  [
    'nor is a weak period, or one too long to keep',
    [
      { steps: 30, strength: 0.05 },
      { steps: 3_000, strength: 0.9 },
    ],
    undefined,
  ],
  [
    'another one is, with those of the calendar that were found',
    [
      { steps: 30, strength: 0.5 },
      { steps: 24, strength: 0.2 },
    ],
    [24, 30],
  ],
])('seasons to try: %s', (_, found, seasons) => {
  expect(seasonsToTry(found, [24, 168])).toEqual(seasons);
});

describe('a change of behaviour', () => {
  const WEEK = 7 * 86_400_000;
  const shift = { series: 'a/x', atMs: 0, magnitude: 0.1, timing: 0.6, meanRatio: 2 };
  test('is told once and closed a week later', () => {
    const [raised] = warnShifts([shift], [], 5);
    expect(raised).toMatchObject({
      kind: 'behaviour',
      subject: 'a/x',
      raisedMs: 5,
      state: 'raised',
      severity: 'medium',
    });
    expect(raised.message).toContain('when it is asked changed most');
    const open = [{ kind: 'behaviour' as const, subject: 'a/x', raisedMs: 5 }];
    expect(warnShifts([shift], open, 6).map(({ state }) => state)).toEqual(['still']);
    expect(warnShifts([], open, 5 + WEEK)).toMatchObject([{ state: 'cleared' }]);
    expect(warnShifts([], [], 6)).toEqual([]);
  });
});
