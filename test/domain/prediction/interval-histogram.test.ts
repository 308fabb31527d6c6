import { describe, expect, it } from 'vitest';
import { ErrorHistogram } from '../../../domain/prediction/interval-histogram.js';
import { noise } from './series-fixtures.js';

describe('an error histogram', () => {
  it('starts from a normal distribution of the given spread', () => {
    const histogram = new ErrorHistogram(0.99, 2);
    // The 90 % quantile of a normal error is 1.28 spreads; ten points and bins resolve it to about a fifth.
    expect(histogram.quantile(0.9)).toBeGreaterThan(2 * 1.28 * 0.8);
    expect(histogram.quantile(0.9)).toBeLessThan(2 * 1.28 * 1.25);
    expect(histogram.quantile(0.1)).toBeLessThan(-2 * 1.28 * 0.8);
    expect(histogram.quantile(0.1)).toBeGreaterThan(-2 * 1.28 * 1.25);
  });

  it('finds the quantiles of many errors', () => {
    const random = noise(1);
    const histogram = new ErrorHistogram(0.9995, 1);
    for (let i = 0; i < 10_000; i++) histogram.count(random());
    // Bins are an eighth of asinh wide: 0.13 near zero, 0.2 at 1.28.
    expect(Math.abs(histogram.quantile(0.9) - 1.2816)).toBeLessThan(0.12);
    expect(Math.abs(histogram.quantile(0.5))).toBeLessThan(0.08);
    expect(Math.abs(histogram.quantile(0.025) + 1.96)).toBeLessThan(0.15);
  });

  it('forgets: quantiles follow errors that became ten times as large', () => {
    const random = noise(2);
    const histogram = new ErrorHistogram(0.99, 1);
    for (let i = 0; i < 1000; i++) histogram.count(random());
    for (let i = 0; i < 400; i++) histogram.count(10 * random());
    expect(histogram.quantile(0.9)).toBeGreaterThan(9);
  });

  it('keeps counting when its increments have grown large', () => {
    const histogram = new ErrorHistogram(0.5, 1);
    for (let i = 0; i < 5000; i++) histogram.count(i % 2 === 0 ? 1 : 1.01);
    expect(Number.isFinite(histogram.quantile(0.9))).toBe(true);
    expect(Math.abs(histogram.quantile(0.5) - 1)).toBeLessThan(0.15);
  });

  it('takes errors beyond its range as its outermost bin', () => {
    const histogram = new ErrorHistogram(0.9, 1);
    for (let i = 0; i < 100; i++) histogram.count(1e12);
    expect(histogram.quantile(0.5)).toBeGreaterThan(20);
    expect(histogram.quantile(0.5)).toBeLessThan(35);
  });
});
