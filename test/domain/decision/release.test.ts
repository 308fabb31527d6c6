/** When a cycle begins for the requests that wait. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { releasePolicyAfter } from '../../../domain/batch/release-policy.js';
import { simulateRelease } from '../../../domain/batch/simulate-release.js';
import {
  decideRelease,
  WAITING_MAX,
  type ReleaseInputs,
  type WaitingRequest,
} from '../../../domain/decision/release.js';

const T = 1_000_000;
const request = (atMs: number, more: Partial<WaitingRequest> = {}): WaitingRequest => {
  return { id: `r${atMs}`, atMs, deadlineMs: null, priority: 3, tried: false, ...more };
};
/** Bursts of five, 20 ms apart, ten seconds between them: the last one ended ten seconds before T. */
const bursts = Array.from(
  { length: 100 },
  (_, i) => T - 10_000 - 80 - (19 - Math.floor(i / 5)) * 10_000 + (i % 5) * 20,
);
const inputs = (more: Partial<ReleaseInputs> = {}): ReleaseInputs => ({
  ...{ nowMs: T, waiting: [request(T)], earlierMs: bursts, cycleMs: Array<number>(16).fill(400), idleSinceMs: null },
  ...{ waitMsMax: 500, requestsMax: 10_000, ...more },
});
const decide = (more: Partial<ReleaseInputs> = {}) => decideRelease(inputs(more));

describe('decideRelease', () => {
  test('holds the first of a burst where requests have come in bursts, for the next only', () => {
    const held = decide();
    expect(held).toMatchObject({ due: false, cause: 'balance', batchCost: 0.2 });
    expect(held.wakeMs).toBe(T + 20);
    expect(held.reason).toContain('held until');
    expect(decide({ nowMs: T + 20 })).toMatchObject({ due: true, cause: 'balance' });
  });

  test.each<[string, Partial<ReleaseInputs>]>([
    ['before anything has come', { earlierMs: [] }],
    ['where requests come one by one', { earlierMs: Array.from({ length: 100 }, (_, i) => T - (100 - i) * 5_000) }],
    ['before a cycle was measured', { cycleMs: [] }],
    ['in a pool that holds nothing', { waitMsMax: 0 }],
    ['of priority 1', { waiting: [request(T, { priority: 1 })] }],
    ['that an earlier cycle looked at', { waiting: [request(T, { tried: true })] }],
    ['whose deadline leaves time for two cycles', { waiting: [request(T, { deadlineMs: T + 800 })] }],
  ])('a request %s is due at once', (_, more) => {
    expect(decide(more)).toMatchObject({ due: true, wakeMs: T });
  });

  test('as many as a cycle takes are enough', () => {
    const many = Array.from({ length: 3 }, (_, i) => request(T, { id: `r${i}` }));
    expect(decide({ waiting: many, requestsMax: 3 })).toMatchObject({ due: true, cause: 'full' });
    expect(decide({ waiting: many, requestsMax: 4 })).toMatchObject({ due: false });
  });

  test('a deadline pulls the release forward, and the reason names it', () => {
    const urgent = request(T + 5, { id: 'urgent', deadlineMs: T + 805 });
    const free = decide({ nowMs: T + 5, waiting: [request(T), { ...urgent, deadlineMs: null }] });
    const pulled = decide({ nowMs: T + 5, waiting: [request(T), urgent] });
    expect(free.due).toBe(false);
    expect(pulled).toMatchObject({ due: true, cause: 'deadline' });
    expect(pulled.reason).toMatch(
      /^2 requests waited 5ms: the deadline of urgent, .* leaves time for 2 of .*\(400ms\)/,
    );
  });

  test('what waited for the cycle before is told apart from what was held', () => {
    expect(decide({ nowMs: T + 300, idleSinceMs: T + 300 }).reason).toContain(
      'waited 300ms, 300ms of it for the cycle before',
    );
  });

  test('what comes from a sender whose clock is ahead is decided as what comes now', () => {
    for (const earlierMs of [bursts, []])
      expect(decide({ earlierMs, waiting: [request(T + 60_000, { id: 'r' })] })).toEqual(
        decide({ earlierMs, waiting: [request(T, { id: 'r' })] }),
      );
  });
});

describe('clients that ask again once they are answered', () => {
  /** Rounds of so many clients: each asks at once or a little later, all are answered by one cycle of uneven length. */
  const rounds = (clients: number) =>
    fc
      .array(
        fc.record({
          thoughtMs: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: clients, maxLength: clients }),
          cycleMs: fc.integer({ min: 20, max: 1_500 }),
        }),
        { minLength: 20, maxLength: 60 },
      )
      .map((all) => {
        const [earlierMs, answeredMs, cycleMs]: [number[], number[], number[]] = [[], [], []];
        let endMs = T;
        for (const { thoughtMs, cycleMs: took } of all) {
          const came = thoughtMs.map((ms) => endMs + ms).sort((a, b) => a - b);
          endMs = came.at(-1)! + took;
          cycleMs.push(took);
          for (const atMs of came) {
            earlierMs.push(atMs);
            answeredMs.push(endMs);
          }
        }
        return { earlierMs, answeredMs, cycleMs: cycleMs.slice(-16), waitMsMax: 60_000, nowMs: endMs };
      });

  test('one alone is never held, however uneven cycles are', () => {
    fc.assert(
      fc.property(rounds(1), (past) => {
        expect(decide({ ...past, waiting: [request(past.nowMs)] })).toMatchObject({ due: true, cause: 'balance' });
      }),
    );
  });

  test('of three that come within milliseconds of each other the first is held for the next, not longer than they came apart', () => {
    const [past] = fc.sample(rounds(3), { numRuns: 1, seed: 7 });
    const first = decide({ ...past, cycleMs: [1_000], waiting: [request(past.nowMs)] });
    expect(first).toMatchObject({ due: false, cause: 'balance' });
    expect(first.wakeMs - past.nowMs).toBeLessThanOrEqual(30);
    const all = [0, 1, 2].map((ms) => request(past.nowMs + ms));
    expect(decide({ ...past, cycleMs: [1_000], nowMs: past.nowMs + 40, waiting: all }).due).toBe(true);
  });

  test('a record of a version that did not know answers is decided as it was', () => {
    expect(decide({ answeredMs: undefined })).toEqual(decide());
  });
});

const instants = fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 80 }).map((gaps) => {
  let at = T;
  return gaps.map((gap) => (at += gap));
});
const scenario = fc.record({
  arrivals: instants,
  waiting: fc.integer({ min: 1, max: 10 }),
  cycleMs: fc.array(fc.integer({ min: 50, max: 4_000 }), { maxLength: 16 }),
  waitMsMax: fc.constantFrom(0, 100, 500, 60_000),
  slackMs: fc.option(fc.integer({ min: 0, max: 20_000 })),
  laterMs: fc.nat(2_000),
});
const inputsOf = (one: ReturnType<typeof scenario.generate> extends { value: infer T } ? T : never): ReleaseInputs => {
  const cut = Math.max(0, one.arrivals.length - one.waiting);
  const waiting = one.arrivals
    .slice(cut)
    .map((atMs, index) =>
      request(atMs, { id: `w${index}`, deadlineMs: index === 0 && one.slackMs !== null ? atMs + one.slackMs : null }),
    );
  return {
    ...{
      nowMs: one.arrivals.at(-1)! + one.laterMs,
      waiting,
      earlierMs: one.arrivals.slice(0, cut),
      cycleMs: one.cycleMs,
    },
    ...{ idleSinceMs: null, waitMsMax: one.waitMsMax, requestsMax: 10_000 },
  };
};

describe('laws', () => {
  test('nobody is held longer than the pool allows, than a cycle costs, or into its deadline', () => {
    fc.assert(
      fc.property(scenario, (one) => {
        const given = inputsOf(one);
        const { wakeMs, due } = decideRelease(given);
        const last = given.waiting.at(-1)!.atMs;
        const [{ atMs }] = given.waiting;
        expect(due).toBe(wakeMs <= given.nowMs);
        expect(wakeMs).toBeGreaterThanOrEqual(last);
        expect(wakeMs).toBeLessThanOrEqual(Math.max(last, atMs + given.waitMsMax));
        const longest = Math.max(0, ...given.cycleMs);
        expect(wakeMs).toBeLessThanOrEqual(Math.max(last, atMs + longest / 2) + 1);
        for (const { deadlineMs } of given.waiting)
          if (deadlineMs !== null) expect(wakeMs).toBeLessThanOrEqual(Math.max(last, deadlineMs - 2 * longest));
      }),
    );
  });

  test('a request that could be on time if its cycle began at once is on time though it was held', () => {
    fc.assert(
      fc.property(scenario, fc.double({ min: 0, max: 1, noNaN: true }), (one, part) => {
        const given = inputsOf(one);
        const { wakeMs } = decideRelease(given);
        const last = given.waiting.at(-1)!.atMs;
        // Any cycle that is no longer than the longest of late.
        const cycle = part * Math.max(0, ...given.cycleMs);
        for (const { deadlineMs } of given.waiting)
          if (deadlineMs !== null && last + cycle <= deadlineMs) expect(wakeMs + cycle).toBeLessThanOrEqual(deadlineMs);
      }),
    );
  });

  test('one that comes later never makes the others wait beyond their bounds', () => {
    fc.assert(
      fc.property(scenario, fc.nat(500), (one, gap) => {
        const given = inputsOf(one);
        const more = [...given.waiting, request(given.waiting.at(-1)!.atMs + gap, { id: 'x' })];
        const { wakeMs } = decideRelease({ ...given, waiting: more });
        expect(wakeMs).toBeLessThanOrEqual(Math.max(more.at(-1)!.atMs, given.waiting[0].atMs + given.waitMsMax));
      }),
    );
  });

  test('the figures survive JSON, and so does the decision', () => {
    fc.assert(
      fc.property(scenario, (one) => {
        const given = inputsOf(one);
        const decided = decideRelease(given);
        expect(JSON.parse(JSON.stringify(decided))).toEqual(decided);
        expect(decideRelease(JSON.parse(JSON.stringify(given)) as ReleaseInputs)).toEqual(decided);
      }),
    );
  });

  test('decides as the policy that balance simulate runs, fed step by step', () => {
    fc.assert(
      fc.property(instants, fc.integer({ min: 20, max: 3_000 }), (arrivals, cycle) => {
        const batchCost = cycle / 2 / 1000;
        const options = { policy: 'balance', service: null, eager: true, batchCost, maxBatch: WAITING_MAX } as const;
        const past = arrivals.map((atMs) => ({ atMs, items: 1, deadlineMs: null }));
        const { outcomes } = simulateRelease(past.slice(0, 8), options);
        // Until eight gaps are known nothing is learned: each is released as it comes.
        expect(outcomes.map(({ releaseMs }) => releaseMs)).toEqual(arrivals.slice(0, 8));
        const policy = releasePolicyAfter(arrivals.slice(0, -1), options);
        policy.onArrival(arrivals.at(-1)!);
        const waiting = [request(arrivals.at(-1)!)];
        const given = inputs({
          nowMs: arrivals.at(-1)!,
          waiting,
          earlierMs: arrivals.slice(0, -1),
          cycleMs: [cycle],
          waitMsMax: 1e9,
        });
        expect(decideRelease(given).wakeMs).toBe(Math.ceil(policy.nextWakeMs()! - 1e-3));
      }),
    );
  });
});
