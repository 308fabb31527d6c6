/**
 * Which requests one read serves. Requests on the same version of a dataset whose rows are equal, contained, overlapping
 * or adjacent become one read of the OR of their predicates and the union of their fields, when the data plane gains by
 * it; each member is later handed its own rows and fields only. The plan carries the reasons and can be validated.
 */
import { usageError } from '../types/errors.js';
import { predicateColumns, type Predicate } from '../types/predicate.js';
import { groupNodes, type MemberRelation, type MergeNode, type NodeGroup } from './merge-groups.js';
import { boxContains, boxKey, normalise } from './predicate-algebra.js';
import type { ReadRequest } from './read-request.js';

export type { MemberRelation } from './merge-groups.js';
export type { ReadRequest } from './read-request.js';

export interface MergeOptions {
  /** Cost of one read, and of one cell (row x field) read, in one common unit. Default: a read costs nothing extra. */
  readonly cost?: { readonly perOperation: number; readonly perUnit: number };
  /** Expected rows by request id, where known. Unknown requests count as equally large. */
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

function refusalOf(request: ReadRequest): RefusedRequest | null {
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

/** One node per distinct set of rows asked of one dataset version. */
function nodesOf(requests: readonly ReadRequest[], rowsOf: (id: string) => number): Map<string, MergeNode[]> {
  const buckets = new Map<string, Map<string, MergeNode>>();
  for (const request of requests) {
    const box = normalise(request.where);
    const where = boxKey(box);
    const source = JSON.stringify([request.dataset, request.datasetVersion]);
    const bucket = buckets.get(source) ?? new Map<string, MergeNode>();
    buckets.set(source, bucket);
    const node = bucket.get(where) ?? {
      key: where,
      box,
      where: request.where,
      fields: new Set(),
      rows: 0,
      requests: [],
    };
    bucket.set(where, node);
    node.requests.push(request);
    node.rows = Math.max(node.rows, rowsOf(request.id));
    for (const field of request.fields) node.fields.add(field);
    for (const field of predicateColumns(request.where)) node.fields.add(field);
  }
  return new Map([...buckets].map(([source, bucket]) => [source, [...bucket.values()]]));
}

function readOf(group: NodeGroup): MergedRead {
  const members = group.nodes.flatMap((entry) =>
    entry.node.requests.map((request) => ({
      request,
      relation: entry.relation,
      other: entry.other,
      twins: entry.node.requests,
    })),
  );
  const alone = members.length === 1;
  const { dataset, datasetVersion } = members[0].request;
  const fields = new Set(group.nodes.flatMap((entry) => [...entry.node.fields]));
  const reasonOf = ({ request, relation, other, twins }: (typeof members)[number]): string => {
    if (alone) return 'no other request shares or borders its rows at a gain';
    const id = other?.requests[0].id ?? twins.find((twin) => twin !== request)?.id;
    if (relation === 'equal')
      return id === undefined ? 'its rows are those of the read' : `asks for the same rows as ${id}`;
    if (relation === 'contained') return `its rows lie within those of ${id}`;
    return relation === 'adjacent'
      ? `its rows border those of ${id}`
      : `shares rows with ${id ?? 'others of its group'}`;
  };
  const deadlines = members.map(({ request }) => request.deadlineMs).filter((deadline) => deadline !== null);
  const ids = members.map(({ request }) => request.id).sort(byText);
  return {
    id: `read-${ids[0]}`,
    dataset,
    datasetVersion,
    fields: [...fields].sort(),
    predicates: group.nodes.filter((entry) => entry.relation !== 'contained').map((entry) => entry.node.where),
    members: members
      .map((member) => ({
        requestId: member.request.id,
        relation: alone ? ('alone' as const) : member.relation,
        reason: reasonOf(member),
      }))
      .sort((a, b) => byText(a.requestId, b.requestId)),
    priority: members.reduce((most, { request }) => Math.max(most, request.priority), -Infinity),
    deadlineMs:
      deadlines.length === 0 ? null : deadlines.reduce((least, deadline) => Math.min(least, deadline), Infinity),
  };
}

/**
 * Plans the reads that serve `requests`: a partition of those not refused. Merging never changes what a requester gets;
 * it only decides who shares a read. Order of the input is irrelevant; no request gives an empty plan.
 * @throws usage error `DuplicateRequest` when two requests have one id.
 * Complexity O(n log n) in the requests: each is compared with a bounded number of neighbours.
 */
export function planMergedReads(requests: readonly ReadRequest[], options: MergeOptions = {}): MergePlan {
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
  const accepted: ReadRequest[] = [];
  for (const request of sorted) {
    const refusal = refusalOf(request);
    if (refusal === null) accepted.push(request);
    else refused.push(refusal);
  }
  const { estimatedRows, cost = { perOperation: 0, perUnit: 1 }, predicatesMax = PREDICATES_MAX_DEFAULT } = options;
  const buckets = nodesOf(accepted, (id) => estimatedRows?.[id] ?? 1);
  const reads = [...buckets.values()].flatMap((nodes) => groupNodes(nodes, cost, predicatesMax).map(readOf));
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
