/** The predictors of a cycle. A new one is one file, one entry here, one line in the conformance test. */
import type { Predictor } from './predictor.js';
import { seasonalNaive } from './seasonal-naive.js';
import { createSeriesForecaster, restoreSeriesForecaster, type SeriesSnapshot } from './series-forecaster.js';

/** The online mixture of experts: the champion of a series until another has proven better on it. */
export const mixture: Predictor = {
  id: 'mixture',
  version: 2,
  create: ({ seasons, similar }) => createSeriesForecaster({ seasons, similar: similar as readonly SeriesSnapshot[] }),
  restore: (snapshot) => restoreSeriesForecaster(snapshot as SeriesSnapshot),
};

/** The first is every series' champion at the beginning. */
export const defaultPredictors: readonly Predictor[] = [mixture, seasonalNaive];
