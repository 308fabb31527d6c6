/** Reads further rows of the same draw, treats them as the others were, and puts them in the place of those that were dropped. */
import type { Grant } from '../domain/decision/batch/grants.js';
import { sliceOf } from '../domain/decision/batch/reads.js';
import type { TopUp } from '../domain/decision/quality/quality-inputs.js';
import { isExhausted, longerDraw, type Draw } from '../domain/decision/quality/top-up.js';
import type { WorkItem } from '../domain/decision/work.js';
import type { Correction } from '../domain/quality/correction.js';
import { BalanceError } from '../domain/types/errors.js';
import { isFault } from './failure.js';
import type { StageDependencies } from './dependencies.js';
import type { CorrectAsk, CorrectedSlice, SliceResult } from './ports.js';
import type { StoredResult, StoredTreated } from './quality-stage.js';
import { readFurther } from './read-further.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

/** A slice that loses rows. */
export interface Losing {
  readonly item: WorkItem;
  readonly grant: Grant;
  /** What was read first. */
  readonly result: StoredResult;
  /** What was done with it before and kept, in order. */
  readonly earlier: readonly Pick<Correction, 'action' | 'issue' | 'columns' | 'rules'>[];
  /** The draw that it is made of by now. */
  readonly drawn: Draw;
  /** Rows that match; absent: they were not counted. */
  readonly available: number | undefined;
  /** How it loses rows. */
  readonly ask: CorrectAsk;
  readonly rows: number;
}

export interface ToppedUp {
  readonly topUp: TopUp;
  /** Null where no row could be had: the slice stays with those that are left. */
  readonly made: CorrectedSlice | null;
  readonly read?: NonNullable<StoredTreated['read']>;
}

/** When further rows are read in one decision. */
export interface TopUpTime {
  /** None are begun later. */
  readonly beginMs: number;
  /** None go on longer. */
  readonly endMs: number;
}

/** @returns null where nothing was dropped, or the slice is no draw: then there is no further row of it */
export async function topUp(
  deps: StageDependencies,
  context: CycleContext,
  losing: Losing,
  left: SliceResult,
  { beginMs, endMs }: TopUpTime,
): Promise<ToppedUp | null> {
  const { item, grant, drawn, rows } = losing;
  const planned = sliceOf(item, grant);
  if (left.rows >= rows || item.window != null || (planned.rows === null && planned.quotas === null)) return null;
  const none = (why: string): ToppedUp => ({ topUp: { replaced: 0, draw: drawn, why }, made: null });
  const why = deps.now() > beginMs ? 'other treatments had taken their time' : whyNone(losing, left);
  if (why !== null) return none(why);
  const exhausted = Object.entries(grant.shortfall ?? {}).flatMap(([name, rowsShort]) => (rowsShort > 0 ? [name] : []));
  const draw = longerDraw(planned, drawn, left, exhausted);
  if (draw === null) return none('every row that matches was drawn');
  try {
    const { read, slice } = await readLonger(deps, context, losing, draw, endMs);
    const made = await treatAgain(deps, losing, slice, planned);
    if (made === null || made.file.rows <= left.rows) return { ...none('no further row is sound'), read };
    const replaced = made.file.rows - left.rows;
    const missing = rows - made.file.rows > 0 ? 'no further row is sound' : null;
    return { topUp: { replaced, draw, why: missing }, made, read };
  } catch (error) {
    // What its source or its data is to blame for leaves the slice shorter, and no more.
    if (!isFault(error)) throw error;
    return none(error.message);
  }
}

/** Why no further row is looked for; null where some is. */
function whyNone({ item, grant, earlier, drawn, result, available }: Losing, left: SliceResult): string | null {
  if (earlier.some(({ action }) => action !== 'repair' && action !== 'drop-rows'))
    return 'cells were filled from the rows that it had';
  if (grant.quotas !== null && (left.classCounts === null || !item.fields.includes(item.classColumn!)))
    return 'its classes are not among its fields';
  const known = { wanted: sliceOf(item, grant), drawn, found: result.slice!.rows, counted: available };
  if (isExhausted(known)) return 'every row that matches was drawn';
  return null;
}

/** The same content as it was, so that the draw goes on where it ended. */
async function readLonger(
  deps: StageDependencies,
  context: CycleContext,
  { item, grant, result, ask: { dataset } }: Losing,
  draw: Draw,
  endMs: number,
) {
  const slices = [{ ...sliceOf(item, grant), ...draw }];
  const { asOfMs, contentId } = result;
  const rows = draw.rows!;
  const predictedBytes = (grant.bytes * rows) / Math.max(1, grant.rows);
  const charged = { source: dataset.sourceId, predictedBytes, predictedRows: rows };
  const read = { id: `top-up ${item.id}`, dataset, asOfMs, contentId, slices };
  const { result: found } = await readFurther(deps, context, read, charged, endMs);
  if (found.slices.length === 0) {
    const { type, reason } = found.failures[0];
    throw new BalanceError('refused', { type, message: reason });
  }
  return {
    slice: found.slices[0],
    read: { source: dataset.sourceId, rows: found.rowsRead, chargedBytes: found.bytesRead },
  };
}

/** What was done with the slice, done with the longer one; of the rows that are left the first, as many as were wanted. */
async function treatAgain(
  deps: StageDependencies,
  { ask, earlier }: Losing,
  slice: SliceResult,
  limit: Draw,
): Promise<CorrectedSlice | null> {
  let file = slice;
  for (const { action, issue, columns, rules } of earlier) {
    const correction = { action, issue, columns, weights: null, ...(rules === undefined ? {} : { rules }) };
    file = (await deps.sliceFiles.correct(file, { ...ask, correction }, cancellation()))?.file ?? file;
  }
  return deps.sliceFiles.correct(file, { ...ask, limit }, cancellation());
}
