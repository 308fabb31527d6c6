/**
 * What part of its own bytes and rows each member of a merged read is charged, so that the charges add up to what is
 * read: the union of the members' rows, each as wide as the read's fields together. Members with the same predicate,
 * seed and mix draw nested samples (the pick is by hash), so that their union is the largest of them. Other samples are
 * counted in full, up to what matches their predicate and what the dataset has: that never understates.
 *
 * Items and reads are numbers here: the charges are settled anew in every round of sharing.
 */
import { FieldSets } from '../../batch/field-sets.js';
import type { BatchInputs } from './batch-inputs.js';
import { countsBytes, widthOf, type MergedDemand } from './costs.js';
import { nestedSamples } from './nested-samples.js';

/** What reads take of a source. */
export interface Taken {
  bytes: number;
  rows: number;
}

export class ReadCharges {
  /** Held for its shape, as that of `PairIds`. */
  static readonly held = new ReadCharges(
    { items: [], fieldsOf: [], fieldSets: FieldSets.held, reads: [], nested: nestedSamples([], []), refusals: [] },
    { datasets: [] },
  );

  /** What a member is charged of its own bytes and rows, by read. */
  private readonly bytesFactor: Float64Array;
  private readonly rowsFactor: Float64Array;
  /** Read of each item, or -1: the cache answers it. Members of read r: `members[start[r]]` up to the next start. */
  private readonly readOf: Int32Array;
  private readonly start: Int32Array;
  private readonly members: Uint32Array;
  /** Members of one read whose samples are nested share a group, which has the rows of the largest. */
  private readonly groupOf: Int32Array;
  private readonly groupRows: Float64Array;
  /** Groups of one read with the same predicate share a set of rows: what they add up to, and what matches it. */
  private readonly setOf: Int32Array;
  private readonly setRows: Float64Array;
  private readonly setMost: Float64Array;
  /** What the sets of a read add up to, what it has rows for at most, and the rows that are read. */
  private readonly sumRows: Float64Array;
  private readonly readMost: readonly number[];
  private readonly readRows: Float64Array;
  /** Fields of each item, and those read for members that have rows: in `fieldSets`, -1 for none. */
  private readonly fieldSets: FieldSets;
  private readonly fieldsOf: Int32Array;
  private readonly readFields: Int32Array;
  private readonly widths: readonly Map<number, number>[];
  private readonly rows: Float64Array;
  private readonly bytesPerRow: Float64Array;
  private readonly bytesPerValue: readonly Readonly<Record<string, number>>[];
  /** What the reads of each source take, and of the source of each read. */
  private readonly taken = new Map<string, Taken>();
  private readonly takenOfRead: readonly Taken[];
  /** How often something was added to each read. */
  private readonly additions: Uint32Array;

  constructor(demand: MergedDemand, { datasets }: Pick<BatchInputs, 'datasets'>) {
    const { items, reads } = demand;
    this.rows = new Float64Array(items.length);
    this.bytesPerRow = new Float64Array(items.length);
    for (let index = 0; index < items.length; index++) {
      this.rows[index] = items[index].rows;
      this.bytesPerRow[index] = items[index].bytesPerRow;
    }
    this.fieldSets = demand.fieldSets;
    this.fieldsOf = Int32Array.from(demand.fieldsOf);
    const dataset = new Map(datasets.map((one) => [one.id, one]));
    const widths = new Map(datasets.map(({ id }) => [id, new Map<number, number>()]));
    for (const { source } of datasets) this.taken.set(source, { bytes: 0, rows: 0 });
    this.takenOfRead = reads.map((read) => this.taken.get(dataset.get(read.dataset)!.source)!);
    this.bytesPerValue = reads.map((read) => dataset.get(read.dataset)!.bytesPerValue);
    this.widths = reads.map((read) => widths.get(read.dataset)!);
    this.bytesFactor = new Float64Array(reads.length).fill(1);
    this.rowsFactor = new Float64Array(reads.length).fill(1);
    this.readRows = new Float64Array(reads.length);
    this.sumRows = new Float64Array(reads.length);
    this.readMost = reads.map((read) => dataset.get(read.dataset)!.rows);
    this.readFields = new Int32Array(reads.length);
    this.additions = new Uint32Array(reads.length);
    this.readOf = new Int32Array(items.length).fill(-1);
    this.start = new Int32Array(reads.length + 1);
    reads.forEach((read, r) => (this.start[r + 1] = this.start[r] + read.members.length));
    this.members = new Uint32Array(this.start[reads.length]);
    for (let r = 0; r < reads.length; r++) {
      const { members } = reads[r];
      for (let m = 0, place = this.start[r]; m < members.length; m++, place++) {
        this.members[place] = members[m];
        this.readOf[members[m]] = r;
      }
    }
    const { groupOf, groups, setOf, setMost } = demand.nested;
    [this.groupOf, this.groupRows] = [groupOf, new Float64Array(groups)];
    [this.setOf, this.setMost, this.setRows] = [setOf, setMost, new Float64Array(setMost.length)];
  }

  /**
   * Charges what is read when each item has so many rows.
   * @returns the largest change of a charge on bytes, relative to before
   */
  settle(rowsOf: Float64Array): number {
    let change = 0;
    this.groupRows.fill(0);
    this.setRows.fill(0);
    for (const taken of this.taken.values()) taken.bytes = taken.rows = 0;
    for (let r = 0; r < this.readRows.length; r++) change = Math.max(change, this.settleRead(r, rowsOf));
    return change;
  }

  private settleRead(r: number, rowsOf: Float64Array): number {
    let sum = 0;
    let fields = -1;
    let ownBytes = 0;
    let ownRows = 0;
    for (let m = this.start[r]; m < this.start[r + 1]; m++) {
      const index = this.members[m];
      const own = rowsOf[index];
      if (own <= 0) continue;
      sum += this.enlarge(index, own);
      fields = this.withFields(fields, index);
      ownBytes += own * this.bytesPerRow[index];
      ownRows += own;
    }
    const rows = Math.min(sum, this.readMost[r]);
    [this.sumRows[r], this.readRows[r], this.readFields[r]] = [sum, rows, fields];
    const bytes = rows * this.widthOf(r, fields);
    const factor = ownBytes === 0 ? 1 : bytes / ownBytes;
    const change = Math.abs(factor - this.bytesFactor[r]) / this.bytesFactor[r];
    this.bytesFactor[r] = factor;
    this.rowsFactor[r] = ownRows === 0 ? 1 : rows / ownRows;
    this.take(r, bytes, rows);
    return change;
  }

  /** Puts what items are charged of a limit of their source into `into`, at `first`, `first + step`, and so on. */
  charge(items: Uint32Array, resource: string, into: Float64Array, first: number, step: number): void {
    const bytes = countsBytes(resource);
    const factor = bytes ? this.bytesFactor : this.rowsFactor;
    for (let i = 0; i < items.length; i++) {
      const index = items[i];
      const r = this.readOf[index];
      const own = bytes ? this.rows[index] * this.bytesPerRow[index] : this.rows[index];
      into[first + i * step] = r === -1 ? 0 : own * factor[r];
    }
  }

  /** Bytes of so many rows of the items, each by itself. */
  ownBytes(rowsOf: Float64Array): number {
    let bytes = 0;
    for (let index = 0; index < rowsOf.length; index++) bytes += rowsOf[index] * this.bytesPerRow[index];
    return bytes;
  }

  /** What the reads take of a limit of a source, for the rows that were settled last and those added since. */
  takenOf(source: string, resource: string): number {
    const taken = this.taken.get(source);
    return taken === undefined ? 0 : countsBytes(resource) ? taken.bytes : taken.rows;
  }

  /** What an item's read would take more if the item had so many rows. */
  added(index: number, rows: number): Taken {
    const r = this.readOf[index];
    if (r === -1 || rows <= 0) return { bytes: 0, rows: 0 };
    return this.takenMore(r, this.setMore(index, rows), this.withFields(this.readFields[r], index));
  }

  /** What reads would take if all of these had all their rows: more than for the others, or, `alone`, with no others there. */
  addedTogether(items: readonly { readonly index: number; readonly rows: number }[], alone = false): Taken {
    if (items.length === 1) {
      const [{ index, rows }] = items;
      return alone ? this.own(index, rows) : this.added(index, rows);
    }
    const before = { groups: new Map<number, number>(), sets: new Map<number, number>() };
    const byRead = new Map<number, { sum: number; fields: number }>();
    for (const { index, rows } of items) {
      const [r, group, set] = [this.readOf[index], this.groupOf[index], this.setOf[index]];
      if (r === -1 || rows <= 0) continue;
      const known = byRead.get(r) ?? { sum: 0, fields: alone ? -1 : this.readFields[r] };
      if (!before.groups.has(group)) {
        before.groups.set(group, this.groupRows[group]);
        if (alone) this.groupRows[group] = 0;
      }
      if (!before.sets.has(set)) {
        before.sets.set(set, this.setRows[set]);
        if (alone) this.setRows[set] = 0;
      }
      byRead.set(r, { sum: known.sum + this.enlarge(index, rows), fields: this.withFields(known.fields, index) });
    }
    for (const [group, rows] of before.groups) this.groupRows[group] = rows;
    for (const [set, rows] of before.sets) this.setRows[set] = rows;
    const all = { bytes: 0, rows: 0 };
    for (const [r, { sum, fields }] of byRead) {
      const more = alone ? this.takenAlone(r, sum, fields) : this.takenMore(r, sum, fields);
      [all.bytes, all.rows] = [all.bytes + more.bytes, all.rows + more.rows];
    }
    return all;
  }

  /** Gives an item so many rows, beside what the others have. Charges stay as they were settled. */
  add(index: number, rows: number): void {
    const r = this.readOf[index];
    if (r === -1 || rows <= 0) return;
    const more = this.added(index, rows);
    this.take(r, more.bytes, more.rows);
    this.sumRows[r] += this.enlarge(index, rows);
    this.readRows[r] = Math.min(this.sumRows[r], this.readMost[r]);
    this.readFields[r] = this.withFields(this.readFields[r], index);
    this.additions[r]++;
  }

  /** How often something was added to the read of an item: while it is the same, the item would take the same more. */
  additionsOf(index: number): number {
    const r = this.readOf[index];
    return r === -1 ? 0 : this.additions[r];
  }

  /** What a read takes more when its sets add up to so much more, and it has these fields. */
  private takenMore(r: number, sum: number, fields: number): Taken {
    const rows = Math.min(this.sumRows[r] + sum, this.readMost[r]);
    const bytes = rows * this.widthOf(r, fields) - this.readRows[r] * this.widthOf(r, this.readFields[r]);
    return { rows: rows - this.readRows[r], bytes };
  }

  /** What an item takes by itself. */
  private own(index: number, asked: number): Taken {
    const r = this.readOf[index];
    if (r === -1 || asked <= 0) return { bytes: 0, rows: 0 };
    const rows = Math.min(asked, this.setMost[this.setOf[index]], this.readMost[r]);
    return { bytes: rows * this.bytesPerRow[index], rows };
  }

  /** What a read takes whose sets add up to so much, and that has these fields. */
  private takenAlone(r: number, sum: number, fields: number): Taken {
    const rows = Math.min(sum, this.readMost[r]);
    return { rows, bytes: rows * this.widthOf(r, fields) };
  }

  /** How many rows more an item's set has when the item has so many. */
  private setMore(index: number, rows: number): number {
    const [set, more] = [this.setOf[index], rows - this.groupRows[this.groupOf[index]]];
    if (more <= 0) return 0;
    const most = this.setMost[set];
    return Math.min(most, this.setRows[set] + more) - Math.min(most, this.setRows[set]);
  }

  /** The same, and counts them. */
  private enlarge(index: number, rows: number): number {
    const [group, set] = [this.groupOf[index], this.setOf[index]];
    if (rows <= this.groupRows[group]) return 0;
    const more = this.setMore(index, rows);
    this.setRows[set] += rows - this.groupRows[group];
    this.groupRows[group] = rows;
    return more;
  }

  private take(r: number, bytes: number, rows: number): void {
    const taken = this.takenOfRead[r];
    taken.bytes += bytes;
    taken.rows += rows;
  }

  private withFields(fields: number, index: number): number {
    return fields === -1 ? this.fieldsOf[index] : this.fieldSets.union(fields, this.fieldsOf[index]);
  }

  private widthOf(r: number, fields: number): number {
    if (fields === -1) return 0;
    const known = this.widths[r].get(fields);
    if (known !== undefined) return known;
    const width = widthOf(this.fieldSets.list(fields), this.bytesPerValue[r]);
    this.widths[r].set(fields, width);
    return width;
  }
}
