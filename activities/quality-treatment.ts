/** Carries out the corrections that the quality check plans, on copies of the delivered files. */
import { planRound, settleRound, startCorrections } from '../domain/decision/quality/correct.js';
import type { PlannedCorrection } from '../domain/decision/quality/plan-correction.js';
import type { QualityInputs } from '../domain/decision/quality/quality-inputs.js';
import { BalanceError } from '../domain/types/errors.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies } from './dependencies.js';
import { countOrphans } from './orphan-counts.js';
import type { SliceResult } from './ports.js';
import { sampleAsk } from './quality-evidence.js';
import type { QualityStageInputs, StoredTreated } from './quality-stage.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

type Copies = ReadonlyMap<PlannedCorrection, StoredTreated | null>;

/** The treated copies by item, in the order in which they were made; null for one that cannot be made. */
export async function treatSlices(
  deps: StageDependencies,
  context: CycleContext,
  inputs: QualityStageInputs & Pick<QualityInputs, 'items'>,
): Promise<Readonly<Record<string, readonly (StoredTreated | null)[]>>> {
  const treated: Record<string, (StoredTreated | null)[]> = {};
  const files = new Map(inputs.results.flatMap(({ itemId, slice }) => (slice === null ? [] : [[itemId, slice]])));
  let state = startCorrections(inputs);
  for (;;) {
    const planned = planRound(state);
    if (planned.length === 0) return treated;
    const copies = await treatRound(deps, context, inputs, planned, files);
    state = settleRound(state, copies);
    for (const [{ itemId }, copy] of copies) {
      (treated[itemId] ??= []).push(copy);
      if (copy !== null && state.records.get(itemId)!.at(-1)!.applied) files.set(itemId, copy.file);
    }
  }
}

async function treatRound(
  deps: StageDependencies,
  context: CycleContext,
  inputs: QualityStageInputs & Pick<QualityInputs, 'items'>,
  planned: readonly PlannedCorrection[],
  files: ReadonlyMap<string, SliceResult>,
): Promise<Copies> {
  const copies = new Map<PlannedCorrection, StoredTreated | null>();
  for (const plan of planned) {
    const slice = files.get(plan.itemId)!;
    try {
      copies.set(plan, await treat(deps, context, inputs, plan, slice));
    } catch (error) {
      // A file that the engine refuses to treat is delivered or kept back as it is; other faults are retried.
      if (!(error instanceof BalanceError) || (error.kind !== 'usage' && error.kind !== 'refused')) throw error;
      copies.set(plan, null);
    }
  }
  return withOrphans(deps, context, inputs, copies);
}

/** One copy; null where nothing sound or certain is there to make it of. */
async function treat(
  deps: StageDependencies,
  context: CycleContext,
  inputs: QualityStageInputs & Pick<QualityInputs, 'items'>,
  { itemId, action, issue, columns, rules, weights }: PlannedCorrection,
  slice: SliceResult,
): Promise<StoredTreated | null> {
  const item = inputs.items.find(({ id }) => id === itemId)!;
  const ask = {
    ...sampleAsk(context, item, inputs.references?.[item.needId ?? '']),
    ...{ correction: { action, issue, columns, rules, weights }, classColumn: item.classColumn },
    dataset: datasetRef(context, item.dataset),
  };
  const startedMs = deps.now();
  const made = await deps.sliceFiles.correct(slice, ask, cancellation());
  if (made === null) return null;
  const { file, sample, judgedClassCounts, effectiveRows, changedCells } = made;
  const cost = { ms: deps.now() - startedMs, bytes: slice.fileBytes + file.fileBytes };
  return { file, slice: { ...file, classCounts: judgedClassCounts }, sample, effectiveRows, changedCells, cost };
}

/** What the rows that are left refer to: rows dropped or repaired may have been the orphans, or not. */
async function withOrphans(
  deps: StageDependencies,
  context: CycleContext,
  { orphans = {} }: Pick<QualityStageInputs, 'orphans'>,
  copies: Copies,
): Promise<Copies> {
  const referring = [...copies].flatMap(([{ itemId }, copy]) =>
    copy === null || !Object.hasOwn(orphans, itemId) ? [] : [{ itemId, slice: copy.file }],
  );
  if (referring.length === 0) return copies;
  const counted = await countOrphans(deps, context, referring);
  return new Map(
    [...copies].map(([plan, copy]) => [
      plan,
      copy === null || !Object.hasOwn(orphans, plan.itemId) ? copy : { ...copy, orphans: counted[plan.itemId] ?? [] },
    ]),
  );
}
