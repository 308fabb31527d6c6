/** The JSON contract of `balance merge`: its validation, and the keys of a request as segments. */
import { z } from 'zod';
import { shown, usageError, type BalanceError } from '../types/errors.js';
import { parsePredicate, type Literal, type Predicate } from '../types/predicate.js';
import { normalise } from './predicate-algebra.js';
import { mergeRanges, type RangeMergeResult, type RangeRequest } from './range-merge.js';
import { segmentsOf, type Segments } from './segments.js';

const key = z.int().describe('A whole number that a 64-bit float holds exactly.');
const requestSchema = z.object({
  id: z.string().min(1),
  model: z.string().optional(),
  dataset: z.string().min(1),
  fields: z.array(z.string().min(1)).min(1),
  ranges: z
    .array(z.tuple([key, key]))
    .optional()
    .describe('Half-open: [lo, hi).'),
  keys: z.array(key).optional(),
  where: z.string().optional().describe('A predicate that bounds one whole-number column on both sides.'),
  freshnessMs: z.number().min(0).nullish(),
  deadlineMs: z.number().nullish(),
  allowedFields: z.array(z.string()).nullish().describe('Fields that the requester may see; absent: all.'),
});

/** One instance as it comes: `cost` in one common unit; the default counts cells only, so that no gap is bridged. */
export const mergeInstanceSchema = z.object({
  requests: z.array(requestSchema),
  cost: z
    .object({ perOperation: z.number().min(0), perUnit: z.number().min(0) })
    .default({ perOperation: 0, perUnit: 1 }),
});
type RawRequest = z.infer<typeof requestSchema>;

function invalid(message: string, expected: string, got: string): BalanceError {
  return usageError({ type: 'InvalidMerge', message, expected, got, hint: 'See balance merge --help.' });
}

const pointsOf = (values: readonly number[]): [number, number][] => values.map((value) => [value, value + 1]);

/** Whole-number keys of the one column that `where` bounds, and that column's name. */
function keysOfPredicate(where: Predicate, id: string): { readonly column: string; readonly keys: Segments } {
  const unbounded = (got: string) =>
    invalid(`request ${id}: where must bound one whole-number column`, 'for example k >= 0 AND k < 100', got);
  const sides = normalise(where);
  if (sides.length !== 1) throw unbounded(`${sides.length} columns`);
  const [{ column, nulls, values, low, high, among, except, opaque }] = sides;
  if (nulls || opaque.length > 0) throw unbounded(`${column} with other conditions`);
  if (!values) return { column, keys: [] };
  const numeric = (value: Literal): number => {
    if (typeof value !== 'number') throw unbounded(JSON.stringify(value));
    return value;
  };
  if (among !== null) return { column, keys: segmentsOf(pointsOf(among.map(numeric).filter(Number.isInteger))) };
  if (low === null || high === null)
    throw unbounded(`${column} without ${low === null ? 'a lower' : 'an upper'} bound`);
  const from = low.inclusive ? Math.ceil(numeric(low.value)) : Math.floor(numeric(low.value)) + 1;
  const to = high.inclusive ? Math.floor(numeric(high.value)) + 1 : Math.ceil(numeric(high.value));
  const pairs: [number, number][] = [];
  let at = from;
  for (const hole of except.map(numeric).filter(Number.isInteger)) {
    pairs.push([at, Math.min(hole, to)]);
    at = Math.max(at, hole + 1);
  }
  return { column, keys: segmentsOf([...pairs, [at, to]]) };
}

function keysOf(request: RawRequest, columns: Map<string, string>): Segments {
  const { id, dataset, ranges, keys, where } = request;
  const given = [ranges, keys, where].filter((form) => form !== undefined).length;
  if (given !== 1) throw invalid(`request ${id} must say which keys`, 'one of ranges, keys, where', `${given} of them`);
  if (keys !== undefined) return segmentsOf(pointsOf(keys));
  if (ranges !== undefined) {
    const backward = ranges.find(([lo, hi]) => lo > hi);
    if (backward !== undefined)
      throw invalid(`request ${id} has a range that ends before it begins`, 'lo <= hi', JSON.stringify(backward));
    return segmentsOf(ranges);
  }
  const bounded = keysOfPredicate(parsePredicate(where!), id);
  const first = columns.get(dataset) ?? bounded.column;
  columns.set(dataset, first);
  if (first !== bounded.column) {
    throw invalid(`request ${id}: dataset ${dataset} is keyed by another column`, first, bounded.column);
  }
  return bounded.keys;
}

/**
 * Plans one instance of `balance merge` from unknown JSON. Further properties of a request are ignored.
 * @throws usage error `InvalidMerge` with the path of the first offence; `InvalidPredicate` for a malformed `where`.
 */
export function mergeInstance(value: unknown): RangeMergeResult {
  const parsed = mergeInstanceSchema.safeParse(value, { reportInput: true });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const expected = 'an object {requests: [{id, model, dataset, fields, ranges | keys | where}], cost}';
    throw invalid(`${issue.path.join('.') || 'instance'}: ${issue.message}`, expected, shown(issue.input));
  }
  const { requests, cost } = parsed.data;
  const seen = new Set<string>();
  const columns = new Map<string, string>();
  const ranged = requests.map((request): RangeRequest => {
    const { id, dataset, fields, allowedFields } = request;
    if (seen.has(id)) throw invalid(`two requests are called ${id}`, 'one id per request', id);
    seen.add(id);
    return { id, dataset, fields, keys: keysOf(request, columns), allowedFields: allowedFields ?? undefined };
  });
  return mergeRanges(ranged, cost);
}
