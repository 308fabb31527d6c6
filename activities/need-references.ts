/** What deliveries of needs are compared with: what is declared of it is looked at when its content is new. */
import { SAMPLE_ROWS_MAX, type Sample } from '../domain/quality/sample.js';
import { READ_WAIT_MS_MAX } from '../domain/decision/batch/read-wait.js';
import { needQuestion, type NeedReference } from '../domain/decision/quality/reference.js';
import type { WorkItem } from '../domain/decision/work.js';
import { BalanceError } from '../domain/types/errors.js';
import type { Predicate } from '../domain/types/predicate.js';
import { formatDuration } from '../domain/types/units.js';
import { isFault } from './failure.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies } from './dependencies.js';
import type { DatasetRef, DatasetState } from './ports.js';
import { pacingOf } from './pacing.js';
import { takeQuota } from './quota.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

type Need = WorkItem & { readonly needId: string };
/** What is about to be drawn of a reference. */
interface Sampled {
  readonly ref: DatasetRef;
  readonly needId: string;
  readonly endMs: number;
  readonly rows: number;
  readonly columns: DatasetState['columns'];
  readonly fields: readonly string[];
}

type Declaring = Need & Required<Pick<WorkItem, 'reference'>>;

export interface LookedReferences {
  /** By need; a need without an entry has nothing to be compared with. */
  readonly references: Readonly<Record<string, NeedReference>>;
  /** What became of the declared ones, in a sentence each, by need. */
  readonly notes: readonly string[];
  /** Why a declared one is not known, by need. */
  readonly unreferenced: Readonly<Record<string, string>>;
}

/** What is kept of each need's reference and answers what the need asks now. */
export async function keptReferences(
  deps: StageDependencies,
  context: CycleContext,
): Promise<Readonly<Record<string, NeedReference>>> {
  const needs = needsOf(context);
  const kept = await deps.history.references(
    context,
    needs.map(({ needId }) => needId),
  );
  return Object.fromEntries(
    needs.flatMap((item) => {
      const reference = kept[item.needId] as NeedReference | undefined;
      return reference?.question === needQuestion(item) ? [[item.needId, reference] as const] : [];
    }),
  );
}

/** The same after each declared reference was looked at; one whose content is the kept one is not read. */
export async function lookAtReferences(deps: StageDependencies, context: CycleContext): Promise<LookedReferences> {
  const kept = await keptReferences(deps, context);
  const declaring = needsOf(context)
    .flatMap((item): Declaring[] => (item.reference === undefined ? [] : [{ ...item, reference: item.reference }]))
    .sort((a, b) => (a.needId < b.needId ? -1 : 1));
  const states = new Map<string, DatasetState>();
  const endMs = deps.now() + (context.definition.reads?.waitMax ?? READ_WAIT_MS_MAX);
  const fresh: { readonly needId: string; readonly reference: NeedReference }[] = [];
  const notes: string[] = [];
  const unreferenced: Record<string, string> = {};
  for (const item of declaring) {
    const { needId } = item;
    const { dataset } = item.reference;
    const known = kept[needId] as NeedReference | undefined;
    try {
      const state = states.get(dataset) ?? (await describe(deps, context, dataset));
      states.set(dataset, state);
      const isKnown = known?.declared?.version === state.version;
      const reference = isKnown ? known : await look(deps, context, item, state, endMs);
      if (!isKnown) fresh.push({ needId, reference });
      const { version, missing } = reference.declared!;
      const lacks = missing.length === 0 ? '' : `; it has no ${missing.join(', ')}, which cannot be compared`;
      notes.push(
        `${needId} is compared with ${dataset} (${version}), ${isKnown ? 'as it is known' : 'read now'}${lacks}`,
      );
    } catch (error) {
      // What cannot be looked at is told; what a retry may mend is retried.
      if (!isFault(error)) throw error;
      // A source that does not answer now, or may give no more, says nothing against what it held.
      const isLater = error.kind === 'unreachable' || error.type === 'QuotaUsedUp';
      const stands = isLater && known !== undefined;
      if (!stands) unreferenced[needId] = error.message;
      notes.push(
        `${needId}: ${dataset} cannot be looked at: ${error.message}; ${stands ? `it is compared with version ${known.declared!.version}, as it is known` : 'its drift is not known'}`,
      );
    }
  }
  if (fresh.length > 0) await deps.history.saveReferences(context, fresh, deps.now());
  const all = [...Object.entries(kept), ...fresh.map(({ needId, reference }) => [needId, reference] as const)];
  const references = Object.fromEntries(all.filter(([needId]) => !Object.hasOwn(unreferenced, needId)));
  return { references, notes, unreferenced };
}

/** The items as the later stages read them: a class mix that a reference has is the target. */
export function withTargets(items: readonly WorkItem[], { references }: LookedReferences): readonly WorkItem[] {
  return items.map((item) => {
    const population = item.reference?.isTarget === true ? references[item.needId ?? '']?.population : null;
    return population == null ? item : { ...item, target: population };
  });
}

function needsOf({ items }: CycleContext): Need[] {
  return items.flatMap((item) => (item.needId === null ? [] : [{ ...item, needId: item.needId }]));
}

async function describe(deps: StageDependencies, context: CycleContext, dataset: string): Promise<DatasetState> {
  if (Object.hasOwn(context.rests.resting, dataset))
    // Its stand-in is not what the model was trained on.
    throw new BalanceError('unreachable', { type: 'DatasetRests', message: `dataset ${dataset} rests` });
  return deps.data.describe(datasetRef(context, dataset), context.asOfMs, cancellation());
}

/** Reads what the need's model was trained on: the columns of the need, and of its conditions those that can hold there. */
async function look(
  deps: StageDependencies,
  context: CycleContext,
  item: Declaring,
  { version, columns }: DatasetState,
  endMs: number,
): Promise<NeedReference> {
  const { dataset } = item.reference;
  const has = new Set(columns.map(({ name }) => name));
  const ref = datasetRef(context, dataset);
  const own = context.definition.datasets[item.dataset];
  const moving = [own, ref.definition].flatMap(({ key = [], eventTime }) => [...key, eventTime ?? []].flat());
  // When a row happened says nothing about another time's rows.
  const where: Predicate = item.where.filter(({ column }) => has.has(column) && column !== own.eventTime);
  const fields = item.fields.filter((name) => has.has(name));
  const classColumn = item.classColumn !== null && has.has(item.classColumn) ? item.classColumn : null;
  const wanted = [...new Set([...item.fields, ...(item.classColumn === null ? [] : [item.classColumn])])];
  const missing = wanted.filter((name) => !has.has(name));
  const lacking = (got: string): BalanceError =>
    new BalanceError('usage', {
      type: 'UnusableReference',
      message: `dataset ${dataset}, the reference of ${item.needId}, has ${got}`,
      expected: `rows with columns of ${item.needId}: ${wanted.join(', ')}`,
      got,
    });
  if (fields.length === 0) throw lacking('none of its columns');
  if (item.reference.isTarget && classColumn === null) throw lacking(`no column ${item.classColumn}`);
  const signal = cancellation();
  const [measured] = await deps.data.measure(
    ref,
    context.asOfMs,
    [{ id: dataset, where, fields: [], classColumn }],
    signal,
  );
  if (measured.rows === 0) throw lacking('no row that matches its where');
  const sampled = { rows: Math.min(measured.rows, SAMPLE_ROWS_MAX), columns, fields };
  const sample = await limited(deps, context, { ref, needId: item.needId, endMs, ...sampled }, () =>
    deps.data.sample(ref, context.asOfMs, { fields, where, moving }, signal),
  );
  return {
    ...{ asOfMs: context.asOfMs, decisionId: context.decisionId, question: needQuestion(item) },
    ...{ sample, population: measured.classCounts, settling: 0, declared: { dataset, version, missing } },
  };
}

/**
 * Takes a sample of a reference under the limits of its source. Nobody may wait long for it: it takes of the limits per
 * second what it may begin with, and leaves the rest as a debt that later reads wait for.
 *
 * @throws BalanceError `QuotaUsedUp`, `ReferenceWaits`: the limits leave no room for it before `endMs`
 */
async function limited(
  deps: StageDependencies,
  context: CycleContext,
  { ref, needId, endMs, rows, columns, fields }: Sampled,
  take: () => Promise<Sample>,
): Promise<Sample> {
  const width = columns.reduce((sum, { name, bytesPerValue }) => sum + (fields.includes(name) ? bytesPerValue : 0), 0);
  const source = ref.sourceId;
  const foreseen = { source, predictedRows: rows, predictedBytes: rows * width };
  const settle = await takeQuota(deps, context, `reference of ${needId}`, foreseen);
  const cancelled = cancellation();
  const withinMs = Math.max(0, endMs - deps.now());
  const late = AbortSignal.timeout(withinMs);
  const pacing = pacingOf(deps, context, foreseen, AbortSignal.any([cancelled, late]));
  let sample: Sample | null = null;
  try {
    await pacing.begin();
    sample = await take();
  } catch (error) {
    const isLate = late.aborted && !cancelled.aborted && error instanceof BalanceError && error.kind === 'interrupted';
    if (!isLate) throw error;
    const message = `the limits of source ${source} leave no room for it within ${formatDuration(withinMs)}`;
    throw new BalanceError('unreachable', { type: 'ReferenceWaits', message });
  } finally {
    const read = sample === null ? null : { rows: sample.rows, bytes: sample.rows * width };
    await pacing.end(read);
    // Of one that was stopped some may have left: what was foreseen stays counted.
    if (!cancelled.aborted) await settle(read?.bytes ?? 0);
  }
  return sample;
}
