import { describe, expect, it } from 'vitest';
import { nameEvent, type EventRow } from '../../../domain/prediction/anomaly-event.js';
import { emptyNovelty, updateNovelty } from '../../../domain/prediction/anomaly-novelty.js';
import { emptyTail, learnTail, surprise } from '../../../domain/prediction/anomaly-tail.js';
import { severityOf, suggestedAction } from '../../../domain/prediction/anomaly-actions.js';

/** Sixty quiet rows, then the given ones; the season is a triangle of height 4. */
function windowOf(event: readonly number[]): EventRow[] {
  const quiet = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? 1 : -1));
  return [...quiet, ...event].map((residual, i) => ({ residual, season: Math.abs((i % 16) - 8) - 4 }));
}

const name = (event: readonly number[], phases: number[][] = []): ReturnType<typeof nameEvent> =>
  nameEvent(windowOf(event), { rowsOpen: event.length, phases, memory: 0 });

const count = (n: number, value: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => value(i));

describe('nameEvent', () => {
  it.each<[string, number[], string | null]>([
    ['one high row, then quiet ones, a spike', [20, 1, -1, 1, -1, 1], 'spike'],
    ['two low rows, then quiet ones, a dip', [-20, -18, 1, -1, 1, -1], 'dip'],
    ['twelve rows of one height a level shift', count(12, (i) => 8 + (i % 2)), 'level-shift'],
    ['forty climbing rows a trend', count(40, (i) => 0.4 * i), 'trend'],
    ['thirty wide rows of both signs a change of variance', count(30, (i) => (i % 2 === 0 ? 6 : -6)), 'variance'],
    ['quiet rows nothing', [1, -1, 1, -1, 1, -1, 1, -1], null],
  ])('calls %s', (_, event, type) => {
    expect(name(event)).toMatchObject({ type });
    expect(name(event).lead).toBeGreaterThan(3);
  });

  it('leaves open what may become a spike or a shift', () => {
    expect(name([20]).lead).toBe(0);
    expect(name([20, 20, 20]).lead).toBe(0);
  });

  it('calls residuals that follow the season a season break', () => {
    const rows = windowOf(count(40, () => 0)).map((row, i) => (i < 60 ? row : { ...row, residual: -2 * row.season }));
    expect(nameEvent(rows, { rowsOpen: 40, phases: [], memory: 0 }).type).toBe('season-break');
  });

  it('calls residuals that another phase explains a season break', () => {
    const rows = windowOf(count(40, () => 0));
    const moved = rows.map((_, i) => Math.abs(((i + 5) % 16) - 8) - 4);
    const broken = rows.map((row, i) => (i < 60 ? row : { ...row, residual: moved[i] - row.season }));
    expect(nameEvent(broken, { rowsOpen: 40, phases: [moved], memory: 0 }).type).toBe('season-break');
  });

  it('asks more of a step in noise with a long memory', () => {
    const event = count(8, () => 2);
    const step = (memory: number): string | null =>
      nameEvent(windowOf(event), { rowsOpen: 8, phases: [], memory }).type;
    expect(step(0)).toBe('level-shift');
    expect(step(0.95)).not.toBe('level-shift');
  });
});

describe('surprise', () => {
  it('is 0 before the first value and below the threshold', () => {
    expect(surprise(emptyTail(), 5)).toBe(0);
  });

  it('matches the tail of an exponential population within a tenth: -ln P(X > x) = x', () => {
    const tail = emptyTail();
    // Quantiles of the exponential law in a scrambled, repeating order: 7,919 is prime to 10,007.
    for (let i = 0; i < 60_000; i++) learnTail(tail, -Math.log(1 - (((i * 7919) % 10_007) + 0.5) / 10_007));
    for (const x of [4, 6, 8, 10]) {
      expect(surprise(tail, x)).toBeGreaterThan(0.9 * x - 0.3);
      expect(surprise(tail, x)).toBeLessThan(1.1 * x + 0.3);
    }
  });

  it('is the smaller the heavier the tail', () => {
    const [light, heavy] = [emptyTail(), emptyTail()];
    for (let i = 0; i < 20_000; i++) {
      const p = (((i * 7919) % 10_007) + 0.5) / 10_007;
      learnTail(light, Math.sqrt(-Math.log(1 - p)));
      learnTail(heavy, (1 - p) ** -0.4 - 1);
    }
    expect(surprise(heavy, 12 * heavy.mean)).toBeLessThan(surprise(light, 12 * light.mean));
  });
});

describe('updateNovelty', () => {
  const warm = (): ReturnType<typeof emptyNovelty> => {
    const state = emptyNovelty();
    for (let i = 0; i < 400; i++) updateNovelty(state, i * 60, i % 10);
    return state;
  };

  it('scores 0 inside the range seen, and by the widening beyond it', () => {
    const state = warm();
    // The envelope draws in by a sixteen-thousandth a row, so its edge is a little new.
    expect(updateNovelty(state, 400 * 60, 0)).toBeLessThan(0.001);
    const small = updateNovelty(warm(), 400 * 60, 12);
    const large = updateNovelty(warm(), 400 * 60, 15);
    expect(small).toBeGreaterThan(0.05);
    expect(large).toBeGreaterThan(small);
    expect(updateNovelty(warm(), 400 * 60, 1e9)).toBeGreaterThan(0.99);
  });

  it('is quiet about the rows that follow an onset', () => {
    const state = warm();
    const onset = updateNovelty(state, 400 * 60, 30);
    expect(updateNovelty(state, 401 * 60, 31)).toBeLessThan(0.3 * onset);
  });

  it('does not depend on the unit or the origin of the values', () => {
    const [a, b] = [emptyNovelty(), emptyNovelty()];
    for (let i = 0; i < 600; i++) {
      const x = ((i * 37) % 101) + (i === 500 ? 300 : 0);
      expect(updateNovelty(b, i * 600, 1000 * x - 7000)).toBeCloseTo(updateNovelty(a, i * 600, x), 6);
    }
  });
});

describe('actions and severity', () => {
  it('gives each type an action of its own', () => {
    const types = ['spike', 'dip', 'level-shift', 'trend', 'variance', 'flatline', 'season-break', 'missing'] as const;
    expect(new Set(types.map(suggestedAction)).size).toBe(types.length);
  });

  it.each([
    [10, 'low'],
    [20, 'medium'],
    [40, 'high'],
  ])('rates %s nats over an alarm at 10 as %s', (nats, severity) => {
    expect(severityOf(nats, 10)).toBe(severity);
  });
});
