/**
 * Which requests one read serves. Requests on the same version of a dataset whose rows are equal, contained, overlapping
 * or adjacent become one read of the OR of their predicates and the union of their fields, when the data plane gains by
 * it; each member is later handed its own rows and fields only. The plan carries the reasons and can be validated.
 */
import { usageError } from '../types/errors.js';
import { predicateColumns, type Predicate } from '../types/predicate.js';
import { FieldSets } from './field-sets.js';
import { groupNodes, type GroupEntry, type MemberRelation, type MergeNode, type NodeGroup } from './merge-groups.js';
import { boxContains, boxKey, normalise, type Box } from './predicate-algebra.js';
import type { MergeRequest, ReadRequest } from './read-request.js';

export type { MemberRelation } from './merge-groups.js';
export type { ReadRequest } from './read-request.js';

export interface MergeOptions {
  /** Cost of one read, and of one cell (row x field) read, in one common unit. Default: a read costs nothing extra. */
  readonly cost?: { readonly perOperation: number; readonly perUnit: number };
  /** Expected rows by request id, of requests that do not say so themselves. Unknown ones count as one row. */
  readonly estimatedRows?: Readonly<Record<string, number>>;
  /** Longest OR of one read; a larger group is cut. Default 64: what a source still evaluates without losing its pushdown. */
  readonly predicatesMax?: number;
}

export interface ReadMember {
  readonly requestId: string;
  readonly relation: MemberRelation;
  readonly reason: string;
}

export interface MergedRead {
  readonly id: string;
  readonly dataset: string;
  readonly datasetVersion: string;
  /** Sorted union of the members' fields and of the columns that their predicates need. */
  readonly fields: readonly string[];
  /** The read is the OR of these; one empty predicate is every row. */
  readonly predicates: readonly Predicate[];
  readonly members: readonly ReadMember[];
  /** Highest priority and earliest deadline of the members. */
  readonly priority: number;
  readonly deadlineMs: number | null;
}

export interface RefusedRequest {
  readonly requestId: string;
  readonly type: 'FieldNotAllowed' | 'NoFields';
  readonly reason: string;
}

export interface MergePlan {
  readonly reads: readonly MergedRead[];
  readonly refused: readonly RefusedRequest[];
}

const PREDICATES_MAX_DEFAULT = 64;

const byText = (a: string, b: string): number => (a < b ? -1 : a === b ? 0 : 1);

function refusalOf(request: MergeRequest): RefusedRequest | null {
  if (request.fields.length === 0) {
    return { requestId: request.id, type: 'NoFields', reason: `request ${request.id} names no field` };
  }
  if (request.allowedFields === undefined) return null;
  const allowed = new Set(request.allowedFields);
  // A filter on a hidden column would reveal it, so predicate columns count as seen.
  const hidden = [...request.fields, ...predicateColumns(request.where)].filter((field) => !allowed.has(field));
  if (hidden.length === 0) return null;
  const names = [...new Set(hidden)].sort().join(', ');
  return {
    requestId: request.id,
    type: 'FieldNotAllowed',
    reason: `request ${request.id}: model ${request.model} may not see ${names} of ${request.dataset}`,
  };
}

/** Rows that a predicate asks for, worked out once for each way of writing it. */
interface Asked {
  readonly box: Box;
  readonly key: string;
  /** Its columns, in the bucket's `FieldSets`. */
  readonly columns: number;
}

/** One node per distinct set of rows asked of one dataset version. */
function nodesOf<R extends MergeRequest>(
  requests: readonly R[],
  fieldSets: FieldSets,
  options: MergeOptions,
): MergeNode<R>[][] {
  const buckets = new Map<string, Map<string, MergeNode<R>>>();
  const known = new Map<string, Asked>();
  for (const request of requests) {
    const written = JSON.stringify(request.where);
    let asked = known.get(written);
    if (asked === undefined) {
      const box = normalise(request.where);
      asked = { box, key: boxKey(box), columns: fieldSets.intern([...box.keys()]) };
      known.set(written, asked);
    }
    const source = `${request.dataset}\0${request.datasetVersion}`;
    let bucket = buckets.get(source);
    if (bucket === undefined) buckets.set(source, (bucket = new Map<string, MergeNode<R>>()));
    const fields = fieldSets.union(fieldSets.intern(request.fields), asked.columns);
    const rows = request.estimatedRows ?? options.estimatedRows?.[request.id] ?? 1;
    const node = bucket.get(asked.key);
    if (node === undefined) {
      const { box, key } = asked;
      bucket.set(key, { key, box, where: request.where, fields, rows, requests: [request] });
    } else {
      node.requests.push(request);
      node.fields = fieldSets.union(node.fields, fields);
      node.rows = Math.max(node.rows, rows);
    }
  }
  return [...buckets.values()].map((bucket) => [...bucket.values()]);
}

function reasonOf(entry: GroupEntry<ReadRequest>, request: ReadRequest, alone: boolean): string {
  const { node, relation, other } = entry;
  if (alone) return 'no other request shares or borders its rows at a gain';
  const twin = node.requests[node.requests[0] === request ? 1 : 0] as ReadRequest | undefined;
  const id = other === null ? twin?.id : other.requests[0].id;
  switch (relation) {
    case 'equal':
      return id === undefined ? 'its rows are those of the read' : `asks for the same rows as ${id}`;
    case 'contained':
      return `its rows lie within those of ${id}`;
    case 'adjacent':
      return `its rows border those of ${id}`;
    case 'overlapping':
      return `shares rows with ${id ?? 'others of its group'}`;
  }
}

function readOf({ nodes }: NodeGroup<ReadRequest>, fields: readonly string[]): MergedRead {
  const first = nodes[0].node;
  const alone = nodes.length === 1 && first.requests.length === 1;
  let priority = -Infinity;
  let deadlineMs: number | null = null;
  const members: ReadMember[] = [];
  const predicates: Predicate[] = [];
  for (const entry of nodes) {
    if (entry.relation !== 'contained') predicates.push(entry.node.where);
    for (const request of entry.node.requests) {
      priority = Math.max(priority, request.priority);
      if (request.deadlineMs !== null) deadlineMs = Math.min(deadlineMs ?? Infinity, request.deadlineMs);
      const relation = alone ? 'alone' : entry.relation;
      members.push({ requestId: request.id, relation, reason: reasonOf(entry, request, alone) });
    }
  }
  members.sort((a, b) => byText(a.requestId, b.requestId));
  const { dataset, datasetVersion } = first.requests[0];
  const id = `read-${members[0].requestId}`;
  return { id, dataset, datasetVersion, fields, predicates, members, priority, deadlineMs };
}

/** Requests that share a read, with the union of their fields and of the columns that their predicates need, sorted. */
export interface RequestGroup<R extends MergeRequest> extends NodeGroup<R> {
  readonly fields: readonly string[];
}

/**
 * Which requests share a read: `planMergedReads` without the reasons, for very many requests.
 * @throws usage error `DuplicateRequest` when two requests have one id.
 * Complexity O(n log n) in the requests: each is compared with a bounded number of neighbours.
 */
export function groupRequests<R extends MergeRequest>(
  requests: readonly R[],
  options: MergeOptions = {},
): { readonly groups: readonly RequestGroup<R>[]; readonly refused: readonly RefusedRequest[] } {
  const sorted = [...requests].sort((a, b) => byText(a.id, b.id));
  sorted.forEach((request, index) => {
    if (index > 0 && sorted[index - 1].id === request.id) {
      throw usageError({
        type: 'DuplicateRequest',
        message: `two requests are called ${request.id}`,
        expected: 'one id per request',
        got: request.id,
      });
    }
  });
  const refused: RefusedRequest[] = [];
  const accepted: R[] = [];
  for (const request of sorted) {
    const refusal = refusalOf(request);
    if (refusal === null) accepted.push(request);
    else refused.push(refusal);
  }
  const { cost = { perOperation: 0, perUnit: 1 }, predicatesMax = PREDICATES_MAX_DEFAULT } = options;
  const fieldSets = new FieldSets();
  const groups = nodesOf(accepted, fieldSets, options).flatMap((bucket) =>
    groupNodes(bucket, fieldSets, cost, predicatesMax).map(({ nodes }): RequestGroup<R> => {
      const fields = nodes.reduce((union, { node }) => fieldSets.union(union, node.fields), nodes[0].node.fields);
      return { nodes, fields: fieldSets.list(fields) };
    }),
  );
  return { groups, refused };
}

/**
 * Plans the reads that serve `requests`: a partition of those not refused. Merging never changes what a requester gets;
 * it only decides who shares a read. Order of the input is irrelevant; no request gives an empty plan.
 * @throws usage error `DuplicateRequest` when two requests have one id.
 */
export function planMergedReads(requests: readonly ReadRequest[], options: MergeOptions = {}): MergePlan {
  const { groups, refused } = groupRequests(requests, options);
  const reads = groups.map((group) => readOf(group, group.fields));
  reads.sort((a, b) => byText(a.id, b.id));
  return { reads, refused };
}

/**
 * Checks a plan against its requests, by other means than it was made: every request is in exactly one read or refused,
 * its dataset and version are the read's, the read has its fields and predicate columns and nothing unasked, its rows
 * are provably among those read, and no member sees a field that it may not. Gives the violations; `[]` is valid.
 */
export function validateMergePlan(requests: readonly ReadRequest[], plan: MergePlan): readonly string[] {
  const violations: string[] = [];
  const open = new Map(requests.map((request) => [request.id, request]));
  const take = (id: string): ReadRequest | undefined => {
    const request = open.get(id);
    if (request === undefined) violations.push(`request ${id} is unknown or planned twice`);
    open.delete(id);
    return request;
  };
  for (const read of plan.reads) {
    const needed = new Set<string>();
    const boxes = read.predicates.map(normalise);
    for (const { requestId } of read.members) {
      const request = take(requestId);
      if (request === undefined) continue;
      if (refusalOf(request) !== null) violations.push(`${requestId} may not see what it asks for`);
      if (request.dataset !== read.dataset || request.datasetVersion !== read.datasetVersion) {
        violations.push(`${requestId} asks for another dataset or version than ${read.id}`);
      }
      for (const field of [...request.fields, ...predicateColumns(request.where)]) needed.add(field);
      const own = normalise(request.where);
      if (!boxes.some((box) => boxContains(box, own))) violations.push(`${read.id} may miss rows of ${requestId}`);
    }
    if ([...needed].sort().join('\n') !== read.fields.join('\n'))
      violations.push(`fields of ${read.id} are not its members'`);
    if (read.members.length === 0) violations.push(`${read.id} serves nobody`);
  }
  for (const { requestId } of plan.refused) {
    const request = take(requestId);
    if (request !== undefined && refusalOf(request) === null) violations.push(`${requestId} is refused without cause`);
  }
  for (const id of open.keys()) violations.push(`request ${id} is in no read`);
  return violations;
}

/** A read that is running now, as far as joining it matters. */
export type RunningRead = Pick<MergedRead, 'id' | 'dataset' | 'datasetVersion' | 'fields' | 'predicates'>;

/**
 * The running read that a late request can join instead of starting its own: same dataset version, all its fields and
 * provably all its rows. The least id among several; null when none covers it or the request would be refused.
 */
export function findCoveringRead(request: ReadRequest, running: readonly RunningRead[]): string | null {
  if (refusalOf(request) !== null) return null;
  const own = normalise(request.where);
  const needed = [...request.fields, ...predicateColumns(request.where)];
  const covering = running.filter(
    (read) =>
      read.dataset === request.dataset &&
      read.datasetVersion === request.datasetVersion &&
      needed.every((field) => read.fields.includes(field)) &&
      read.predicates.some((predicate) => boxContains(normalise(predicate), own)),
  );
  return covering.map((read) => read.id).sort(byText)[0] ?? null;
}
