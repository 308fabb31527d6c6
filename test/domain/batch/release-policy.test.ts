import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { learnWaits } from '../../../domain/batch/release-cost.js';
import { firstBatch, type PlanItem } from '../../../domain/batch/release-deadline.js';
import {
  createReleasePolicy,
  releasePolicyAfter,
  restoreReleasePolicy,
  type ReleaseOptions,
  type ReleasePolicy,
} from '../../../domain/batch/release-policy.js';
import { simulateRelease, type Arrival } from '../../../domain/batch/simulate-release.js';
import { offlineOptimum } from '../../../domain/batch/release-optimum.js';

const service = { setupMs: 10, perItemMs: 2 };
const arrivalsAt = (times: readonly number[], slackMs: number | null = null): Arrival[] =>
  times.map((atMs) => ({ atMs, items: 1, deadlineMs: slackMs === null ? null : atMs + slackMs }));
const timesOf = (gaps: readonly number[]) => gaps.reduce<number[]>((all, gap) => [...all, (all.at(-1) ?? 0) + gap], []);

describe('simulateRelease, worked by hand', () => {
  const times = arrivalsAt([0, 5, 6, 40]);
  const cases: readonly [string, Partial<ReleaseOptions>, (number | null)[], (number | null)[]][] = [
    // While [0, 12) is served, 5 and 6 gather; they are served together until 26.
    ['immediate', {}, [0, 12, 12, 40], [12, 26, 26, 52]],
    // Three fill a batch at 6; the last is released when no more can come.
    ['fixed', { size: 3 }, [6, 6, 6, 40], [22, 22, 22, 52]],
    // The oldest waits 10 ms.
    ['timer', { delayMs: 10 }, [10, 10, 10, 50], [26, 26, 26, 62]],
    // One at first; 2 from the first batch on time.
    ['aimd', {}, [0, 12, 12, 40], [12, 26, 26, 52]],
  ];
  it.each(cases)('%s', (policy, more, released, done) => {
    const options = { policy, maxBatch: 64, service, ...more } as ReleaseOptions;
    const { outcomes } = simulateRelease(times, options);
    expect(outcomes.map((outcome) => outcome.releaseMs)).toEqual(released);
    expect(outcomes.map((outcome) => outcome.doneMs)).toEqual(done);
  });

  it('sums up lateness, waits by nearest rank, and cost', () => {
    const options = { policy: 'immediate', maxBatch: 64, service } as const;
    expect(simulateRelease(arrivalsAt([0, 5, 6, 40], 14), options).summary).toEqual({
      policy: 'immediate',
      requests: 4,
      onTime: 2,
      late: 2,
      dropped: 0,
      batches: 3,
      waitMs: { mean: 3.25, p50: 0, p95: 7, p99: 7 },
      cost: null,
    });
    const costly = { policy: 'timer', maxBatch: 64, service: null, batchCost: 2, delayMs: 10 } as const;
    expect(simulateRelease(times, costly).summary.cost).toBeCloseTo(2 * 2 + (10 + 5 + 4 + 10) / 1000, 12);
  });

  it('has a decided answer for no arrivals', () => {
    expect(simulateRelease([], { policy: 'balance', maxBatch: 1, service }).summary).toMatchObject({
      requests: 0,
      waitMs: { mean: null, p50: null },
    });
  });

  it('drops a hopeless head, so that those behind it are on time', () => {
    const busy = arrivalsAt([0, 1, 20], 30);
    // The first is served until 12. At 12 the second could finish at 24; waiting for the third would lose it.
    expect(simulateRelease(busy, { policy: 'balance', maxBatch: 64, service }).summary.onTime).toBe(3);
    const burst = [
      ...arrivalsAt(
        Array.from({ length: 100 }, () => 0),
        50,
      ),
      ...arrivalsAt([40], 50),
    ];
    const { summary } = simulateRelease(burst, { policy: 'balance', maxBatch: 64, service });
    // 20 fit into 50 ms; the one at 40 starts at 50. Nobody is late.
    expect(summary).toMatchObject({ onTime: 21, late: 0, dropped: 80 });
  });
});

describe('firstBatch', () => {
  const at = (releaseMs: number, deadlineMs: number, items = 1): PlanItem => ({ releaseMs, deadlineMs, items });
  it('waits for an expected request when both still finish on time', () => {
    expect(firstBatch([at(0, 100), at(5, 105)], 0, service, 64)).toEqual({ first: 0, last: 1, startMs: 5 });
  });
  it('gives up the most urgent when it would cost two others', () => {
    expect(
      firstBatch([at(0, 13), at(0, 24), at(0, 24), at(0, 24)], 0, { setupMs: 10, perItemMs: 4 }, 64),
    ).toMatchObject({
      first: 1,
      last: 3,
    });
  });
  it('is null when nobody can be on time', () => {
    expect(firstBatch([at(0, 11)], 0, service, 64)).toBeNull();
  });

  /** Most requests on time over every ordered sequence of disjoint batches. */
  function bruteForce(items: readonly PlanItem[], now: number, maxItems: number): number {
    let best = 0;
    const all = (1 << items.length) - 1;
    for (let mask = 1; mask <= all; mask++) {
      const batch = items.filter((_, i) => (mask >> i) & 1);
      const size = batch.reduce((sum, item) => sum + item.items, 0);
      if (batch.length > 1 && size > maxItems) continue;
      const end = Math.max(now, ...batch.map((item) => item.releaseMs)) + service.setupMs + service.perItemMs * size;
      if (batch.some((item) => item.deadlineMs < end)) continue;
      best = Math.max(
        best,
        batch.length +
          bruteForce(
            items.filter((_, i) => !((mask >> i) & 1)),
            end,
            maxItems,
          ),
      );
    }
    return best;
  }
  it('plans as many on time as the best of all plans', () => {
    const list = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 8, max: 40 })), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(list, fc.integer({ min: 1, max: 4 }), (raw, maxItems) => {
        // Release and deadline in the same order, as with deadlines of one length.
        const releases = raw.map(([release]) => release).sort((a, b) => a - b);
        const deadlines = raw.map(([release, slack]) => release + slack).sort((a, b) => a - b);
        let items = releases.map((release, i) => at(release, deadlines[i]));
        let [now, onTime] = [0, 0];
        const best = bruteForce(items, 0, maxItems);
        for (let next = firstBatch(items, now, service, maxItems); next !== null;) {
          const size = next.last - next.first + 1;
          onTime += size;
          now = next.startMs + service.setupMs + service.perItemMs * size;
          items = items.slice(next.last + 1);
          next = firstBatch(items, now, service, maxItems);
        }
        expect(onTime).toBe(best);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the balance of waiting and batching', () => {
  const options = (batchCost: number): ReleaseOptions => ({
    policy: 'balance',
    maxBatch: 1e9,
    service: null,
    batchCost,
  });

  it('learns to send at once what is sparse and to wait within bursts', () => {
    expect(learnWaits([9, 10, 11, 12], 1, 4)).toEqual([0, 0, 0, 0]);
    const bursts = [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 100];
    expect(learnWaits(bursts, 1, 4).slice(0, 3)).toEqual([0.01, 0.01, 0.01]);
  });

  it('knows the offline optimum of a worked example', () => {
    // Gaps 0.1, 5, 0.1 at K = 1: two batches, each with one request waiting 0.1.
    expect(offlineOptimum([0, 0.1, 5.1, 5.2], 1, 10)).toBeCloseTo(2.2, 12);
    expect(offlineOptimum([0, 0, 0], 1, 2)).toBe(2);
    expect(offlineOptimum([], 1, 2)).toBe(0);
  });

  /** Lets an adversary choose each next arrival from when the policy would send. */
  function ratioAgainst(
    adversary: (wakeMs: number, nowMs: number, index: number) => number,
    batchCost: number,
  ): number {
    const policy = createReleasePolicy(options(batchCost));
    const times: number[] = [];
    const pending: number[] = [];
    let [now, cost] = [0, 0];
    const runUntil = (untilMs: number) => {
      for (let wake = policy.nextWakeMs(); wake !== null && wake < untilMs; wake = policy.nextWakeMs()) {
        const released = policy.onWake(wake)?.requests ?? [];
        if (released.length > 0) cost += batchCost;
        for (const request of released) cost += (wake - times[request]) / 1000;
      }
    };
    for (let i = 0; i < 300; i++) {
      times.push(now);
      pending.push(now);
      policy.onArrival(now);
      const next = Math.max(now, adversary(policy.nextWakeMs()!, now, i));
      runUntil(next);
      now = next;
    }
    runUntil(Infinity);
    return (
      cost /
      offlineOptimum(
        times.map((time) => time / 1000),
        batchCost,
        1e9,
      )
    );
  }
  it.each([
    ['right after each batch', (wake: number) => wake + 0.001],
    ['right before each batch', (wake: number, now: number) => Math.max(now, wake - 0.001)],
    [
      'now after, now before',
      (wake: number, now: number, i: number) => (i % 7 < 3 ? wake + 0.001 : Math.max(now, wake - 0.01)),
    ],
    [
      'calm for a while, then right after',
      (wake: number, _: number, i: number) => (i < 150 ? wake + 5000 : wake + 0.001),
    ],
    [
      'calm and bursts in turn',
      (wake: number, now: number, i: number) => (Math.floor(i / 20) % 2 === 0 ? wake + 9000 : now + (i % 3)),
    ],
  ])('costs at most twice the offline optimum when requests come %s', (_name, adversary) => {
    for (const batchCost of [0.05, 1]) expect(ratioAgainst(adversary, batchCost)).toBeLessThanOrEqual(2 + 1e-9);
  });

  it('costs at most twice the offline optimum when more arrive within one batch than it remembers', () => {
    const dense = timesOf(Array.from({ length: 1500 }, (_, i) => (i % 700 === 0 ? 3000 : 0.001 * (1 + (i % 3)))));
    const { summary } = simulateRelease(arrivalsAt(dense), options(1));
    expect(summary.cost!).toBeLessThanOrEqual(
      2 *
        offlineOptimum(
          dense.map((time) => time / 1000),
          1,
          1e9,
        ) *
        (1 + 1e-9),
    );
  });

  it('costs at most twice the offline optimum for any gaps', () => {
    const gaps = fc.array(fc.oneof(fc.nat(3), fc.nat(60), fc.nat(2000), fc.constant(1000.001)), {
      minLength: 1,
      maxLength: 150,
    });
    fc.assert(
      fc.property(gaps, fc.constantFrom(0.02, 0.3, 1), (list, batchCost) => {
        const times = timesOf(list);
        const { summary } = simulateRelease(arrivalsAt(times), options(batchCost));
        const optimum = offlineOptimum(
          times.map((time) => time / 1000),
          batchCost,
          1e9,
        );
        expect(summary.cost!).toBeLessThanOrEqual(2 * optimum * (1 + 1e-9));
      }),
      { numRuns: 60 },
    );
  });
});

const policies: readonly ReleaseOptions[] = [
  { policy: 'balance', maxBatch: 8, service },
  { policy: 'balance', maxBatch: 8, service: null, batchCost: 0.05 },
  { policy: 'timer', maxBatch: 8, service, delayMs: 15, dropLate: true },
  { policy: 'aimd', maxBatch: 8, service },
  { policy: 'fixed', maxBatch: 8, service, size: 3 },
];
const trace = fc
  .array(
    fc.record({
      gap: fc.oneof(fc.nat(3), fc.nat(40)),
      items: fc.integer({ min: 1, max: 4 }),
      slack: fc.option(fc.nat(90)),
    }),
    {
      minLength: 1,
      maxLength: 40,
    },
  )
  .map((list) => {
    const times = timesOf(list.map(({ gap }) => gap));
    return list.map(({ items, slack }, i): Arrival => ({
      atMs: times[i],
      items,
      deadlineMs: slack === null ? null : times[i] + slack,
    }));
  });

describe.each(policies)('every run of %j', (options) => {
  it('treats each request once, in batches within the bound, one at a time', () => {
    fc.assert(
      fc.property(trace, (arrivals) => {
        const { outcomes, summary } = simulateRelease(arrivals, options);
        expect(summary.onTime + summary.late + summary.dropped).toBe(arrivals.length);
        const served = outcomes.map((outcome, i) => ({ ...outcome, ...arrivals[i] })).filter(({ dropped }) => !dropped);
        const batches = Array.from({ length: summary.batches }, (_, id) => served.filter(({ batch }) => batch === id));
        let free = 0;
        for (const batch of batches) {
          const items = batch.reduce((sum, member) => sum + member.items, 0);
          expect(batch.length === 1 || items <= options.maxBatch).toBe(true);
          expect(new Set(batch.map((member) => member.releaseMs)).size).toBe(1);
          expect(batch[0].releaseMs!).toBeGreaterThanOrEqual(Math.max(free, ...batch.map((member) => member.atMs)));
          if (options.service !== null) free = batch[0].doneMs!;
        }
      }),
      { numRuns: 40 },
    );
  });

  it('does not look ahead: a truncated trace has the same beginning', () => {
    fc.assert(
      fc.property(trace, fc.nat(39), (arrivals, cut) => {
        const kept = arrivals.slice(0, cut);
        // `fixed` would hold its last batch for ever, so the end of the trace releases it.
        const end = (options.policy === 'fixed' ? kept.at(-1) : arrivals.at(cut))?.atMs ?? Infinity;
        const whole = simulateRelease(arrivals, options).outcomes;
        simulateRelease(kept, options).outcomes.forEach((outcome, i) => {
          if (outcome.releaseMs !== null && outcome.releaseMs < end) expect(whole[i]).toEqual(outcome);
        });
      }),
      { numRuns: 40 },
    );
  });

  it('continues from a snapshot as if it had never stopped', () => {
    const log = (restarted: boolean) => {
      let policy: ReleasePolicy = createReleasePolicy(options);
      const lines: string[] = [];
      for (let i = 0; i < 60; i++) {
        const now = i * 7 + (i % 5);
        policy.onArrival(now, 1 + (i % 2), i % 3 === 0 ? null : now + 60);
        if (restarted) policy = restoreReleasePolicy(JSON.parse(JSON.stringify(policy.snapshot())) as never);
        const wake = policy.nextWakeMs();
        lines.push(String(wake));
        if (wake === null || wake > now) continue;
        const release = policy.onWake(now);
        lines.push(JSON.stringify(release));
        if (release !== null && release.batch !== null && options.service !== null) policy.onServiceDone(now);
      }
      return lines;
    };
    expect(log(true)).toEqual(log(false));
  });
});

describe('an eager policy', () => {
  const eager = { policy: 'balance', maxBatch: 64, service: null, batchCost: 0.2, eager: true } as const;
  const gaps = fc.array(fc.integer({ min: 0, max: 2_000 }), { minLength: 1, maxLength: 60 });

  it('holds nothing where requests come one by one, from the first, and gathers what comes in bursts', () => {
    const sparse = simulateRelease(arrivalsAt(timesOf(Array<number>(40).fill(5_000))), eager).summary;
    expect(sparse).toMatchObject({ batches: 40, waitMs: { mean: 0 } });
    const bursts = arrivalsAt(timesOf(Array.from({ length: 200 }, (_, i) => (i % 5 === 0 ? 10_000 : 10))));
    const { summary } = simulateRelease(bursts, eager);
    // The first eight gaps teach it; then each burst is one batch.
    expect(summary.batches).toBeLessThan(60);
    const optimum = offlineOptimum(
      bursts.map(({ atMs }) => atMs / 1_000),
      eager.batchCost,
      64,
    );
    expect(summary.cost).toBeLessThan(1.5 * optimum);
  });

  it('knows of arrivals that were served what it knows of those that it served itself', () => {
    fc.assert(
      fc.property(gaps, fc.nat(3_000), (some, later) => {
        const times = timesOf(some);
        const policy = createReleasePolicy(eager);
        for (const at of times) {
          policy.onArrival(at);
          policy.drain(at);
        }
        const next = times.at(-1)! + later;
        const after = releasePolicyAfter(times, eager);
        after.onArrival(next);
        policy.onArrival(next);
        expect(after.snapshot().state.cost.gaps).toEqual(policy.snapshot().state.cost.gaps);
        expect(after.nextWakeMs()!).toBeGreaterThanOrEqual(next);
        expect(after.nextWakeMs()!).toBeLessThanOrEqual(next + 1_000 * eager.batchCost);
      }),
    );
  });
});

describe('misuse', () => {
  it.each([
    [{ policy: 'balance', maxBatch: 0, service }, 'maxBatch'],
    [{ policy: 'balance', maxBatch: 8, service: null }, 'batchCost'],
    [{ policy: 'fixed', maxBatch: 8, service }, 'size'],
    [{ policy: 'timer', maxBatch: 8, service, delayMs: -1 }, 'delayMs'],
    [{ policy: 'aimd', maxBatch: 8, service, decrease: 1 }, 'decrease'],
    [{ policy: 'aimd', maxBatch: 8, service, increase: 0 }, 'increase'],
    [{ policy: 'immediate', maxBatch: 8, service: { setupMs: -1, perItemMs: 1 } }, 'service'],
  ])('refuses %j', (options, name) => {
    expect(() => createReleasePolicy(options as ReleaseOptions)).toThrow(name);
  });
  it('refuses time that runs backwards, and a finished batch that never started', () => {
    const policy = createReleasePolicy({ policy: 'immediate', maxBatch: 8, service });
    expect(policy.nextWakeMs()).toBeNull();
    policy.onArrival(5);
    expect(() => policy.onArrival(4)).toThrow('expected 5 or later, got 4');
    expect(() => policy.onServiceDone(6)).toThrow('without a batch in service');
    expect(() => policy.onArrival(7, 0)).toThrow('items above 0');
  });
});
