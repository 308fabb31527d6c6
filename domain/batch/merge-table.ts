/**
 * What requests ask for, in columns: each is a node (one distinct set of rows of one dataset version), and a set of
 * fields. Numbers all the way: there may be a million requests.
 */
import type { Predicate } from '../types/predicate.js';
import { FieldSets } from './field-sets.js';
import { numberOf, PairIds } from './pair-ids.js';
import { boxKey, normalise, type Box, type Constraint } from './predicate-algebra.js';
import { PredicateIds } from './predicate-ids.js';

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
  /** Union of its requests' fields and of the columns of its box, in `fieldSets`; the most rows that one of them expects. */
  readonly fields: number[] = [];
  readonly rows: number[] = [];
  /** Of each node whose box asks for some values of one column, and no NULL: the number of the column; else -1. */
  readonly soleColumn: number[] = [];
  /** Of those, what is a closed interval of whole numbers: its ends; else NaN. */
  readonly intervalLow: number[] = [];
  readonly intervalHigh: number[] = [];

  private readonly nodes = new PairIds();
  private readonly versions = new Map<string, Map<string, number>>();
  /** What the predicates ask for, once for each way of writing one. */
  private readonly predicates = new PredicateIds();
  private readonly asked: Asked[] = [];
  private readonly boxIds = new Map<string, number>();
  private readonly columns = new Map<string, number>();

  constructor(fieldSets = new FieldSets()) {
    this.fieldSets = fieldSets;
  }

  /**
   * Adds a request.
   * @param fields a set of `fieldSets`
   * @returns its node
   */
  add(dataset: string, version: string, fields: number, where: Predicate, rows: number): number {
    const bucket = this.bucket(dataset, version);
    const { box, key, boxId, columns } = this.askedBy(where);
    const needed = this.fieldSets.union(fields, columns);
    const node = this.nodes.idOf(bucket, boxId);
    if (node === this.boxes.length) {
      this.buckets[bucket].nodes.push(node);
      this.bucketOf.push(bucket);
      this.boxes.push(box);
      this.keys.push(key);
      this.wheres.push(where);
      this.fields.push(needed);
      this.rows.push(rows);
      this.addInterval(box);
    } else {
      this.fields[node] = this.fieldSets.union(this.fields[node], needed);
      if (rows > this.rows[node]) this.rows[node] = rows;
    }
    return node;
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
    let boxId = this.boxIds.get(key);
    if (boxId === undefined) this.boxIds.set(key, (boxId = this.boxIds.size));
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
