import { describe, expect, it } from 'vitest';
import {
  createPeakPlanner,
  planPeaks,
  restorePeakPlanner,
  type PeakPlannerSnapshot,
} from '../../../domain/prediction/peak-planner.js';
import { noise } from './series-fixtures.js';

const random = noise(11);
const demand = Array.from({ length: 4000 }, (_, t) =>
  Math.max(0, (100 + 60 * Math.sin((2 * Math.PI * t) / 144)) * Math.exp(0.15 * random())),
);

const violations = (windows: readonly { step: number; capacity: number }[], every: number, from: number): number => {
  let over = 0;
  let count = 0;
  for (const { step, capacity } of windows) {
    if (step < from) continue;
    for (const value of demand.slice(step, step + every)) {
      count++;
      if (value > capacity) over++;
    }
  }
  return over / count;
};

describe('planPeaks', () => {
  it.each([0.1, 0.05, 0.01])('keeps to a violation rate of %d', (violation) => {
    const windows = planPeaks(demand, { violation, every: 6, lead: 1, seasons: [144] });
    const share = violations(windows, 6, 1000);
    // 3,000 steps that violate in runs: about a third of the rate either way.
    expect(share).toBeGreaterThan(violation / 2);
    expect(share).toBeLessThan(violation * 1.6);
  });

  it('needs less than the peak of the last day', () => {
    const windows = planPeaks(demand, { violation: 0.05, every: 6, lead: 1, seasons: [144] });
    const late = windows.filter(({ step }) => step >= 1000);
    const ours = late.reduce((sum, { capacity }) => sum + capacity, 0);
    const lastDay = late.reduce((sum, { step }) => sum + Math.max(...demand.slice(step - 145, step - 1)), 0);
    expect(ours).toBeLessThan(0.75 * lastDay);
  });

  it('names each window by its first step and knows nothing of the first one', () => {
    const windows = planPeaks(demand.slice(0, 20), { violation: 0.1, every: 6, lead: 1 });
    expect(windows.map(({ step }) => step)).toEqual([0, 6, 12, 18]);
    expect(windows[0].capacity).toBe(0);
    expect(windows[1].capacity).toBeGreaterThan(0);
  });

  it('uses values before the window less the lead only', () => {
    const options = { violation: 0.1, every: 6, lead: 3, seasons: [144] };
    const plans = planPeaks(demand.slice(0, 600), options);
    const changed = demand.slice(0, 600).map((value, t) => (t >= 303 - 3 ? 9 * value : value));
    const until = (windows: typeof plans): typeof plans => windows.filter(({ step }) => step <= 303);
    expect(until(planPeaks(changed, options))).toEqual(until(plans));
  });

  it.each([
    ['nothing', [], []],
    ['zeros', [0, 0, 0], [0, 0]],
    ['missing values', [null, null, null], [0, 0]],
  ])('plans %s', (_, values, capacities) => {
    const windows = planPeaks(values, { violation: 0.05, every: 2 });
    expect(windows.map(({ capacity }) => capacity)).toEqual(capacities);
  });
});

describe('a capacity planner', () => {
  it('restores to identical plans', () => {
    const one = createPeakPlanner({ violation: 0.05, every: 6, lead: 1, seasons: [24] });
    for (const [t, value] of demand.slice(0, 300).entries()) {
      if (t % 6 === 5) one.plan();
      one.update(value);
    }
    const two = restorePeakPlanner(JSON.parse(JSON.stringify(one.snapshot())) as PeakPlannerSnapshot);
    for (const value of demand.slice(300, 400)) {
      expect(two.plan()).toBe(one.plan());
      one.update(value);
      two.update(value);
    }
  });

  it.each([
    ['no violations', { violation: 0, every: 1 }],
    ['more violations than not', { violation: 0.6, every: 1 }],
    ['empty windows', { violation: 0.1, every: 0 }],
    ['a negative lead', { violation: 0.1, every: 1, lead: -1 }],
  ])('refuses %s', (_, options) => {
    expect(() => createPeakPlanner(options)).toThrow(/not usable/);
  });
});
