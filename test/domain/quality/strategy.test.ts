import { describe, expect, it } from 'vitest';
import {
  chooseAction,
  EMPTY_STRATEGY,
  judgeOutcome,
  learnOutcome,
  REST_MS,
  REST_MS_MAX,
  type ActionOutcome,
  type StrategyState,
} from '../../../domain/quality/strategy.js';
import { drawBeta, randomFrom } from '../../../domain/quality/strategy-random.js';

const outcome = (over: Partial<ActionOutcome> = {}): ActionOutcome => ({
  issue: 'class-mix',
  action: 'reweight',
  predictedDelta: 0,
  measuredDelta: 1,
  standardError: 0.1,
  guards: [],
  ...over,
});

describe('judgeOutcome', () => {
  it.each([
    ['a clear gain is kept', {}, 'keep'],
    ['a gain within chance is undecided', { measuredDelta: 0.1, standardError: 0.1 }, 'undecided'],
    ['a clear loss is rolled back', { measuredDelta: -1 }, 'roll-back'],
    ['a loss within chance is undecided', { measuredDelta: -0.1, standardError: 0.1 }, 'undecided'],
    [
      'a guard that falls rolls back a gain',
      { guards: [{ name: 'completeness', delta: -0.5, standardError: 0.1 }] },
      'roll-back',
    ],
    ['no measurement is a reason to roll back', { measuredDelta: Number.NaN }, 'roll-back'],
    ['exactly no change is undecided', { measuredDelta: 0, standardError: 0 }, 'undecided'],
  ] as const)('%s', (_name, over, verdict) => {
    expect(judgeOutcome(outcome(over)).verdict).toBe(verdict);
  });

  it('says what got worse in figures that a person can read', () => {
    const guards = [{ name: 'distance of genre', delta: -0.015599637135621236, standardError: 0.0031 }];
    expect(judgeOutcome(outcome({ guards })).reason).toBe('distance of genre: worse by 0.0156 (standard error 0.0031)');
    const third = outcome({
      measuredDelta: 1 / 3,
      standardError: 0.1 + 0.2 - 0.3,
      predictedDelta: 0.10999999999999999,
    });
    expect(judgeOutcome(third).reason).toBe('metric changed by 0.333 (standard error 5.55e-17), predicted 0.11');
  });
});

describe('the loop of choosing and learning', () => {
  it('comes to prefer the action that helps: 85 of 100 late choices or more', () => {
    const chances: Record<string, number> = { drop: 0.2, reweight: 0.9, resample: 0.4 };
    const world = randomFrom(7);
    let state: StrategyState = EMPTY_STRATEGY;
    let good = 0;
    for (let round = 0; round < 300; round++) {
      const nowMs = round * REST_MS_MAX;
      const { action } = chooseAction(state, 'class-mix', Object.keys(chances), nowMs, round);
      if (round >= 200 && action === 'reweight') good++;
      const measuredDelta = world() < chances[action!] ? 1 : 0;
      state = learnOutcome(state, outcome({ action: action!, measuredDelta, standardError: 1e-9 }), nowMs).state;
    }
    expect(good).toBeGreaterThanOrEqual(85);
  });

  it('rests after a regression, twice as long after the next, and forgets the count after a success', () => {
    const bad = outcome({ measuredDelta: -1 });
    const once = learnOutcome(EMPTY_STRATEGY, bad, 0).state;
    expect(once.records[0].restUntilMs).toBe(REST_MS);
    expect(once.current).toEqual({});
    expect(chooseAction(once, 'class-mix', ['reweight'], REST_MS - 1, 1).action).toBeNull();
    expect(chooseAction(once, 'class-mix', ['reweight'], REST_MS, 1).action).toBe('reweight');
    const twice = learnOutcome(once, bad, REST_MS).state;
    expect(twice.records[0].restUntilMs).toBe(3 * REST_MS);
    expect(learnOutcome(twice, outcome(), 5 * REST_MS).state.records[0].regressions).toBe(0);
  });

  it('stays with the action in force unless another is clearly better', () => {
    let state = EMPTY_STRATEGY;
    for (let i = 0; i < 40; i++) {
      state = learnOutcome(state, outcome({ action: 'a' }), i).state;
      state = learnOutcome(state, outcome({ action: 'b' }), i).state;
    }
    const choices = Array.from({ length: 50 }, (_, seed) => chooseAction(state, 'class-mix', ['a', 'b'], 100, seed));
    // Both have a chance of 95 %: their draws differ by .1 now and then only.
    expect(choices.filter((choice) => choice.action === 'b').length).toBeGreaterThanOrEqual(45);
    expect(choices[0].predictedDelta).toBeCloseTo(1, 12);
  });

  it('is the same for the same seed, whatever the order of the actions', () => {
    const forward = chooseAction(EMPTY_STRATEGY, 'x', ['a', 'b', 'c'], 0, 5);
    expect(chooseAction(EMPTY_STRATEGY, 'x', ['c', 'a', 'b', 'a'], 0, 5)).toEqual(forward);
  });

  it('has no answer without actions, and keeps JSON state', () => {
    expect(chooseAction(EMPTY_STRATEGY, 'x', [], 0, 0).action).toBeNull();
    const { state } = learnOutcome(EMPTY_STRATEGY, outcome({ measuredDelta: Number.NaN }), 1);
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
    expect(() => learnOutcome(EMPTY_STRATEGY, outcome({ action: '' }), 0)).toThrow('needs an issue');
  });
});

describe('drawBeta', () => {
  it('has the mean and variance of Beta(3, 1): 3/4 and 3/80', () => {
    const random = randomFrom(1);
    const draws = Array.from({ length: 20_000 }, () => drawBeta(random, 3, 1));
    const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
    // Five standard errors of the mean: 5 * sqrt(.0375 / 20000) = .007
    expect(Math.abs(mean - 0.75)).toBeLessThan(0.007);
    const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length;
    expect(Math.abs(variance - 0.0375)).toBeLessThan(0.003);
  });
});
