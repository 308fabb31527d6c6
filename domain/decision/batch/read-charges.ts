/**
 * What part of its own bytes and rows each member of a merged read is charged, so that the charges add up to what is
 * read: the union of the members' rows, each as wide as the read's fields together. Members with the same predicate,
 * seed and mix draw nested samples (the pick is by hash), so that their union is the largest of them; different
 * predicates are counted in full, which never understates.
 *
 * Items and reads are numbers here: the charges are settled anew in every round of sharing.
 */
import { FieldSets } from '../../batch/field-sets.js';
import { numberOf, PairIds } from '../../batch/pair-ids.js';
import type { BatchInputs } from './batch-inputs.js';
import { countsBytes, widthOf, type MergedDemand } from './costs.js';

/** What reads take of a source. */
interface Taken {
  bytes: number;
  rows: number;
}

export class ReadCharges {
  /** Held for its shape, as that of `PairIds`. */
  static readonly held = new ReadCharges(
    { items: [], fieldsOf: [], fieldSets: FieldSets.held, reads: [], refusals: [] },
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
    this.readFields = new Int32Array(reads.length);
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
    const nested = nestedGroups(demand);
    this.groupOf = nested.groupOf;
    this.groupRows = new Float64Array(nested.groups);
  }

  /**
   * Charges what is read when each item has so many rows.
   * @returns the largest change of a charge on bytes, relative to before
   */
  settle(rowsOf: Float64Array): number {
    let change = 0;
    this.groupRows.fill(0);
    for (const taken of this.taken.values()) taken.bytes = taken.rows = 0;
    for (let r = 0; r < this.readRows.length; r++) change = Math.max(change, this.settleRead(r, rowsOf));
    return change;
  }

  private settleRead(r: number, rowsOf: Float64Array): number {
    let rows = 0;
    let fields = -1;
    let ownBytes = 0;
    let ownRows = 0;
    for (let m = this.start[r]; m < this.start[r + 1]; m++) {
      const index = this.members[m];
      const own = rowsOf[index];
      if (own <= 0) continue;
      const group = this.groupOf[index];
      if (own > this.groupRows[group]) {
        rows += own - this.groupRows[group];
        this.groupRows[group] = own;
      }
      fields = this.withFields(fields, index);
      ownBytes += own * this.bytesPerRow[index];
      ownRows += own;
    }
    this.readRows[r] = rows;
    this.readFields[r] = fields;
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
    const more = Math.max(0, rows - this.groupRows[this.groupOf[index]]);
    const bytes = (this.readRows[r] + more) * this.widthOf(r, this.withFields(this.readFields[r], index));
    return { rows: more, bytes: bytes - this.readRows[r] * this.widthOf(r, this.readFields[r]) };
  }

  /** The most that reads would take more if all of these had all their rows: samples that are nested are counted apart. */
  addedTogether(items: readonly { readonly index: number; readonly rows: number }[]): Taken {
    const sum = { bytes: 0, rows: 0 };
    const byRead = new Map<number, { fields: number; rows: number }>();
    for (const { index, rows } of items) {
      const r = this.readOf[index];
      if (r === -1 || rows <= 0) continue;
      const known = byRead.get(r) ?? { fields: this.readFields[r], rows: 0 };
      const more = Math.max(0, rows - this.groupRows[this.groupOf[index]]);
      byRead.set(r, { fields: this.withFields(known.fields, index), rows: known.rows + more });
    }
    for (const [r, { fields, rows }] of byRead) {
      sum.rows += rows;
      sum.bytes += (this.readRows[r] + rows) * this.widthOf(r, fields);
      sum.bytes -= this.readRows[r] * this.widthOf(r, this.readFields[r]);
    }
    return sum;
  }

  /** Gives an item so many rows, beside what the others have. Charges stay as they were settled. */
  add(index: number, rows: number): void {
    const r = this.readOf[index];
    if (r === -1 || rows <= 0) return;
    const more = this.added(index, rows);
    this.take(r, more.bytes, more.rows);
    const group = this.groupOf[index];
    this.groupRows[group] = Math.max(this.groupRows[group], rows);
    this.readRows[r] += more.rows;
    this.readFields[r] = this.withFields(this.readFields[r], index);
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

/** Of each item, which group it is in: members of one read with the same rows, seed and mix. */
function nestedGroups({ items, reads }: MergedDemand): { readonly groupOf: Int32Array; readonly groups: number } {
  const groupOf = new Int32Array(items.length);
  const [rowSets, picks, groups] = [new PairIds(), new PairIds(), new PairIds()];
  const seeds = new Map<number, number>();
  const mixes = new Map<string, number>();
  for (let r = 0; r < reads.length; r++) {
    const { members, rowSets: setOf } = reads[r];
    for (let m = 0; m < members.length; m++) {
      const { item, shares, index } = items[members[m]];
      const mix = shares === null ? -1 : numberOf(mixes, JSON.stringify(shares));
      const pick = picks.idOf(numberOf(seeds, item.seed), mix);
      groupOf[index] = groups.idOf(rowSets.idOf(r, setOf[m]), pick);
    }
  }
  return { groupOf, groups: groups.size };
}
