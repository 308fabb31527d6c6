/** What the coordinate stage decides from: the records of the stages before it, and nothing else. */
import { snapshotOf, type AnalyzeInputs, type AnalyzeOutcome } from '../domain/decision/analyze/analyze.js';
import type { BatchOutcome } from '../domain/decision/batch/batch.js';
import type { CoordinateInputs } from '../domain/decision/coordinate/coordinate.js';
import type { QualityOutcome } from '../domain/decision/quality/quality-inputs.js';
import type { QualityStageInputs } from './quality-stage.js';
import type { StageRecord } from './store-ports.js';

/** The stage's inputs, from what is stored: replay uses the same function. */
export function coordinateInputs(analyzed: StageRecord, planned: StageRecord, checked: StageRecord): CoordinateInputs {
  const facts = analyzed.inputs as AnalyzeInputs;
  const analysis = analyzed.outcome as AnalyzeOutcome;
  const plan = planned.outcome as BatchOutcome;
  const quality = checked.inputs as QualityStageInputs;
  const judged = checked.outcome as QualityOutcome;
  const { results, underWay = [] } = quality;
  const behind = new Set(underWay.map(({ itemId }) => itemId));
  const refused = new Set(analysis.refusals.map(({ itemId }) => itemId));
  return {
    items: facts.items,
    snapshot: snapshotOf(
      facts,
      facts.items.filter(({ id }) => !refused.has(id)),
    ),
    grants: behind.size === 0 ? plan.grants : plan.grants.filter(({ itemId }) => !behind.has(itemId)),
    verdicts: judged.verdicts,
    refusals: [...analysis.refusals, ...plan.refusals],
    waiting: [...analysis.waiting, ...plan.waiting, ...underWay],
    nowMs: facts.nowMs,
    failed: results.flatMap(({ itemId, failure }) => (failure === null ? [] : [{ itemId, ...failure }])),
    ...(quality.ways === undefined
      ? {}
      : {
          found: {
            quality: { ...quality, items: facts.items },
            findings: analysis.analysis.findings,
            ...{ circuits: judged.circuits ?? {}, asked: quality.asked ?? {} },
          },
        }),
  };
}
