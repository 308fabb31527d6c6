/** Predictors from outside: augurs, as examples/ has it, keeps the laws and competes with the project's own. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { defaultPredictors } from '../../../domain/prediction/predictors.js';
import { SeriesTrack, type TrackOptions, type TrackSnapshot } from '../../../domain/prediction/series-track.js';
import { seasonalNaive } from '../../../domain/prediction/seasonal-naive.js';
import { loadPredictors } from '../../../workers/predictor-plugins.js';
import { describePredictor } from './predictor-laws.js';
import { noise } from './series-fixtures.js';

const EXAMPLE = 'examples/augurs-predictor.mjs';
const load = (BALANCE_PREDICTORS: string) => loadPredictors({ BALANCE_PREDICTORS }, process.cwd());
const predictors = await load(EXAMPLE);
const augurs = predictors.at(-1)!;

describePredictor(augurs, 20);

const HOUR = 3_600_000;
const options: TrackOptions = { series: 'a/b', seasons: [24], stepMs: HOUR, alarmsPerWeek: 7, similar: [] };
const gauss = noise(11);
/** Grows by a percent a day: what was a day ago is always too little. */
const growing = Array.from({ length: 400 }, (_, hour) => {
  return 1_000 + 10 * hour + 300 * Math.sin((hour / 24) * 2 * Math.PI) + 5 * gauss();
});
const follow = (track: SeriesTrack, values: readonly number[], from = 0): SeriesTrack => {
  values.forEach((value, index) => track.update((from + index + 1) * HOUR, value));
  return track;
};

describe('a predictor from outside', () => {
  test('joins those of the project, which stay first', () => {
    expect(predictors.map(({ id }) => id)).toEqual([...defaultPredictors.map(({ id }) => id), 'augurs-mstl']);
  });

  test('takes over a series on which it is better, with the reason, and goes on from a stored state', () => {
    const both = [seasonalNaive, augurs];
    const track = follow(SeriesTrack.create(both, options), growing.slice(0, 300));
    expect(track.championId).toBe('augurs-mstl');
    expect(track.changes[0]).toMatchObject({ kind: 'switch', from: 'seasonal-naive', to: 'augurs-mstl' });
    expect(track.changes[0].reason).toMatch(/mean error \d+ against \d+ over the last 100 steps/);
    const stored = JSON.parse(JSON.stringify(track.snapshot())) as TrackSnapshot;
    const resumed = follow(SeriesTrack.restore(both, options, stored), growing.slice(300), 300);
    follow(track, growing.slice(300), 300);
    expect(resumed.forecast(4, [0.8])).toEqual(track.forecast(4, [0.8]));
    expect(resumed.snapshot()).toEqual(track.snapshot());
    // Taken away again, it steps down.
    expect(SeriesTrack.restore([seasonalNaive], options, stored).championId).toBe('seasonal-naive');
  });

  test.each([
    ['a module that is not there', 'export default 1', 'gone.mjs', /gone.mjs/],
    ['no default export', 'export const a = 1', 'a.mjs', /no default export/],
    ['something else', 'export default { id: "x" }', 'a.mjs', /\{"id":"x"\}/],
    [
      'one whose name is taken',
      'const f = () => 0; export default { id: "mixture", version: 1, create: f, restore: f }',
      'a.mjs',
      /another predictor called mixture/,
    ],
  ])('%s is refused, with what was expected', async (_, text, path, got) => {
    const dir = mkdtempSync(join(tmpdir(), 'balance-plugin-'));
    writeFileSync(join(dir, 'a.mjs'), text);
    await expect(load(join(dir, path))).rejects.toMatchObject({
      type: 'InvalidPredictor',
      expected: expect.stringContaining('create, restore') as string,
      got: expect.stringMatching(got) as string,
    });
  });
});
