import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { actionsFor, measureAction, shareWeights, type Arm, type ArmPair } from '../../../domain/quality/correction.js';
import { judgeOutcome } from '../../../domain/quality/strategy.js';
import type { PairedColumn } from '../../../domain/quality/shift.js';

const column = (
  name: string,
  reference: number[],
  current: number[],
  missing: [number, number] = [0, 0],
): PairedColumn => ({
  ...{ column: name, kind: 'category', values: reference.map((_, i) => `v${i}`), reference, current, missing },
  ...{
    malformed: [0, 0],
    present: [reference, current].map((list) => list.reduce((a, b) => a + b, 0)) as [number, number],
  },
});
const pair = (untreated: PairedColumn, treated: PairedColumn): ArmPair => ({ untreated, treated });
const drop = { action: 'drop-rows', issue: 'invalid', columns: ['x'], key: 'd/invalid', predictedDelta: 0.2 } as const;
/** A fifth of x is out of range (last cell); the treated arm has lost it. */
const x = pair(column('x', [500, 500, 0], [400, 400, 200]), column('x', [500, 500, 0], [400, 400, 0]));
const arm = (pairs: ArmPair[], gained = 0): Arm => ({ pairs, turnover: { lost: 0.2, gained } });
const judged = (others: ArmPair[], figures: Parameters<typeof measureAction>[4] = []) =>
  judgeOutcome(measureAction(drop, arm([x, ...others]), null, { before: 0.2, after: 0 }, figures)).verdict;

describe('an action on a delivery', () => {
  it('did good when the column at fault came back to the reference', () => {
    const outcome = measureAction(drop, arm([x]), null, { before: 0.2, after: 0 }, []);
    expect(outcome.measuredDelta).toBeCloseTo(0.2, 1);
    expect(judgeOutcome(outcome).verdict).toBe('keep');
  });
  it('did harm when another column went away from it by more than chance', () => {
    const alike = pair(column('y', [500, 500], [500, 500]), column('y', [500, 500], [405, 395]));
    const biased = pair(column('y', [500, 500], [500, 500]), column('y', [500, 500], [500, 300]));
    expect([judged([alike]), judged([biased])]).toEqual(['keep', 'roll-back']);
  });
  it('did harm when it made the verdict worse', () => {
    expect(judged([], [{ name: 'verdict', before: 1, after: 2 }])).toBe('roll-back');
  });
  it('is measured by the share at fault where there is no reference', () => {
    expect(measureAction(drop, arm([]), null, { before: 0.2, after: 0.05 }, [])).toMatchObject({
      measuredDelta: expect.closeTo(0.15, 9),
      standardError: 0,
    });
  });
  /** Of 60 actions that drop, or replace, a fifth of the rows at random, those that are rolled back for one of twenty columns of ten cells. */
  const wrongly = (
    draws: (random: () => number) => Record<'reference' | 'current' | 'treated', number[]>,
    gained = 0,
  ) => {
    let state = 7;
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
    let wrong = 0;
    for (let run = 0; run < 60; run++) {
      const guards = Array.from({ length: 20 }, (_, i) => {
        const count = (list: number[]) => Array.from({ length: 10 }, (_cell, k) => list.filter((v) => v === k).length);
        const { reference, current, treated } = draws(random);
        const [before, untreated, after] = [reference, current, treated].map(count);
        return pair(column(`g${i}`, before, untreated), column(`g${i}`, before, after));
      });
      const outcome = measureAction(drop, arm([x, ...guards], gained), null, { before: 0.2, after: 0 }, []);
      if (judgeOutcome(outcome).verdict === 'roll-back') wrong++;
    }
    return wrong;
  };
  const draw = (random: () => number, rows = 1_000) => Array.from({ length: rows }, () => Math.floor(random() * 10));
  it('is rolled back in at most one in ten cases when it loses rows at random', () => {
    const fresh = wrongly((random) => {
      const [reference, current] = [draw(random), draw(random)];
      return { reference, current, treated: current.filter(() => random() < 0.8) };
    });
    expect(fresh).toBeLessThanOrEqual(6);
  });
  it('is so too where the reference is the very rows that lose some: a part of them is farther from it than all of them', () => {
    const same = wrongly((random) => {
      const current = draw(random);
      return { reference: current, current, treated: current.filter(() => random() < 0.8) };
    });
    expect(same).toBeLessThanOrEqual(6);
  });
  it('is so too where other rows come in the place of those that it loses', () => {
    const replaced = wrongly((random) => {
      const [reference, current] = [draw(random), draw(random)];
      return { reference, current, treated: [...current.filter(() => random() < 0.8), ...draw(random, 200)] };
    }, 0.2);
    expect(replaced).toBeLessThanOrEqual(6);
  });
});

describe('what fits an issue', () => {
  it('is what is allowed of what can mend it', () => {
    expect(actionsFor('invalid', ['reweight', 'impute', 'drop-rows'])).toEqual(['drop-rows', 'impute']);
    expect(actionsFor('class-mix', ['drop-rows'])).toEqual([]);
  });
});

describe('weights', () => {
  it('make the wanted shares of what is there, with a mean of 1', () => {
    const counts = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ min: 1, max: 500 }), { minKeys: 1 });
    fc.assert(
      fc.property(counts, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 4, maxLength: 4 }), (have, parts) => {
        const shares = Object.fromEntries(['a', 'b', 'c', 'd'].map((name, i) => [name, parts[i] / 40]));
        const weights = shareWeights(have, shares)!;
        const total = Object.values(have).reduce((a, b) => a + b, 0);
        const wanted = Object.keys(have).reduce((sum, name) => sum + shares[name], 0);
        for (const name of Object.keys(have))
          expect((weights[name] * have[name]) / total).toBeCloseTo(shares[name] / wanted, 9);
      }),
    );
  });
  it('are none where no wanted value has a row', () => {
    expect(shareWeights({ a: 5 }, { b: 1 })).toBeNull();
  });
});
