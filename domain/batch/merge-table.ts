/**
 * What requests ask for, in columns: each is a node (one distinct set of rows of one dataset version), and a set of
 * fields. Numbers all the way: there may be a million requests.
 */
import type { Predicate } from '../types/predicate.js';
import { FieldSets } from './field-sets.js';
import { numberOf, PairIds } from './pair-ids.js';
import { boxKey, normalise, type Box, type Constraint } from './predicate-algebra.js';
import { PredicateIds } from './predicate-ids.js';
import { independentUnion } from './sample-union.js';

interface Bucket {
  readonly dataset: string;
  readonly datasetVersion: string;
  readonly nodes: number[];
}

interface Asked {
  readonly box: Box;
  readonly key: string;
  /** Equal for equal keys. */
  readonly boxId: number;
  /** Its columns, in the table's `FieldSets`. */
  readonly columns: number;
}

/** A part of the rows that a predicate matches, drawn by hash. Draws of one number are parts of each other. */
export interface Sample {
  readonly draw: number;
  /** Rows that match; Infinity: not known. */
  readonly most: number;
}

/** Draw of what takes every row, or is drawn in more than one way. */
export const NO_DRAW = -1;

export class MergeTable {
  /** Held for its shape, as that of `PairIds`. */
  static readonly held = new MergeTable();

  readonly fieldSets: FieldSets;
  /** Dataset versions, each with its nodes. */
  readonly buckets: Bucket[] = [];
  /** Of each node: its bucket; its rows as a box, as text that is equal for equal boxes, and as its first request has them. */
  readonly bucketOf: number[] = [];
  readonly boxes: Box[] = [];
  readonly keys: string[] = [];
  readonly wheres: Predicate[] = [];
  readonly boxIds: number[] = [];
  /** Union of its requests' fields and of the columns of its box, in `fieldSets`. */
  readonly fields: number[] = [];
  /** The most rows that one of its requests expects; of samples, those that all are expected to have together (`unite`). */
  readonly rows: number[] = [];
  /** Of a node of samples: the rows that match, and the draw, if it is one; else of every row. */
  readonly most: number[] = [];
  readonly draws: number[] = [];
  readonly takesAll: boolean[] = [];
  /** Of each node whose box asks for some values of one column, and no NULL: the number of the column; else -1. */
  readonly soleColumn: number[] = [];
  /** Of those, what is a closed interval of whole numbers: its ends; else NaN. */
  readonly intervalLow: number[] = [];
  readonly intervalHigh: number[] = [];

  private readonly rowSets = new PairIds();
  private readonly nodes = new PairIds();
  /** Samples of a node by one draw: the rows of the largest. */
  private readonly nested = new PairIds();
  private readonly nestedNode: number[] = [];
  private readonly nestedRows: number[] = [];
  private readonly versions = new Map<string, Map<string, number>>();
  /** What the predicates ask for, once for each way of writing one. */
  private readonly predicates = new PredicateIds();
  private readonly asked: Asked[] = [];
  private readonly idOfBox = new Map<string, number>();
  private readonly columns = new Map<string, number>();

  constructor(fieldSets = new FieldSets()) {
    this.fieldSets = fieldSets;
  }

  /**
   * Adds a request. Requests of equal rows are one node: read together they never cost more cells. Samples are only of those
   * with equal fields: of others the fields of each would be read for the rows of all.
   * @param fields a set of `fieldSets`
   * @param sample null: every row that matches
   * @returns its node
   */
  add(
    dataset: string,
    version: string,
    fields: number,
    where: Predicate,
    rows: number,
    sample: Sample | null = null,
  ): number {
    const bucket = this.bucket(dataset, version);
    const { box, key, boxId, columns } = this.askedBy(where);
    const needed = this.fieldSets.union(fields, columns);
    const node = this.nodes.idOf(this.rowSets.idOf(bucket, boxId), sample === null ? -1 : needed);
    if (node === this.boxes.length) {
      this.buckets[bucket].nodes.push(node);
      this.bucketOf.push(bucket);
      this.boxes.push(box);
      // The keys of a bucket differ.
      this.keys.push(sample === null ? key : `${key} sampled ${this.fieldSets.list(needed).join(' ')}`);
      this.boxIds.push(boxId);
      this.wheres.push(where);
      this.fields.push(needed);
      this.rows.push(rows);
      this.most.push(sample?.most ?? rows);
      this.draws.push(sample?.draw ?? NO_DRAW);
      this.takesAll.push(sample === null);
      this.addInterval(box);
    } else {
      this.fields[node] = this.fieldSets.union(this.fields[node], needed);
      if (rows > this.rows[node]) this.rows[node] = rows;
      this.most[node] = Math.max(this.most[node], sample?.most ?? rows);
    }
    if (sample !== null) this.nest(node, sample.draw, rows);
    return node;
  }

  private nest(node: number, draw: number, rows: number): void {
    if (this.draws[node] !== draw) this.draws[node] = NO_DRAW;
    const at = this.nested.idOf(node, draw);
    if (at < this.nestedRows.length) this.nestedRows[at] = Math.max(this.nestedRows[at], rows);
    else {
      this.nestedNode.push(node);
      this.nestedRows.push(rows);
    }
  }

  /** Counts the rows of samples of other draws, which are independent: whole ones. */
  unite(): void {
    const sums = new Map<number, number>();
    for (const [at, node] of this.nestedNode.entries())
      if (this.draws[node] === NO_DRAW)
        sums.set(node, Math.round(independentUnion(sums.get(node) ?? 0, this.nestedRows[at], this.most[node])));
    for (const [node, rows] of sums) this.rows[node] = rows;
  }

  private addInterval(box: Box): void {
    const isSole = box.length === 1 && !box[0].nulls && box[0].values;
    const isInterval = isSole && isWholeInterval(box[0]);
    this.soleColumn.push(isSole ? numberOf(this.columns, box[0].column) : -1);
    this.intervalLow.push(isInterval ? (box[0].low!.value as number) : NaN);
    this.intervalHigh.push(isInterval ? (box[0].high!.value as number) : NaN);
  }

  private bucket(dataset: string, version: string): number {
    let versions = this.versions.get(dataset);
    if (versions === undefined) this.versions.set(dataset, (versions = new Map<string, number>()));
    let bucket = versions.get(version);
    if (bucket === undefined) {
      bucket = this.buckets.push({ dataset, datasetVersion: version, nodes: [] }) - 1;
      versions.set(version, bucket);
    }
    return bucket;
  }

  private askedBy(where: Predicate): Asked {
    const written = this.predicates.idOf(where);
    if (written < this.asked.length) return this.asked[written];
    const box = normalise(where);
    const key = boxKey(box);
    const columns = this.fieldSets.intern(box.map(({ column }) => column));
    let boxId = this.idOfBox.get(key);
    if (boxId === undefined) this.idOfBox.set(key, (boxId = this.idOfBox.size));
    const asked = { box, key, boxId, columns };
    this.asked.push(asked);
    return asked;
  }
}

/** Whether a constraint is all from one whole number up to and with another. */
function isWholeInterval({ low, high, among, except, opaque }: Readonly<Constraint>): boolean {
  if (low === null || high === null || among !== null || except.length > 0 || opaque.length > 0) return false;
  if (!low.inclusive || !high.inclusive) return false;
  return Number.isSafeInteger(low.value) && Number.isSafeInteger(high.value);
}
