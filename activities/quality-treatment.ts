/** Carries out the corrections that the quality check plans, on copies of the delivered files. */
import { planRound, settleRound, startCorrections } from '../domain/decision/quality/correct.js';
import type { PlannedCorrection } from '../domain/decision/quality/plan-correction.js';
import type { QualityInputs } from '../domain/decision/quality/quality-inputs.js';
import { BalanceError } from '../domain/types/errors.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies } from './dependencies.js';
import type { Grant } from '../domain/decision/batch/grants.js';
import { countOrphans } from './orphan-counts.js';
import type { SliceResult } from './ports.js';
import { sampleAsk } from './quality-evidence.js';
import type { QualityStageInputs, StoredTreated } from './quality-stage.js';
import { topUp, type Losing, type TopUpTime } from './quality-top-up.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

type Copies = ReadonlyMap<PlannedCorrection, StoredTreated | null>;

/** No further read of rows begins later than this after the first copy. */
const TOP_UP_MS = 30_000;

/**
 * The treated copies by item, in the order in which they were made; null for one that cannot be made.
 *
 * @param endMs when the last read of further rows must have ended
 */
export async function treatSlices(
  deps: StageDependencies,
  context: CycleContext,
  inputs: QualityStageInputs & Pick<QualityInputs, 'items'>,
  grants: readonly Grant[],
  endMs: number,
): Promise<Readonly<Record<string, readonly (StoredTreated | null)[]>>> {
  const treated: Record<string, (StoredTreated | null)[]> = {};
  const treatments = treatmentsOf(inputs, grants);
  const time = { beginMs: deps.now() + TOP_UP_MS, endMs };
  let state = startCorrections(inputs);
  for (;;) {
    const planned = planRound(state);
    if (planned.length === 0) return treated;
    const made = new Map<PlannedCorrection, StoredTreated | null>();
    for (const plan of planned)
      made.set(plan, await tryToTreat(deps, context, inputs, plan, treatments.get(plan.itemId)!, time));
    const copies = await withOrphans(deps, context, inputs, made);
    state = settleRound(state, copies);
    for (const [plan, copy] of copies) {
      const { itemId } = plan;
      (treated[itemId] ??= []).push(copy);
      if (copy === null || !state.records.get(itemId)!.at(-1)!.applied) continue;
      const known = treatments.get(itemId)!;
      const drawn = copy.topUp?.draw ?? known.drawn;
      treatments.set(itemId, { ...known, file: copy.file, drawn, earlier: [...known.earlier, plan] });
    }
  }
}

/** A slice under treatment: its file as it is by now, and how it came to be. */
interface Treatment extends Pick<Losing, 'item' | 'grant' | 'result' | 'earlier' | 'drawn' | 'available'> {
  readonly file: SliceResult;
}

function treatmentsOf(
  { items, results, available }: QualityStageInputs & Pick<QualityInputs, 'items'>,
  grants: readonly Grant[],
): Map<string, Treatment> {
  const itemOf = new Map(items.map((item) => [item.id, item]));
  const grantOf = new Map(grants.map((grant) => [grant.itemId, grant]));
  return new Map(
    results.flatMap((result) => {
      const { itemId, slice: file } = result;
      if (file === null) return [];
      const [item, grant] = [itemOf.get(itemId)!, grantOf.get(itemId)!];
      const drawn = { rows: grant.rows, quotas: grant.quotas };
      return [[itemId, { item, grant, result, file, drawn, earlier: [], available: available?.[itemId] }] as const];
    }),
  );
}

/** One copy; null where nothing sound or certain is there to make it of, or the engine refuses to. */
async function tryToTreat(
  ...[deps, context, inputs, plan, treatment, time]: TreatArguments
): Promise<StoredTreated | null> {
  try {
    return await treat(deps, context, inputs, plan, treatment, time);
  } catch (error) {
    // A file that the engine refuses to treat is delivered or kept back as it is; other faults are retried.
    if (!(error instanceof BalanceError) || (error.kind !== 'usage' && error.kind !== 'refused')) throw error;
    return null;
  }
}
type TreatArguments = Parameters<typeof treat>;

async function treat(
  deps: StageDependencies,
  context: CycleContext,
  inputs: QualityStageInputs,
  { action, issue, columns, rules, weights }: PlannedCorrection,
  { file: slice, ...treatment }: Treatment,
  time: TopUpTime,
): Promise<StoredTreated | null> {
  const { item } = treatment;
  const ask = {
    ...sampleAsk(context, item, inputs.references?.[item.needId ?? '']),
    ...{ correction: { action, issue, columns, rules, weights }, classColumn: item.classColumn },
    dataset: datasetRef(context, item.dataset),
  };
  const startedMs = deps.now();
  const left = await deps.sliceFiles.correct(slice, ask, cancellation());
  if (left === null) return null;
  const losing = { ...treatment, ask, rows: slice.rows };
  const more = action === 'drop-rows' ? await topUp(deps, context, losing, left.file, time) : null;
  const { file, sample, judgedClassCounts, effectiveRows, changedCells } = more?.made ?? left;
  const cost = {
    ms: deps.now() - startedMs,
    bytes: slice.fileBytes + file.fileBytes + (more?.read?.chargedBytes ?? 0),
  };
  return {
    ...{ file, slice: { ...file, classCounts: judgedClassCounts }, sample, effectiveRows, changedCells, cost },
    ...(more === null ? {} : { topUp: more.topUp, ...(more.read === undefined ? {} : { read: more.read }) }),
  };
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
