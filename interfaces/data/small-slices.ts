/**
 * Small slices of a merged read: cut by one statement for many, measured together, written from memory.
 *
 * A statement of the engine and a file of its writer cost more than twenty rows do. Whether a slice is small depends on
 * its own rows and fields alone, so that its file is the same whatever else is read.
 */
import type { SliceAsk } from '../../activities/ports.js';
import type { DatasetScope } from './dataset-scope.js';
import type { Session } from './engine.js';
import type { FileCache, StoredFile } from './file-cache.js';
import { isWritable, parquetFile } from './parquet-file.js';
import { Bindings } from './predicate-sql.js';
import { SHARES, type RankedPool, type RankedRows } from './ranked-pool.js';
import { fieldsOf, keptColumns, sliceSql, wantedRows, writeSlice } from './slice.js';
import { measureSlices, type SliceMetrics } from './slice-metrics.js';

/** Cells of a small slice: at about a microsecond each, its file takes as long as the engine's writer takes to begin. */
const CELLS_MAX = 4_000;
/** Bytes of a file that is made in memory, in which up to `WRITTEN_AT_ONCE` are at a time: long texts are left to the engine. */
const BYTES_MAX = 1_000_000;
/** Slices cut by one statement: planning grows faster than linearly with its branches. */
const CUT_AT_ONCE = 50;
/** Slices in memory, and files on their way to the disk, at the same time. */
const WRITTEN_AT_ONCE = 50;

/** Whether a slice of so many rows is small, of types that can be written from memory. */
export function isSmall(slice: SliceAsk, rows: number, at: DatasetScope): boolean {
  return rows * slice.fields.length <= CELLS_MAX && isWritable(fieldsOf(slice, at));
}

/** A slice in the cache, with what the gate wants to know of it. */
export type Delivered = StoredFile & SliceMetrics;

/** The small slices of one read: their rows lie in the table `cuts`, told apart by `nth`. */
export class SmallSlices {
  private readonly taken: SliceAsk[] = [];

  private constructor(
    private readonly at: DatasetScope,
    private readonly session: Session,
    /** Aliases of the columns of `cuts`. */
    private readonly columns: readonly string[],
  ) {}

  /** Makes the table for the rows of any of these slices. */
  static async of(slices: readonly SliceAsk[], at: DatasetScope, session: Session): Promise<SmallSlices> {
    const kept = new Set(slices.flatMap((slice) => keptColumns(slice, at)));
    const columns = at.open.columns.filter(({ alias }) => kept.has(alias));
    const typed = columns.map(({ alias, type }) => `${alias} ${type}, `).join('');
    await session.run(`CREATE TEMP TABLE cuts (nth INTEGER, ${typed}id UBIGINT, pos BIGINT)`);
    return new SmallSlices(
      at,
      session,
      columns.map(({ alias }) => alias),
    );
  }

  /** Takes over the slice that lies in the table `slice`. */
  async take(slice: SliceAsk): Promise<void> {
    const nth = this.taken.push(slice) - 1;
    await this.session.run(`INSERT INTO cuts SELECT ${this.cells(nth, slice)} FROM slice`);
  }

  /** Cuts slices of one seed that are small by their limits. */
  async cut(slices: readonly SliceAsk[], pool: RankedPool): Promise<void> {
    const cutting = new Map<number, readonly number[]>();
    for (const slice of slices) cutting.set(this.taken.push(slice) - 1, await pool.shares(slice, wantedRows(slice)));
    for (const share of SHARES) {
      const here = [...cutting].flatMap(([nth, shares]) => (shares.includes(share) ? [nth] : []));
      if (here.length === 0) continue;
      const rows = await pool.ranked(slices[0].seed, share);
      for (let start = 0; start < here.length; start += CUT_AT_ONCE) {
        await this.cutFrom(rows, here.slice(start, start + CUT_AT_ONCE));
      }
      // Every row outside the share ranks behind every row in it: enough rows are the right rows.
      const short = share === 1 ? [] : await this.short(here);
      for (const nth of here) if (!short.includes(nth)) cutting.delete(nth);
    }
  }

  private async cutFrom(rows: RankedRows, nths: readonly number[]): Promise<void> {
    const bindings = new Bindings();
    const branches = nths.map((nth) => {
      const slice = this.taken[nth];
      return `SELECT ${this.cells(nth, slice)} FROM (${sliceSql(slice, this.at, rows, bindings)})`;
    });
    await this.session.run(`INSERT INTO cuts ${branches.join(' UNION ALL ')}`, bindings.values);
  }

  /** Those of the slices that have fewer rows than they want: their rows are taken out again. */
  private async short(nths: readonly number[]): Promise<readonly number[]> {
    const list = nths.join(', ');
    const found = await this.session.rows(`SELECT nth, count(*) AS n FROM cuts WHERE nth IN (${list}) GROUP BY nth`);
    const counts = new Map(found.map((row) => [Number(row.nth), Number(row.n)]));
    const short = nths.filter((nth) => (counts.get(nth) ?? 0) < wantedRows(this.taken[nth]));
    if (short.length > 0) await this.session.run(`DELETE FROM cuts WHERE nth IN (${short.join(', ')})`);
    return short;
  }

  /** A row of `cuts` out of a slice's: columns that the slice does not keep are NULL. */
  private cells(nth: number, slice: SliceAsk): string {
    const kept = new Set(keptColumns(slice, this.at));
    const cells = this.columns.map((alias) => (kept.has(alias) ? alias : 'NULL'));
    return [nth, ...cells, 'id', 'pos'].join(', ');
  }

  /** Measures and stores all that was cut or taken. */
  async store(cache: FileCache): Promise<ReadonlyMap<SliceAsk, Delivered>> {
    const delivered = new Map<SliceAsk, Delivered>();
    if (this.taken.length === 0) return delivered;
    const metrics = await measureSlices({ table: 'cuts', slices: this.taken }, this.at, this.session);
    for (let first = 0; first < this.taken.length; first += WRITTEN_AT_ONCE) {
      const slices = this.taken.slice(first, first + WRITTEN_AT_ONCE);
      const light = slices.filter((slice) => metrics.get(slice)!.bytes <= BYTES_MAX);
      const files = new Map(await this.storeFromMemory(light, metrics, cache));
      for (const [index, slice] of slices.entries()) {
        if (files.has(slice)) continue;
        const from = `(SELECT * FROM cuts WHERE nth = ${first + index} ORDER BY rowid)`;
        files.set(slice, await (await writeSlice(slice, from, this.at, this.session, cache)).stored);
      }
      for (const slice of slices) delivered.set(slice, { ...files.get(slice)!, ...metrics.get(slice)! });
    }
    return delivered;
  }

  private async storeFromMemory(
    slices: readonly SliceAsk[],
    metrics: ReadonlyMap<SliceAsk, SliceMetrics>,
    cache: FileCache,
  ): Promise<readonly (readonly [SliceAsk, StoredFile])[]> {
    if (slices.length === 0) return [];
    const nthOf = new Map(slices.map((slice) => [slice, this.taken.indexOf(slice)]));
    const [nths, ...cells] = await this.session.columns(
      `SELECT nth, ${this.columns.join(', ')} FROM cuts WHERE nth IN (${[...nthOf.values()].join(', ')}) ORDER BY rowid`,
    );
    return Promise.all(
      slices.map(async (slice) => {
        const fields = fieldsOf(slice, this.at);
        // A slice's rows came in by one statement: they follow one another. One without rows is nowhere.
        const begin = Math.max(0, nths.indexOf(nthOf.get(slice)!));
        const end = begin + metrics.get(slice)!.rows;
        const data = fields.map(({ alias }) => cells[this.columns.indexOf(alias)].slice(begin, end));
        return [slice, await cache.store(parquetFile(fields, data))] as const;
      }),
    );
  }
}
