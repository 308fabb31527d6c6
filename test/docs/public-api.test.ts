/** The public API: what it exports works on its own, as a program that installs the package would use it. */
import { describe, expect, test } from 'vitest';
import * as balance from '../../client/public.js';

describe('the public API', () => {
  test('forecasts one value at a time and goes on from a snapshot', () => {
    const forecaster = balance.createSeriesForecaster({ seasons: [4] });
    for (let step = 0; step < 80; step++) forecaster.update([10, 20, 30, 20][step % 4]);
    const restored = balance.restoreSeriesForecaster(
      JSON.parse(JSON.stringify(forecaster.snapshot())) as balance.SeriesSnapshot,
    );
    expect(restored.forecast(4)).toEqual(forecaster.forecast(4));
    expect(forecaster.forecast(4).mean.map(Math.round)).toEqual([10, 20, 30, 20]);
  });

  test('allocates by dominant-resource fairness: the example of the paper', () => {
    const instance = {
      resources: { cpu: 9, mem: 18 },
      models: [
        { id: 'A', weight: 1, demand: { cpu: 1, mem: 4 } },
        { id: 'B', weight: 1, demand: { cpu: 3, mem: 1 } },
      ],
    };
    const result = balance.allocate(instance);
    expect(result.allocations.map(({ units }) => Number(units.toFixed(9)))).toEqual([3, 2]);
    expect(balance.checkCertificate(instance, result)).toEqual([]);
  });

  test('every export is usable: a function, a class, or a table of constants', () => {
    for (const [name, value] of Object.entries(balance)) expect(value, name).toBeDefined();
    expect(Object.keys(balance)).toContain('connect');
    expect(Object.keys(balance)).toContain('createReleasePolicy');
  });
});
