import { describe, expect, it } from 'vitest';
import { profileTable } from '../../../domain/quality/profile.js';
import { randomFrom } from '../../../domain/quality/strategy-random.js';

function directions(rows: number, dimension: number, seed: number): number[][] {
  const random = randomFrom(seed);
  const offset = Array.from({ length: dimension }, () => random());
  return Array.from({ length: rows }, () => offset.map((x) => x + 2 * random() - 1));
}
const found = (vectors: readonly (readonly number[])[]) =>
  profileTable({ columns: ['v'], rows: vectors.map((vector) => [`[${vector.join(', ')}]`]) }).cells.filter(
    ({ kind }) => kind === 'near-duplicate',
  );
const moved = (vector: readonly number[], by: number): number[] => vector.map((x, at) => x + by * ((at % 3) - 1));

describe('vectors that nearly repeat an earlier row', () => {
  it.each([8, 64, 384])('are found with that row at dimension %i', (dimension) => {
    const vectors = directions(200, dimension, 3);
    for (let at = 0; at < 10; at++) vectors[150 + at] = moved(vectors[at], 1e-4);
    vectors[170] = vectors[20];
    const cells = found(vectors);
    // A pair that a plane parts is not compared.
    expect(cells.length).toBeGreaterThanOrEqual(9);
    expect(cells.every(({ row }) => (row >= 150 && row < 160) || row === 170)).toBe(true);
    expect(cells.find(({ row }) => row === 170)?.evidence).toBe('the vector of row 20');
    for (const { row, evidence } of cells.filter((cell) => cell.row < 160))
      expect(evidence).toContain(`nearly the vector of row ${row - 150} `);
  });

  it('are a flood of one', () => {
    const vectors = directions(300, 64, 5);
    for (let at = 100; at < 200; at++) vectors[at] = moved(vectors[0], at * 1e-6);
    expect(found(vectors).length).toBeGreaterThanOrEqual(95);
  });

  it('are hardly ever told of independent ones, in few dimensions or many, on a line or in clusters', () => {
    let [rows, told] = [0, 0];
    for (const dimension of [2, 3, 8, 64])
      for (let seed = 1; seed <= 2; seed++) {
        const random = randomFrom(seed);
        const spread = directions(300, dimension, seed);
        const line = spread.map(() => {
          const at = random();
          return Array.from({ length: dimension }, (_, place) => Math.cos(at * (place + 1)));
        });
        const clusters = spread.map((vector, at) => vector.map((x, place) => x + 2 * Math.sin(place * (at % 7))));
        for (const vectors of [spread, line, clusters]) {
          rows += vectors.length;
          told += found(vectors).length;
        }
      }
    expect(told / rows).toBeLessThanOrEqual(0.01);
  });

  it('are the custom where one vector stands on many rows', () => {
    const kinds = directions(40, 16, 9);
    expect(found(Array.from({ length: 400 }, (_, at) => kinds[(at * 7) % 40]))).toEqual([]);
  });
});
