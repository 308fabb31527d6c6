/**
 * Which requests one read serves. Requests on the same version of a dataset whose rows are equal, contained, overlapping
 * or adjacent become one read of the OR of their predicates and the union of their fields, when the data plane gains by
 * it; each member is later handed its own rows and fields only. The plan carries the reasons and can be validated.
 */
import { usageError } from '../types/errors.js';
import { predicateColumns, type Predicate } from '../types/predicate.js';
import {
  entriesOf,
  groupNodes,
  type GroupEntry,
  type MemberRelation,
  type MergeCost,
  type NodeGroup,
} from './merge-groups.js';
import { MergeTable } from './merge-table.js';
import { numberOf } from './pair-ids.js';
import { boxContains, normalise } from './predicate-algebra.js';
import type { ReadRequest } from './read-request.js';

export type { MemberRelation } from './merge-groups.js';
export type { ReadRequest } from './read-request.js';

export interface MergeOptions {
  /** Default: a read costs nothing extra. */
  readonly cost?: MergeCost;
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

/** @throws usage error `DuplicateRequest` when two of the requests, which are in order of id, have one id. */
export function assertIdsDiffer(sorted: readonly { readonly id: string }[]): void {
  for (let index = 1; index < sorted.length; index++) {
    const { id } = sorted[index];
    if (id !== sorted[index - 1].id) continue;
    throw usageError({
      type: 'DuplicateRequest',
      message: `two requests are called ${id}`,
      expected: 'one id per request',
      got: id,
    });
  }
}

/** The requests of each node, in order of id. */
type Asking = ReadonlyMap<number, readonly ReadRequest[]>;

function reasonOf({ node, relation, other }: GroupEntry, request: ReadRequest, alone: boolean, asking: Asking): string {
  if (alone) return 'no other request shares or borders its rows at a gain';
  const own = asking.get(node)!;
  const twin = own[own[0] === request ? 1 : 0] as ReadRequest | undefined;
  const id = other === null ? twin?.id : asking.get(other)![0].id;
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

function readOf(group: NodeGroup, table: MergeTable, asking: Asking): MergedRead {
  const entries = entriesOf(group);
  const [first] = asking.get(entries[0].node)!;
  const alone = entries.length === 1 && asking.get(entries[0].node)!.length === 1;
  let priority = -Infinity;
  let deadlineMs: number | null = null;
  const members: ReadMember[] = [];
  const predicates: Predicate[] = [];
  for (const entry of entries) {
    if (entry.relation !== 'contained') predicates.push(table.wheres[entry.node]);
    for (const request of asking.get(entry.node)!) {
      priority = Math.max(priority, request.priority);
      if (request.deadlineMs !== null) deadlineMs = Math.min(deadlineMs ?? Infinity, request.deadlineMs);
      const relation = alone ? 'alone' : entry.relation;
      members.push({ requestId: request.id, relation, reason: reasonOf(entry, request, alone, asking) });
    }
  }
  members.sort((a, b) => byText(a.requestId, b.requestId));
  const { dataset, datasetVersion } = first;
  const fields = table.fieldSets.list(group.fields);
  return {
    id: `read-${members[0].requestId}`,
    dataset,
    datasetVersion,
    fields,
    predicates,
    members,
    priority,
    deadlineMs,
  };
}

/**
 * Which requests of a table share a read, as groups of its nodes: `planMergedReads` without the reasons, for very many
 * requests. Complexity O(n log n) in the requests: each is compared with a bounded number of neighbours.
 */
export function groupRequests(table: MergeTable, options: Omit<MergeOptions, 'estimatedRows'> = {}): NodeGroup[] {
  const { cost = { perOperation: 0, perUnit: 1 }, predicatesMax = PREDICATES_MAX_DEFAULT } = options;
  table.unite();
  return table.buckets.flatMap(({ nodes }) => groupNodes(nodes, table, cost, predicatesMax));
}

/**
 * Plans the reads that serve `requests`: a partition of those not refused. Merging never changes what a requester gets;
 * it only decides who shares a read. Order of the input is irrelevant; no request gives an empty plan.
 * @throws usage error `DuplicateRequest` when two requests have one id.
 */
export function planMergedReads(requests: readonly ReadRequest[], options: MergeOptions = {}): MergePlan {
  const refused: RefusedRequest[] = [];
  const table = new MergeTable();
  const asking = new Map<number, ReadRequest[]>();
  const draws = new Map<number, number>();
  const sorted = [...requests].sort((a, b) => byText(a.id, b.id));
  assertIdsDiffer(sorted);
  for (const request of sorted) {
    const refusal = refusalOf(request);
    if (refusal !== null) {
      refused.push(refusal);
      continue;
    }
    const { id, dataset, datasetVersion, fields, where, seed } = request;
    const rows = request.estimatedRows ?? options.estimatedRows?.[id] ?? 1;
    const sample = request.rows === null ? null : { draw: numberOf(draws, seed), most: Infinity };
    const node = table.add(dataset, datasetVersion, table.fieldSets.intern(fields), where, rows, sample);
    const own = asking.get(node);
    if (own === undefined) asking.set(node, [request]);
    else own.push(request);
  }
  const reads = groupRequests(table, options).map((group) => readOf(group, table, asking));
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
