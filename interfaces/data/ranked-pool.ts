/** The rows of a merged read in the order of a seed, so that a slice looks at no more of them than it needs. */
import { createHash } from 'node:crypto';
import type { SliceAsk } from '../../activities/ports.js';
import type { Session } from './engine.js';

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
const SHARES = [64, 8, 1] as const;
/** A share pays off from this many slices of one seed and rows on (DuckDB scans 122,880 rows as one piece). */
const SHARED_SLICES_MIN = 4;
const SHARED_ROWS_MIN = 122_880;

/**
 * The table `pool` as seen by one seed after the other. A slice that wants few rows finds them among the lowest
 * ranks: a small table, made once per seed, answers it, and only when it runs out the next larger one is asked.
 */
export class RankedPool {
  private readonly slicesBySeed = new Map<number, number>();
  private readonly made = new Map<number, number>();

  constructor(
    private readonly session: Session,
    private readonly rows: number,
    slices: readonly SliceAsk[],
  ) {
    for (const { seed } of slices) this.slicesBySeed.set(seed, (this.slicesBySeed.get(seed) ?? 0) + 1);
  }

  /** The shares to try in turn for up to `wanted` rows, smallest first; the last one is the whole pool. */
  shares(seed: number, wanted: number): readonly number[] {
    if (this.rows < SHARED_ROWS_MIN || (this.slicesBySeed.get(seed) ?? 0) < SHARED_SLICES_MIN) return [1];
    return SHARES.filter((share) => share === 1 || wanted * share <= this.rows);
  }

  /** FROM clause of the lowest `1/share` ranks under a seed, with the columns `rank` and `pos` (position in the pool). */
  async relation(seed: number, share: number): Promise<string> {
    const all = `(SELECT *, rowid AS pos, ${rankSql(seed)} AS rank FROM pool)`;
    if (share === 1) return all;
    const table = `pool_${share}`;
    if (this.made.get(share) !== seed) {
      await this.session.run(
        `CREATE OR REPLACE TEMP TABLE ${table} AS SELECT * FROM ${all} WHERE rank < ${2 ** 32 / share}`,
      );
      this.made.set(share, seed);
    }
    return table;
  }
}
