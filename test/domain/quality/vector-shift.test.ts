import { describe, expect, it } from 'vitest';
import { detectDrift, type ColumnDrift } from '../../../domain/quality/shift.js';
import { randomFrom } from '../../../domain/quality/strategy-random.js';
import { vectorParts } from '../../../domain/quality/vector-shift.js';

const DIMENSIONS = [8, 64, 384, 768];

/** Vectors like embeddings: a dozen clusters in twenty directions, noise in all, norm 1. */
function embeddings(dimension: number, seed: number) {
  const random = randomFrom(seed);
  // Sum of three uniform numbers, variance 1.
  const normal = (): number => 2 * (random() + random() + random()) - 3;
  const places = (): number[] => Array.from({ length: dimension }, normal);
  const axes = Array.from({ length: Math.min(dimension, 20) }, places);
  const clusters = Array.from({ length: 12 }, () => axes.map(normal));
  const offset = places();
  const draw = (count = clusters.length): Float64Array => {
    const weights = clusters[Math.floor(random() * count)].map((x, j) => (x + 0.7 * normal()) / (1 + j / 4));
    const vector = offset.map(
      (x, at) => x / 2 + 0.6 * normal() + axes.reduce((sum, axis, j) => sum + weights[j] * axis[at], 0),
    );
    return scaled(vector, 1 / Math.hypot(...vector));
  };
  return { draw, normal, random };
}
const scaled = (vector: ArrayLike<number>, factor: number): Float64Array =>
  Float64Array.from(vector, (x) => x * factor);
const many = (rows: number, draw: () => Float64Array): Float64Array[] => Array.from({ length: rows }, draw);

function judge(before: Float64Array[], after: Float64Array[]): ColumnDrift {
  const none = { values: [], reference: [], current: [], missing: [0, 0], malformed: [0, 0] } as const;
  const present = [before.length, after.length] as const;
  return detectDrift({ d: [{ column: 'v', kind: 'vector', ...none, present, parts: vectorParts(before, after) }] }).d
    .columns[0];
}

describe('vectors of two samples', () => {
  const ROWS = 400;
  const changes: [string, (made: ReturnType<typeof embeddings>, dimension: number) => () => Float64Array][] = [
    [
      'a shift of a fifth of a deviation',
      ({ draw }, dimension) =>
        () =>
          draw().map((x) => x + 0.2 / Math.sqrt(dimension)),
    ],
    [
      'places in another order (another model)',
      ({ draw }) =>
        () =>
          draw().reverse(),
    ],
    [
      'half of the clusters gone',
      ({ draw }) =>
        () =>
          draw(6),
    ],
    [
      'all rows equal',
      ({ draw }) => {
        const one = draw();
        return () => one;
      },
    ],
    [
      'a fifth of the rows nearly one',
      ({ draw, random, normal }, dimension) => {
        const one = draw();
        return () => (random() < 0.2 ? one.map((x) => x + (0.01 * normal()) / Math.sqrt(dimension)) : draw());
      },
    ],
    [
      'each row five times, nearly',
      ({ draw, random, normal }, dimension) => {
        const pool = many(ROWS / 5, () => draw());
        return () => pool[Math.floor(random() * pool.length)].map((x) => x + (0.01 * normal()) / Math.sqrt(dimension));
      },
    ],
  ];
  it.each(changes.flatMap(([name, change]) => DIMENSIONS.map((dimension) => [name, dimension, change] as const)))(
    'finds %s at dimension %i',
    (_name, dimension, change) => {
      const made = embeddings(dimension, 5);
      const before = many(ROWS, () => made.draw());
      expect(judge(before, many(ROWS, change(made, dimension)))).toMatchObject({ drift: true });
    },
  );

  it('is quiet about two samples of one source in any dimension, of other sizes, with near duplicates in both', () => {
    let [runs, alarms] = [0, 0];
    for (const dimension of [2, 8, 64]) {
      for (let seed = 0; seed < 60; seed++) {
        const { draw, random, normal } = embeddings(dimension, 1_000 * dimension + seed);
        const pool = many(30, () => draw());
        const repeats = seed % 2 === 0 ? 0 : 0.5;
        const next = (): Float64Array =>
          random() < repeats
            ? pool[Math.floor(random() * 30)].map((x) => x + (0.005 * normal()) / Math.sqrt(dimension))
            : draw();
        runs++;
        if (judge(many([40, 200, 500][seed % 3], next), many([300, 60][seed % 2], next)).drift) alarms++;
      }
    }
    // Seeds are fixed; the bound is what is promised.
    expect(alarms / runs).toBeLessThanOrEqual(0.01);
  });

  it('takes 32 and 64 bits of one number for the same, where a value repeats', () => {
    const { draw } = embeddings(16, 3);
    const one = draw();
    const mixed = (index: number): Float64Array => (index % 2 === 0 ? one : draw());
    const before = Array.from({ length: 400 }, (_, index) => mixed(index));
    const after = Array.from({ length: 400 }, (_, index) => Float64Array.from(Float32Array.from(mixed(index))));
    expect(judge(before, after).drift).toBe(false);
  });

  it('says nothing of too few rows, and nothing else of vectors that are all equal on both sides', () => {
    const { draw } = embeddings(8, 1);
    expect(
      judge(
        many(3, () => draw()),
        many(500, () => draw()),
      ),
    ).toMatchObject({ drift: false });
    const one = draw();
    const result = judge(
      many(100, () => one),
      many(100, () => one),
    );
    expect(result).toMatchObject({ p: 1, drift: false });
    expect(Number.isFinite(result.statistic)).toBe(true);
  });
});
