/**
 * The package's public API: the client of a running Balance, and the deciding kernels on their own, one value at a time.
 * Kernels are pure: time is an argument, state is plain JSON, the same input gives the same output.
 */
export * from './index.js';

// Forecasts, capacity and accuracy (docs/FORECASTING.md).
export {
  createSeriesForecaster,
  restoreSeriesForecaster,
  type SeriesForecast,
  type SeriesForecaster,
  type SeriesSnapshot,
} from '../domain/prediction/series-forecaster.js';
export { createSeriesStream, restoreSeriesStream } from '../domain/prediction/series-stream.js';
export { forecastSeries } from '../domain/prediction/forecast-batch.js';
export { backtestSeries } from '../domain/prediction/backtest.js';
export { createPeakPlanner, restorePeakPlanner } from '../domain/prediction/peak-planner.js';
export { defaultPredictors } from '../domain/prediction/predictors.js';
export type { Predictor, PredictorOptions, PredictorRun } from '../domain/prediction/predictor.js';
export { createAccuracyMonitor, restoreAccuracyMonitor } from '../domain/prediction/accuracy-monitor.js';

// Anomalies and patterns (docs/ANOMALIES.md).
export { createAnomalyDetector, restoreAnomalyDetector } from '../domain/prediction/anomaly.js';
export { analyzePatterns } from '../domain/prediction/pattern.js';

// Fair allocation, priority and schedules (docs/ALLOCATION.md).
export { allocate, allocateOverTime } from '../domain/scheduler/resource-allocator.js';
export { checkCertificate } from '../domain/scheduler/allocation-certificate.js';
export { priorityOf } from '../domain/scheduler/priority.js';
export { orderDependencies } from '../domain/scheduler/dependency-graph.js';
export { scheduleTasks } from '../domain/scheduler/task-scheduler.js';

// Merging, batching and release (docs/BATCHING.md).
export { parsePredicate, formatPredicate, type Predicate } from '../domain/types/predicate.js';
export { planMergedReads } from '../domain/batch/merge.js';
export { createReleasePolicy, releasePolicyAfter, restoreReleasePolicy } from '../domain/batch/release-policy.js';
export { composeBatches } from '../domain/batch/composition.js';
export { levelLoad } from '../domain/batch/load-levelling.js';

// Quality, drift and balance (docs/QUALITY.md, docs/DRIFT.md).
export { profileTable } from '../domain/quality/profile.js';
export { gate } from '../domain/quality/gate.js';
export { detectDrift } from '../domain/quality/shift.js';
export { createShiftDetector } from '../domain/quality/watch.js';
export { planMixture } from '../domain/quality/mixture.js';
export { defaultAnalyzers, runAnalyzers } from '../domain/analyzers/registry.js';
