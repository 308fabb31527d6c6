import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { vectorMeter } from '../../../domain/analyzers/vector-meter.js';
import { encodeColumn } from '../../../domain/quality/cell-table.js';
import { profileTable } from '../../../domain/quality/profile.js';
import { randomFrom } from '../../../domain/quality/strategy-random.js';
import { measureVectors, readVector } from '../../../domain/quality/vector-state.js';
import { summarizeVectors, summarizeVectorState } from '../../../domain/quality/vectors.js';
import { describeMeter } from '../analyzers/conformance.js';

const numbers = fc.oneof(
  fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 3, maxLength: 3 }),
  fc.array(fc.oneof(fc.double(), fc.constant(null)), { maxLength: 4 }),
  fc.constantFrom('[1, 2, 3]', '[1,nan,2]', 'x', '[a]', '[]'),
);
describeMeter(vectorMeter, numbers);

/** Directions drawn at random: none near another. */
function directions(count: number, dimension: number, seed = 7): number[][] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, () => Array.from({ length: dimension }, () => 2 * random() - 1));
}
const text = (vector: readonly number[]): string => `[${vector.join(', ')}]`;

describe('readVector', () => {
  it.each([
    ['[1, -2.5, 3e-4]', [1, -2.5, 3e-4]],
    ['[NaN, inf, null, 1]', [NaN, NaN, NaN, 1]],
    [
      [1, 2n, null, Infinity],
      [1, 2, NaN, NaN],
    ],
    ['[]', null],
    ['[a, b]', null],
    ['1, 2', null],
    [['a'], null],
    [5, null],
  ])('reads case %#', (cell, vector) => {
    expect(readVector(cell)).toEqual(vector);
  });
});

describe('a column of vectors', () => {
  it('has dimension, norms, zeros, what is not finite, and dead places in its summary', () => {
    const cells = directions(300, 8).map(([, ...rest]) => text([0.5, ...rest]));
    cells[10] = '[0.5, 1, 2]';
    cells[11] = text([0.5, NaN, 1, 1, 1, 1, 1, 1]);
    cells[12] = '';
    const summary = summarizeVectors(encodeColumn('e', cells))!;
    expect(summary).toMatchObject({ dimension: 8, otherDimensions: 1, nonFinite: 1, zeros: 0, constantPlaces: 1 });
    expect(summary.norms.p05).toBeLessThan(summary.norms.p50!);
    expect(summary.norms.p50).toBeCloseTo(Math.sqrt(0.25 + 7 / 3), 0);
    expect(summary.nearDuplicates.share).toBeLessThan(0.02);
  });

  it('knows near duplicates by direction, exact ones by their rows', () => {
    const vectors = directions(400, 32);
    for (let at = 0; at < 100; at++) vectors[2 * at + 1] = vectors[2 * at].map((x) => 3 * x + 0.001);
    const cells = vectors.map(text);
    cells[399] = cells[398];
    const { nearDuplicates } = summarizeVectors(encodeColumn('e', cells))!;
    expect(nearDuplicates.rows).toBe(400);
    expect(nearDuplicates.share).toBe(202 / 400);
    expect(nearDuplicates.pairs).toHaveLength(3);
    for (const { rows, cosine } of nearDuplicates.pairs) {
      expect(cosine).toBeGreaterThan(0.999);
      expect(rows[1]).toBe(rows[0] + 1);
    }
  });

  it('samples near duplicates together: most of them are seen in a sample of a tenth', () => {
    const vectors = directions(2_500, 256);
    for (let at = 0; at < 1_250; at++) vectors[2 * at + 1] = vectors[2 * at].map((x) => 2 * x + 0.0001);
    const summary = summarizeVectorState(measureVectors(vectors))!;
    expect(summary.nearDuplicates.rows).toBe(256);
    // Sampled one by one, a vector would meet its fellow in a tenth of the cases.
    expect(summary.nearDuplicates.share).toBeGreaterThan(0.8);
  });

  it('is none where lengths vary, or values are no lists', () => {
    const lists = Array.from({ length: 60 }, (_, at) => text(Array.from({ length: 2 + (at % 5) }, (_, i) => i + at)));
    expect(summarizeVectors(encodeColumn('e', lists))).toBeNull();
    expect(summarizeVectors(encodeColumn('e', ['a', 'b', '[1, 2]']))).toBeNull();
    expect(summarizeVectors(encodeColumn('e', ['[1]', '[2]']))).toBeNull();
    expect(summarizeVectors(encodeColumn('e', []))).toBeNull();
  });

  it('names the cells that do not fit, and none of a sound column', () => {
    const sound = directions(120, 6).map((vector, at) => [String(at), text(vector)]);
    const found = (rows: string[][]) =>
      profileTable({ columns: ['id', 'e'], rows }).cells.map(({ row, column, kind, score }) => [
        row,
        column,
        kind,
        score,
      ]);
    expect(found(sound)).toEqual([]);
    const spoiled = sound.map(([id, e]) => [id, e]);
    spoiled[5][1] = '[1, 2, 3]';
    spoiled[6][1] = text([1, 2, NaN, 4, 5, 6]);
    spoiled[7][1] = text([0, 0, 0, 0, 0, 0]);
    spoiled[8][1] = 'none yet';
    expect(found(spoiled)).toEqual([
      [5, 'e', 'vector', 0.95],
      [6, 'e', 'vector', 0.95],
      [7, 'e', 'vector', 0.6],
      [8, 'e', 'vector', 0.95],
    ]);
  });
});
