/** The activities: each loads what its stage needs, calls one area of `domain/`, and stores what came out. */
import { createAnalyze } from './analyze.js';
import { createBatch } from './batch.js';
import { createCoordinate } from './coordinate.js';
import type { ActivityDependencies, StageDependencies } from './dependencies.js';
import { withTypedFailures } from './failure.js';
import { createOpen } from './open.js';
import { createPredict } from './predict.js';
import { createQualityCheck } from './quality-check.js';
import { createReadBatch } from './read-batch.js';
import { createContexts, keptStages } from './stage.js';
import { createTrigger } from './trigger.js';

export function createActivities(dependencies: ActivityDependencies) {
  const deps: StageDependencies = {
    ...dependencies,
    contextOf: createContexts(dependencies),
    stages: keptStages(dependencies.stages),
  };
  return withTypedFailures({
    ...createOpen(deps),
    ...createAnalyze(deps),
    ...createPredict(deps),
    ...createBatch(deps),
    ...createReadBatch(deps),
    ...createQualityCheck(deps),
    ...createCoordinate(deps),
    ...createTrigger(deps),
  });
}
export type Activities = ReturnType<typeof createActivities>;
