import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bestWindows, levelLoad, type LevelJob } from '../../../domain/batch/load-levelling.js';

const job = (id: string, work: number, release: number, due: number): LevelJob => ({ id, work, release, due });

describe('levelLoad', () => {
  it('fills the valleys of the forecast to one level', () => {
    const plan = levelLoad([job('a', 6, 0, 3)], [5, 1, 2, 9], 10);
    // 6 of work over 1, 2 and 5: level 4.5 in slots 1 and 2.
    expect(plan.peak).toBeCloseTo(4.5, 6);
    expect(plan.load[1]).toBeCloseTo(4.5, 6);
    expect(plan.load[2]).toBeCloseTo(4.5, 6);
    expect(plan.assignments.map(({ slot }) => slot)).toEqual([1, 2]);
  });
  it('meets what can be met, and says what cannot and why', () => {
    const plan = levelLoad([job('big', 9, 0, 0), job('small', 2, 0, 0), job('later', 3, 1, 1)], [0, 0], 4);
    expect(plan.unmet).toEqual([{ id: 'big', shortfall: 7, reason: '7.00 of work due by slot 0 has no room below 4' }]);
    expect(plan.assignments.map(({ id }) => id)).toEqual(['later', 'small']);
  });
  it('has decided answers for no jobs, no work, and a forecast above capacity', () => {
    expect(levelLoad([], [1, 2], 3)).toEqual({ assignments: [], load: [1, 2], peak: null, unmet: [] });
    expect(levelLoad([job('a', 0, 0, 0)], [1], 3).unmet).toEqual([]);
    expect(levelLoad([job('a', 1, 0, 0)], [5], 3).unmet).toHaveLength(1);
    expect(() => levelLoad([job('a', 1, 0, 2)], [1], 3)).toThrow('due < 1');
  });

  const instance = fc.record({
    forecast: fc.array(fc.nat(8), { minLength: 1, maxLength: 8 }),
    jobs: fc.array(fc.tuple(fc.nat(6), fc.nat(7), fc.nat(7)), { maxLength: 6 }),
    capacity: fc.integer({ min: 4, max: 12 }),
  });
  it('gives each job its work within its window, below capacity, at the least possible peak', () => {
    fc.assert(
      fc.property(instance, ({ forecast, jobs, capacity }) => {
        const last = forecast.length - 1;
        const list = jobs.map(([work, a, b], i) =>
          job(`j${i}`, work, Math.min(a, b, last), Math.min(Math.max(a, b), last)),
        );
        const plan = levelLoad(list, forecast, capacity);
        const unmet = new Set(plan.unmet.map(({ id }) => id));
        for (const { id, work, release, due } of list) {
          const own = plan.assignments.filter((entry) => entry.id === id);
          expect(own.reduce((sum, entry) => sum + entry.work, 0)).toBeCloseTo(unmet.has(id) ? 0 : work, 6);
          for (const { slot } of own) expect(slot >= release && slot <= due).toBe(true);
        }
        for (const { slot } of plan.assignments) expect(plan.load[slot]).toBeLessThanOrEqual(capacity + 1e-9);
        // Hall's bound: the work confined to any run of slots must fit below the peak there.
        const met = list.filter(({ id, work }) => work > 0 && !unmet.has(id));
        let bound = -Infinity;
        for (let from = 0; from <= last; from++) {
          for (let to = from; to <= last; to++) {
            const confined = met.filter(({ release, due }) => release >= from && due <= to);
            const work = confined.reduce((sum, { work: w }) => sum + w, 0);
            if (work === 0) continue;
            const slots = forecast.slice(from, to + 1).sort((a, b) => a - b);
            // Lowest level at which the slots have room for the work: water-filling.
            let level = Infinity;
            slots.forEach((_, i) => {
              const used = slots.slice(0, i + 1);
              level = Math.min(level, Math.max((work + used.reduce((s, f) => s + f, 0)) / used.length, used[i]));
            });
            bound = Math.max(bound, level);
          }
        }
        if (plan.peak !== null) expect(plan.peak).toBeCloseTo(bound, 6);
        expect(levelLoad([...list].reverse(), forecast, capacity)).toEqual(plan);
      }),
    );
  });
  it('meets as many deadlines as possible when all is released at once', () => {
    fc.assert(
      fc.property(instance, ({ forecast, jobs, capacity }) => {
        const last = forecast.length - 1;
        const list = jobs.map(([work, , due], i) => job(`j${i}`, work, 0, Math.min(due, last)));
        let most = 0;
        for (let mask = 0; mask < 1 << list.length; mask++) {
          const chosen = list.filter((_, i) => (mask >> i) & 1);
          if (levelLoad(chosen, forecast, capacity).unmet.length === 0) most = Math.max(most, chosen.length);
        }
        expect(list.length - levelLoad(list, forecast, capacity).unmet.length).toBe(most);
      }),
      { numRuns: 40 },
    );
  });
});

describe('bestWindows', () => {
  it('prefers the lowest peak, then the lowest mean, then the earliest', () => {
    const forecast = [5, 1, 3, 2, 3, 1, 9];
    expect(bestWindows(forecast, 2, 0, 6, 3)).toEqual([
      { start: 1, peak: 3, mean: 2 },
      { start: 4, peak: 3, mean: 2 },
      { start: 2, peak: 3, mean: 2.5 },
    ]);
    expect(bestWindows(forecast, 2, 3, 5, 9).map(({ start }) => start)).toEqual([4, 3]);
    expect(bestWindows(forecast, 8, 0, 6, 1)).toEqual([]);
    expect(bestWindows(forecast, 0, 0, 6, 1)).toEqual([]);
  });
});
