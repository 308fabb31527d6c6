/** The rows of a merged read in the order of a seed, so that a slice looks at no more of them than it needs. */
import { createHash } from 'node:crypto';
import type { SliceAsk } from '../../activities/ports.js';
import type { Predicate } from '../../domain/types/predicate.js';
import type { SourceColumn } from './columns.js';
import type { Session } from './engine.js';
import { Bindings, predicateSql } from './predicate-sql.js';

/**
 * Rank of a row under a seed, as SQL: lowbias32 (C. Wellons, "Prospecting for Hash Functions", 2018) of the folded
 * identity, keyed by the seed's md5. Plain integer arithmetic: the same in every engine version, and ten times as
 * fast as a digest per row and seed. Two rows of one rank are ordered by identity.
 */
export function rankSql(seed: number): string {
  const key = createHash('md5').update(`seed ${seed}`).digest().readUInt32LE(0);
  const fold = `xor(xor(id & 4294967295, id >> 32), ${key}::UBIGINT)`;
  const mixed = (value: string, shift: number, factor: number): string =>
    `((xor(${value}, ${value} >> ${shift}) * ${factor}::UBIGINT) & 4294967295)`;
  const twice = mixed(mixed(fold, 16, 0x7feb352d), 15, 0x846ca68b);
  return `xor(${twice}, ${twice} >> 16)`;
}

/** Shares of the lowest ranks that are kept as tables of their own: 1/64, 1/8, all. */
export const SHARES = [64, 8, 1] as const;
/** A table in the order of a seed pays off from this many slices of that seed on. */
const SHARED_SLICES_MIN = 4;
/** A pool of fewer rows (DuckDB scans 122,880 as one piece) is ordered as a whole; of a larger one, shares are. */
const SHARED_ROWS_MIN = 122_880;
/** Predicates counted in one statement: planning grows faster than linearly with the number of aggregates. */
const COUNTS_AT_ONCE = 50;

/** What a slice is cut from: rows with the columns `rank` and `pos` (position in the pool). */
export interface RankedRows {
  /** A FROM clause. */
  readonly from: string;
  /** Whether its rows come in their order: the first that match are the right ones. */
  readonly ordered: boolean;
}

/**
 * The rows of a read as seen by one seed after the other. A slice that wants few rows finds them among the lowest
 * ranks: a small table, made once per seed, answers it, and only when it runs out the next larger one is asked.
 */
export class RankedPool {
  private readonly slicesBySeed = new Map<number, SliceAsk[]>();
  private readonly made = new Map<number, { readonly seed: number; readonly rows: RankedRows }>();
  private estimates: ReadonlyMap<string, number> | undefined;

  /**
   * @param relation FROM clause of the rows, with `id` and `pos`
   * @param rows how many they are
   * @param tieBreak aliases by which a slice orders rows of one `id`; null when `id` is no declared key, so that no two have the same
   */
  constructor(
    private readonly session: Session,
    private readonly relation: string,
    private readonly rows: number,
    private readonly slices: readonly SliceAsk[],
    private readonly columns: readonly SourceColumn[],
    private readonly tieBreak: ((slice: SliceAsk) => readonly string[]) | null,
  ) {
    for (const slice of slices) {
      const ofSeed = this.slicesBySeed.get(slice.seed);
      if (ofSeed === undefined) this.slicesBySeed.set(slice.seed, [slice]);
      else ofSeed.push(slice);
    }
  }

  /**
   * The shares to try in turn for up to `wanted` rows, smallest first; the last one is the whole pool. Shares that
   * probably hold fewer matches are left out: a guess that costs time when it is wrong, and never changes a row.
   */
  async shares({ seed, where, cover }: SliceAsk, wanted: number): Promise<readonly number[]> {
    // A row of a rare segment may have any rank.
    if (cover !== undefined) return [1];
    if (!this.isShared(seed) || this.rows < SHARED_ROWS_MIN || wanted * SHARES[1] > this.rows) return [1];
    this.estimates ??= await this.estimated(seed);
    const matches = this.estimates.get(JSON.stringify(where))!;
    return SHARES.filter((share) => share === 1 || wanted * share <= matches);
  }

  private isShared(seed: number): boolean {
    return (this.slicesBySeed.get(seed)?.length ?? 0) >= SHARED_SLICES_MIN;
  }

  /** Matches of every predicate in the pool, by those in its smallest share: ranks are blind to what a row holds. */
  private async estimated(seed: number): Promise<ReadonlyMap<string, number>> {
    const asks = this.slices.filter((slice) => this.isShared(slice.seed));
    const wheres = [...new Map(asks.map(({ where }) => [JSON.stringify(where), where]))];
    const { from } = await this.ranked(seed, SHARES[0]);
    const estimates = new Map<string, number>();
    for (let start = 0; start < wheres.length; start += COUNTS_AT_ONCE) {
      const some = wheres.slice(start, start + COUNTS_AT_ONCE);
      const bindings = new Bindings();
      const spell = (column: SourceColumn): string => column.alias;
      const count = ([, where]: readonly [string, Predicate], index: number): string =>
        `count(*) FILTER (${predicateSql(where, { dialect: 'duckdb', columns: this.columns, bindings, spell })}) AS m${index}`;
      const [row] = await this.session.rows(`SELECT ${some.map(count).join(', ')} FROM ${from}`, bindings.values);
      for (const [index, [key]] of some.entries()) estimates.set(key, Number(row[`m${index}`]) * SHARES[0]);
    }
    return estimates;
  }

  /** The lowest `1/share` ranks under a seed. */
  async ranked(seed: number, share: number): Promise<RankedRows> {
    const all = `(SELECT *, ${rankSql(seed)} AS rank FROM ${this.relation})`;
    if (!this.isShared(seed) || (share === 1 && this.rows >= SHARED_ROWS_MIN)) return { from: all, ordered: false };
    const known = this.made.get(share);
    if (known?.seed === seed) return known.rows;
    const from = `pool_${share}`;
    const part = share === 1 ? '' : `WHERE rank < ${2 ** 32 / share}`;
    const tieBreaks = new Set(this.slicesBySeed.get(seed)!.map((slice) => (this.tieBreak?.(slice) ?? []).join(', ')));
    const [shared = ''] = tieBreaks.size === 1 ? tieBreaks : [];
    const order = `rank, id${shared === '' ? '' : `, ${shared}`}`;
    await this.session.run(`CREATE OR REPLACE TEMP TABLE ${from} AS SELECT * FROM ${all} ${part} ORDER BY ${order}`);
    const rows = { from, ordered: tieBreaks.size === 1 || !(await this.hasTies(from)) };
    this.made.set(share, { seed, rows });
    return rows;
  }

  /** Rows of one identity that slices order differently: no order of a table is right for all. */
  private async hasTies(table: string): Promise<boolean> {
    const [row] = await this.session.rows(`SELECT count(*) > count(DISTINCT id) AS ties FROM ${table}`);
    return Boolean(row.ties);
  }
}
