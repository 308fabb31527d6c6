import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_PRIORITY_WEIGHTS,
  fairnessDebt,
  orderByPriority,
  overtakeMsMax,
  priorityOf,
  type PriorityRequest,
} from '../../../domain/scheduler/priority.js';

const request = (id: string, rest: Partial<PriorityRequest> = {}): PriorityRequest => ({
  id,
  criticality: 0.5,
  arrivalMs: 0,
  deadlineMs: null,
  serviceMs: 100,
  fairnessDebt: 0,
  ...rest,
});
const order = (requests: PriorityRequest[], nowMs = 0) => orderByPriority(requests, nowMs).map(({ id }) => id);

describe('priorityOf', () => {
  it('shows every term, and their weighted sum is the score', () => {
    const priority = priorityOf(request('a', { deadlineMs: 60_100, fairnessDebt: 0.25, arrivalMs: -30_000 }), 0);
    expect(priority).toEqual({
      id: 'a',
      score: 0.5 + 0.5 + 0.25 + 0.5,
      slackMs: 60_000,
      terms: [
        { name: 'criticality', value: 0.5, weight: 1 },
        { name: 'urgency', value: 0.5, weight: 1 },
        { name: 'fairnessDebt', value: 0.25, weight: 1 },
        { name: 'waiting', value: 0.5, weight: 1 },
      ],
    });
  });

  it.each([
    ['the more critical first', [request('a', { criticality: 0.2 }), request('b', { criticality: 0.9 })], ['b', 'a']],
    [
      'the tighter deadline first',
      [request('a', { deadlineMs: 9_000 }), request('b', { deadlineMs: 5_000 }), request('c')],
      ['b', 'a', 'c'],
    ],
    [
      'a longer service leaves less slack',
      [request('a', { deadlineMs: 9_000 }), request('b', { deadlineMs: 9_000, serviceMs: 5_000 })],
      ['b', 'a'],
    ],
    ['the one below its fair share first', [request('a'), request('b', { fairnessDebt: 0.5 })], ['b', 'a']],
    ['the one that waits longer first', [request('a', { arrivalMs: -1 }), request('b', { arrivalMs: -2 })], ['b', 'a']],
    ['equal requests by id', [request('b'), request('a')], ['a', 'b']],
    ['late ones by how late', [request('a', { deadlineMs: -1 }), request('b', { deadlineMs: -5 })], ['b', 'a']],
  ])('%s', (_name, requests, expected) => {
    expect(order(requests)).toEqual(expected);
    expect(order([...requests].reverse())).toEqual(expected);
  });

  it.each([
    ['criticality above 1', () => priorityOf(request('a', { criticality: 2 }), 0)],
    ['a fairness debt of NaN', () => priorityOf(request('a', { fairnessDebt: NaN }), 0)],
    ['an unknown arrival', () => priorityOf(request('a', { arrivalMs: NaN }), 0)],
    ['an infinite weight', () => priorityOf(request('a'), 0, { ...DEFAULT_PRIORITY_WEIGHTS, urgency: Infinity })],
    ['no ageing', () => priorityOf(request('a'), 0, { ...DEFAULT_PRIORITY_WEIGHTS, agingMs: 0 })],
  ])('refuses %s', (_name, run) => {
    expect(run).toThrow(/must be/);
  });

  it('counts fairness debt from the fair share', () => {
    expect([fairnessDebt(0, 4), fairnessDebt(3, 4), fairnessDebt(9, 4), fairnessDebt(0, 0)]).toEqual([1, 0.25, 0, 0]);
  });
});

describe('bound on waiting', () => {
  const arrivals = fc.array(
    fc.record({
      gapMs: fc.integer({ min: 0, max: 40_000 }),
      criticality: fc.double({ min: 0, max: 1, noNaN: true }),
      fairnessDebt: fc.double({ min: 0, max: 1, noNaN: true }),
      serviceMs: fc.integer({ min: 1, max: 90_000 }),
      deadlineMs: fc.option(fc.integer({ min: 0, max: 500_000 })),
    }),
    { minLength: 1, maxLength: 40 },
  );

  it('nobody is overtaken by what arrives more than overtakeMsMax later, under any arrivals', () => {
    fc.assert(
      fc.property(arrivals, (list) => {
        let clock = 0;
        const requests = list.map((entry, i) => request(`r${i}`, { ...entry, arrivalMs: (clock += entry.gapMs) }));
        const served: PriorityRequest[] = [];
        // One server, no preemption: at each end the first of the waiting by priority.
        let waiting = requests;
        for (let nowMs = 0; waiting.length > 0;) {
          const here = waiting.filter((entry) => entry.arrivalMs <= nowMs);
          if (here.length === 0) {
            nowMs = waiting[0].arrivalMs;
            continue;
          }
          const next = here.find(({ id }) => id === orderByPriority(here, nowMs)[0].id)!;
          served.push(next);
          nowMs += next.serviceMs;
          waiting = waiting.filter((entry) => entry !== next);
        }
        served.forEach((entry, position) => {
          for (const earlier of served.slice(0, position))
            expect(earlier.arrivalMs - entry.arrivalMs).toBeLessThanOrEqual(overtakeMsMax());
        });
      }),
      { numRuns: 500 },
    );
  });
});
