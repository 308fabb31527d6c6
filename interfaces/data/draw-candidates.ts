/** The few rows among which a draw by segments or by class finds all of its own, so that only they have to be sorted. */
import type { SliceAsk } from '../../activities/ports.js';
import { classSql, columnNamed, type SourceColumn } from './columns.js';
import { wholeMs } from './dataset-scope.js';

/**
 * Ranks are counted in buckets of one eighth of a power of two: a group's few lowest are told from the others whatever its
 * size, and a bucket holds at most a tenth more than is asked for.
 */
const BUCKET = 'CAST(floor(8 * log2(rank + 1)) AS USMALLINT)';

/** A group of rows, and how many of its lowest by rank may be drawn. */
interface Groups {
  /** Positions of the group's columns among the keys. */
  readonly keys: readonly number[];
  /** SQL: the wanted rows; a class has its own. */
  readonly wanted: string;
  /** SQL that joins the wanted rows of each class, where each has its own. */
  readonly join: string;
}

/**
 * A FROM clause of the rows of `base` (columns `rank` and what the slice names) that may be drawn: of each segment those
 * in the buckets that hold its first rows by rank, and of each class with a quota, or of all rows, those that hold as many as are
 * drawn. Every row of a group up to its last bucket is in, so that a row's place within what is drawn of its group is
 * its place among all. Costs one aggregation and a look-up for each row, in place of a sort of them all.
 *
 * @returns null where the draw takes all rows
 */
export function candidatesSql(
  slice: SliceAsk,
  columns: readonly SourceColumn[],
  base: string,
  quotas: string | null,
): string | null {
  const { cover, rows, classColumn } = slice;
  if (quotas === null && (cover === undefined || rows === null)) return null;
  const named = [...new Set([...(cover?.segments.flat() ?? []), ...(quotas === null ? [] : [classColumn!])])];
  const key = (name: string): number => named.indexOf(name);
  const segments = (cover?.segments ?? []).map((list): Groups => ({
    keys: list.map(key),
    wanted: wholeMs(cover!.rows),
    join: '',
  }));
  const drawn: Groups =
    quotas === null
      ? { keys: [], wanted: wholeMs(rows!), join: '' }
      : { keys: [key(classColumn!)], wanted: 'quota', join: `JOIN ${quotas} ON k${key(classColumn!)} = class` };
  const groups = [...segments, drawn];
  const sets = groups.map(({ keys }) => `(${[...keys.map((at) => `k${at}`), 'bucket'].join(', ')})`);
  const keyed = named.map((name, at) => `${classSql(columnNamed(columns, name))} AS k${at}`);
  const all = named.map((_, at) => `k${at}`);
  const limits = groups.map(({ keys, wanted, join }, at) => {
    const own = keys.map((one) => `k${one}`);
    const part = own.length === 0 ? '' : `PARTITION BY ${own.join(', ')}`;
    return `limit${at} AS (SELECT ${[...own, 'max(bucket) AS last'].join(', ')} FROM (
        SELECT *, sum(n) OVER (${part} ORDER BY bucket) - n AS before FROM counted WHERE grouped = ${maskOf(keys, named.length)}
      ) ${join} WHERE before < ${wanted} ${own.length === 0 ? '' : `GROUP BY ${own.join(', ')}`})`;
  });
  const joins = groups.map(({ keys }, at) =>
    keys.length === 0
      ? `CROSS JOIN limit${at}`
      : `LEFT JOIN limit${at} ON ${keys.map((one) => `base.k${one} = limit${at}.k${one}`).join(' AND ')}`,
  );
  const kept = groups.map((_, at) => `bucket <= limit${at}.last`);
  return `(WITH base AS (SELECT ${['*', `${BUCKET} AS bucket`, ...keyed].join(', ')} FROM ${base}),
      counted AS MATERIALIZED (SELECT ${named.length === 0 ? '0' : `GROUPING(${all.join(', ')})`} AS grouped, ${[...all, 'bucket', 'count(*) AS n'].join(', ')}
        FROM base GROUP BY GROUPING SETS (${[...new Set(sets)].join(', ')})),
      ${limits.join(', ')}
    SELECT base.* FROM base ${joins.join(' ')} WHERE ${kept.join(' OR ')})`;
}

/** What `GROUPING` says of a set: a bit for each key that is not in it, the first key's the highest. */
function maskOf(keys: readonly number[], count: number): number {
  return Array.from({ length: count }, (_, at) => (keys.includes(at) ? 0 : 2 ** (count - 1 - at))).reduce(
    (a, b) => a + b,
    0,
  );
}
