/** Carries out the corrections that the quality check plans, on copies of the delivered files. */
import { planCorrections } from '../domain/decision/quality/correct.js';
import { judgeAll } from '../domain/decision/quality/judge-slice.js';
import type { QualityInputs } from '../domain/decision/quality/quality-inputs.js';
import { BalanceError } from '../domain/types/errors.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies } from './dependencies.js';
import { countOrphans } from './orphan-counts.js';
import { sampleAsk } from './quality-evidence.js';
import type { QualityStageInputs, StoredTreated } from './quality-stage.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

/** The treated copies by item. One that cannot be made is left out: its plain slice is judged alone. */
export async function treatSlices(
  deps: StageDependencies,
  context: CycleContext,
  inputs: QualityStageInputs & Pick<QualityInputs, 'items'>,
): Promise<Readonly<Record<string, StoredTreated>>> {
  const planned = planCorrections(inputs, judgeAll(inputs));
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const slices = new Map(inputs.results.map(({ itemId, slice }) => [itemId, slice!]));
  const signal = cancellation();
  const treated: Record<string, StoredTreated> = {};
  for (const { itemId, action, issue, columns, rules, weights } of planned) {
    const item = items.get(itemId)!;
    const ask = {
      ...sampleAsk(context, item, inputs.references?.[item.needId ?? '']),
      ...{ correction: { action, issue, columns, rules, weights }, classColumn: item.classColumn },
      dataset: datasetRef(context, item.dataset),
    };
    const startedMs = deps.now();
    try {
      const made = await deps.sliceFiles.correct(slices.get(itemId)!, ask, signal);
      if (made === null) continue;
      const { file, sample, judgedClassCounts, effectiveRows, changedCells } = made;
      const slice = { ...file, classCounts: judgedClassCounts };
      const cost = { ms: deps.now() - startedMs, bytes: slices.get(itemId)!.fileBytes + file.fileBytes };
      treated[itemId] = { file, slice, sample, effectiveRows, changedCells, cost };
    } catch (error) {
      // A file that the engine refuses to treat is delivered or kept back as it is; other faults are retried.
      if (!(error instanceof BalanceError) || (error.kind !== 'usage' && error.kind !== 'refused')) throw error;
    }
  }
  return withOrphans(deps, context, inputs, treated);
}

/** What the rows that are left refer to: rows dropped or repaired may have been the orphans, or not. */
async function withOrphans(
  deps: StageDependencies,
  context: CycleContext,
  { orphans = {} }: Pick<QualityStageInputs, 'orphans'>,
  treated: Readonly<Record<string, StoredTreated>>,
): Promise<Readonly<Record<string, StoredTreated>>> {
  const referring = Object.keys(treated).filter((itemId) => Object.hasOwn(orphans, itemId));
  if (referring.length === 0) return treated;
  const files = referring.map((itemId) => ({ itemId, slice: treated[itemId].file }));
  const counted = await countOrphans(deps, context, files);
  const now = referring.map((itemId) => [itemId, { ...treated[itemId], orphans: counted[itemId] ?? [] }] as const);
  return { ...treated, ...Object.fromEntries(now) };
}
