import { describe, expect, it } from 'vitest';
import { createSeriesForecaster } from '../../../domain/prediction/series-forecaster.js';
import {
  createSeriesStream,
  GAP_STEPS_MAX,
  restoreSeriesStream,
  type SeriesStream,
  type SeriesStreamSnapshot,
} from '../../../domain/prediction/series-stream.js';
import { noise } from './series-fixtures.js';

const HOUR = 3_600_000;
const START = Date.UTC(2024, 0, 1);
const random = noise(5);
const wave = Array.from({ length: 480 }, (_, t) => 100 + 40 * Math.sin((2 * Math.PI * t) / 24) + 3 * random());

function streamed(steps: readonly number[]): SeriesStream {
  const stream = createSeriesStream({ stepMs: HOUR, seasons: [24] });
  for (const step of steps) stream.observe(START + step * HOUR, wave[step]);
  return stream;
}
const upTo = (n: number): number[] => Array.from({ length: n }, (_, step) => step);

describe('a series stream', () => {
  it('forecasts what a forecaster fed step by step does', () => {
    const forecaster = createSeriesForecaster({ seasons: [24] });
    for (const value of wave) forecaster.update(value);
    expect(streamed(upTo(480)).forecast(12)).toEqual(forecaster.forecast(12));
  });

  it('takes times between steps as the nearest step', () => {
    const stream = createSeriesStream({ stepMs: HOUR });
    stream.observe(START, 1);
    expect(stream.observe(START + 1.2 * HOUR, 2)).toBe('appended');
    expect(stream.observe(START + 0.9 * HOUR, 3)).toBe('revised');
    expect(stream.nextMs()).toBe(START + 2 * HOUR);
  });

  it('takes steps passed over as missing', () => {
    const forecaster = createSeriesForecaster({ seasons: [24] });
    for (let t = 0; t < 480; t++) forecaster.update(t >= 400 && t < 410 ? null : wave[t]);
    const stream = streamed(upTo(480).filter((t) => t < 400 || t >= 410));
    expect(stream.forecast(12)).toEqual(forecaster.forecast(12));
  });

  it('forecasts nearly the same when neighbours come in the wrong order', () => {
    const swapped = upTo(480).map((t) => (t === 0 ? 0 : t % 2 === 1 ? Math.min(t + 1, 479) : t - 1));
    const inOrder = streamed(upTo(480)).forecast(12).mean;
    streamed([...swapped, 479])
      .forecast(12)
      .mean.forEach((value, i) => expect(Math.abs(value - inOrder[i])).toBeLessThan(6));
  });

  it('starts from a late value instead of what was filled in', () => {
    const stream = streamed(upTo(400));
    stream.observe(START + 401 * HOUR, wave[401]);
    const before = stream.forecast(1).mean[0];
    expect(stream.observe(START + 401 * HOUR, wave[401] + 60)).toBe('revised');
    expect(stream.forecast(1).mean[0]).toBeGreaterThan(before + 10);
    expect(stream.observe(START + 401 * HOUR, wave[401])).toBe('revised');
    expect(stream.forecast(1).mean[0]).toBeCloseTo(before, 1);
  });

  it('says that a point is too late when its step is no longer held', () => {
    const stream = createSeriesStream({ stepMs: HOUR, seasons: [] });
    for (let t = 0; t < 600; t++) stream.observe(START + t * HOUR, 1);
    expect(stream.observe(START, 9)).toBe('too-late');
    expect(stream.observe(START - HOUR, 9)).toBe('too-late');
  });

  it('restores to identical forecasts and the same grid', () => {
    const one = streamed(upTo(300));
    const two = restoreSeriesStream(JSON.parse(JSON.stringify(one.snapshot())) as SeriesStreamSnapshot);
    for (let t = 303; t < 320; t++) {
      for (const stream of [one, two]) stream.observe(START + t * HOUR, wave[t]);
      expect(two.forecast(6)).toEqual(one.forecast(6));
    }
    expect(two.observe(START + 301 * HOUR, 5)).toBe('revised');
    one.observe(START + 301 * HOUR, 5);
    expect(two.snapshot()).toEqual(one.snapshot());
  });

  it.each([
    ['a time that is no number', Number.NaN, 1, 'InvalidTime'],
    ['a time in the far future', START + (GAP_STEPS_MAX + 3) * HOUR, 1, 'InvalidTime'],
    ['a value that is no number', START + 5 * HOUR, Number.NaN, 'InvalidValue'],
  ])('refuses %s and stays as it was', (_, time, value, type) => {
    const stream = streamed([0, 1]);
    const before = stream.snapshot();
    expect(() => stream.observe(time, value)).toThrow(expect.objectContaining({ type }) as Error);
    expect(stream.snapshot()).toEqual(before);
  });

  it.each([0, -1, Number.NaN, Infinity])('refuses a step of %d ms', (stepMs) => {
    expect(() => createSeriesStream({ stepMs })).toThrow(/step of a stream/);
  });
});
