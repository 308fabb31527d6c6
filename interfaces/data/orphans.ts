/** Referential integrity by anti joins: rows that refer to what another table lacks. */
import type { OrphanAnswer, OrphanAsk } from '../../activities/ports.js';
import { columnNamed } from './columns.js';
import { arrivedSql, scanNeed, type DatasetScope } from './dataset-scope.js';
import { quoteIdentifier, quoteText, type Session } from './engine.js';
import { loadFile, requireTableColumn } from './table-file.js';

/** A number with a fraction: what is left without its closing zeros, and of minus zero its 0. */
const FRACTION = String.raw`^(?:-(0)\.0+|([+-]?\d+)(?:(\.\d*[1-9])0*|\.0+))$`;
/** A time of day on a day in ISO 8601, as exact as the engine's TIMESTAMP: microseconds. */
const INSTANT = String.raw`^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6}0*)?)?(Z|[+-]\d\d(:?\d\d)?)?$`;
const UUID = '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$';

/**
 * SQL of a key's text form, one for each value in whatever types it is kept: 7, 7.0 and " 7"; 1e16 of a double; an
 * instant with a zone, its UTC time and, at midnight, its day; a UUID in either case. Other text stays as it is: 007 and 7
 * may be two codes.
 */
function keyTextSql(sql: string): string {
  const text = `trim(CAST(${sql} AS VARCHAR))`;
  const utc = `CAST(TRY_CAST(${text} AS TIMESTAMP WITH TIME ZONE) AT TIME ZONE 'UTC' AS VARCHAR)`;
  const whole = `CAST(TRY_CAST(TRY_CAST(${text} AS DOUBLE) AS HUGEINT) AS VARCHAR)`;
  return `CASE
    WHEN regexp_matches(${text}, '${INSTANT}') THEN coalesce(regexp_replace(${utc}, ' 00:00:00$', ''), ${text})
    WHEN regexp_matches(${text}, '${UUID}') THEN lower(${text})
    WHEN typeof(${sql}) IN ('DOUBLE', 'FLOAT') AND contains(${text}, 'e+') THEN coalesce(${whole}, ${text})
    ELSE regexp_replace(${text}, '${FRACTION}', '\\1\\2\\3') END`;
}

/**
 * Indices of the keys that no row of a file has.
 *
 * @param keys distinct values, each as long as `columns`
 * @throws BalanceError `UnreadableFile`, `UnknownFormat`, `EmptyFile`, `MissingColumn`
 */
export async function orphanKeys(
  session: Session,
  keys: readonly (readonly string[])[],
  path: string,
  columns: readonly string[],
): Promise<ReadonlySet<number>> {
  const known = await loadFile(session, 'referred', path);
  for (const name of columns) requireTableColumn(known, name, path);
  const theirs = columns.map((name, index) => `${keyTextSql(quoteIdentifier(name))} AS k${index}`);
  const own = columns.map((_, index) => `${keyTextSql(`cells[${index + 1}]`)} AS k${index}`);
  const found = await session.rows(
    `SELECT nr FROM (
       SELECT nr, ${own.join(', ')}
       FROM (SELECT unnest(from_json($1, '["VARCHAR[]"]')) AS cells, unnest(range(${keys.length})) AS nr))
     ANTI JOIN (SELECT ${theirs.join(', ')} FROM referred) USING (${columns.map((_, index) => `k${index}`).join(', ')})`,
    [JSON.stringify(keys)],
  );
  return new Set(found.map(({ nr }) => Number(nr)));
}

/** Files looked at by one statement: planning grows faster than linearly with its branches. */
const FILES_AT_ONCE = 50;
/** Values named as examples of one answer. */
const EXAMPLES_MAX = 3;

/**
 * Counts, in delivered files, the rows that refer to a row which the dataset did not have as of the scope's time. A row
 * with a missing part of its key refers to nothing.
 *
 * @param located the absolute path of a delivered file
 * @throws `UnknownColumn` where the dataset lacks a column of the keys
 */
export async function countOrphans(
  at: DatasetScope,
  asks: readonly OrphanAsk[],
  located: (path: string) => string,
  session: Session,
): Promise<OrphanAnswer[]> {
  const answers: OrphanAnswer[] = [];
  // Questions about the same columns of the dataset share its scan.
  const byKeys = new Map<string, OrphanAsk[]>();
  for (const ask of asks) {
    const key = JSON.stringify(ask.keys);
    byKeys.set(key, [...(byKeys.get(key) ?? []), ask]);
  }
  for (const sharing of byKeys.values()) answers.push(...(await countSharing(at, sharing, located, session)));
  return answers;
}

/** The answers to questions about the same columns: however many files ask, the dataset is read once. */
async function countSharing(
  at: DatasetScope,
  asks: readonly OrphanAsk[],
  located: (path: string) => string,
  session: Session,
): Promise<OrphanAnswer[]> {
  const columns = asks[0].keys.map((name) => columnNamed(at.open.columns, name));
  const names = columns.map((_, index) => `k${index}`);
  const complete = names.map((name) => `${name} IS NOT NULL`).join(' AND ');
  const referring = asks.map(({ path, columns: from }, nr) => {
    const texts = from.map((name, index) => `${keyTextSql(quoteIdentifier(name))} AS ${names[index]}`);
    return `SELECT ${nr} AS nr, ${texts.join(', ')} FROM read_parquet(${quoteText(located(path))})`;
  });
  for (let start = 0; start < referring.length; start += FILES_AT_ONCE) {
    const files = referring.slice(start, start + FILES_AT_ONCE).join(' UNION ALL ');
    await session.run(
      `${start === 0 ? 'CREATE OR REPLACE TEMP TABLE referring AS' : 'INSERT INTO referring'}
       SELECT *, count(*) AS n FROM (${files}) WHERE ${complete} GROUP BY ALL`,
    );
  }
  const scan = await at.open.scan(scanNeed(at, columns, [], false));
  const referred = columns.map(({ alias }, index) => `${keyTextSql(alias)} AS ${names[index]}`);
  const rows = await session.rows(
    `WITH lost AS MATERIALIZED (
       SELECT nr, concat_ws(', ', ${names.join(', ')}) AS value, n FROM referring
       ANTI JOIN (SELECT ${referred.join(', ')} FROM ${scan} WHERE ${arrivedSql(at)}) USING (${names.join(', ')})),
     named AS (
       SELECT nr, sum(n) AS orphans, list(value ORDER BY n DESC, value)[1:${EXAMPLES_MAX}] AS examples FROM lost GROUP BY nr)
     SELECT nr, rows, orphans, examples FROM (SELECT nr, sum(n) AS rows FROM referring GROUP BY nr) LEFT JOIN named USING (nr)`,
  );
  await session.run('DROP TABLE referring');
  const found = new Map(rows.map((row) => [Number(row.nr), row]));
  return asks.map(({ id }, nr) => {
    const row = found.get(nr);
    return {
      id,
      rows: Number(row?.rows ?? 0),
      orphans: Number(row?.orphans ?? 0),
      examples: ((row?.examples ?? []) as unknown as readonly string[]).map(String),
    };
  });
}
