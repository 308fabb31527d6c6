/** Draws a planned mixture from a loaded table, and splits it before the draw so that nothing leaks. */
import type { Mixture } from '../../domain/quality/mixture.js';
import { usageError } from '../../domain/types/errors.js';
import { quoteIdentifier, quoteText, type Session } from './engine.js';
import { writeTableFile } from './table-file.js';

/** How the rows of `source` are divided. Rows of one group, of one time or with the same content stay together. */
export interface SplitRule {
  /** Share of the rows that goes to `train`, in (0, 1). */
  readonly share: number;
  readonly groupBy?: string;
  readonly timeBy?: string;
}

export const WEIGHT_COLUMN = 'sample_weight';

/** A random order that only the seed and the text decide, the same in every engine version. */
const rankOf = (seed: number, text: string): string => `md5_number('${seed}:' || ${text})`;
/** A column `rowid` would hide the position of the row: it is kept under another name. */
const ROW_ID = 'rowid';
const storedName = (column: string): string =>
  quoteIdentifier(column.toLowerCase() === ROW_ID ? 'column rowid' : column);
const textOf = (column: string): string => `CAST(${storedName(column)} AS VARCHAR)`;
/** The whole row: a column may be called `source` as well, hardly this. */
const WHOLE_ROW = quoteIdentifier('row of source');

/** Makes the loaded table `source` ready for the draw. */
export async function prepareSource(session: Session, columns: readonly string[]): Promise<void> {
  const hidden = columns.find((column) => column.toLowerCase() === ROW_ID);
  if (hidden !== undefined)
    await session.run(`ALTER TABLE source RENAME COLUMN ${quoteIdentifier(hidden)} TO ${storedName(hidden)}`);
}

/**
 * Makes the table `assigned(id, class, part)` over the labelled rows of `source`; `part` is `all`, or `train` and
 * `validation`. Returns the rows left out: without a label (NULL or blank), or without a time where the split is by time.
 */
export async function assignRows(
  session: Session,
  label: string,
  seed: number,
  split: SplitRule | null,
): Promise<{ readonly unlabelled: number; readonly untimed: number }> {
  const unit = split === null ? `''` : await unitOf(session, split);
  await session.run(`CREATE OR REPLACE TEMP TABLE units AS
    SELECT rowid AS id, CASE WHEN trim(${textOf(label)}) <> '' THEN ${textOf(label)} END AS class, ${unit} AS unit FROM source AS ${WHOLE_ROW}`);
  const [left] = await session.rows(`
    SELECT count(*) FILTER (WHERE class IS NULL)::DOUBLE AS unlabelled,
      count(*) FILTER (WHERE class IS NOT NULL AND unit IS NULL)::DOUBLE AS untimed FROM units`);
  await session.run(`CREATE OR REPLACE TEMP TABLE assigned AS
    ${split === null ? `SELECT id, class, 'all' AS part FROM units WHERE class IS NOT NULL` : placedSql(split, seed)}`);
  return { unlabelled: Number(left.unlabelled), untimed: Number(left.untimed) };
}

/** Which side each labelled row is of. What is too large for the smaller side goes to the larger one, whatever its place. */
function placedSql({ share, timeBy }: SplitRule, seed: number): string {
  const isByTime = timeBy !== undefined;
  const order = isByTime ? 'unit' : `${rankOf(seed, 'unit')}, unit`;
  const [larger, least] = share >= 0.5 ? ['train', 1 - share] : ['validation', share];
  const isLarge = isByTime ? 'FALSE' : `rows > ${least} * sum(rows) OVER ()`;
  // The others fill train up; a unit goes to the side that holds its middle row.
  const left = `${share} * total${larger === 'train' ? ' - largeRows' : ''}`;
  return `WITH counted AS (SELECT unit, count(*) AS rows FROM units WHERE class IS NOT NULL AND unit IS NOT NULL GROUP BY unit),
    sizes AS (SELECT *, ${isLarge} AS large FROM counted),
    filling AS (SELECT unit, rows, large, sum(rows) OVER (PARTITION BY large ORDER BY ${order}) AS filled,
      sum(rows) OVER () AS total, coalesce(sum(rows) FILTER (large) OVER (), 0) AS largeRows FROM sizes)
    SELECT id, class, CASE WHEN large THEN '${larger}' WHEN filled - rows / 2 <= ${left} THEN 'train' ELSE 'validation' END AS part
    FROM units JOIN filling USING (unit) WHERE class IS NOT NULL`;
}

/** What must not be divided: the group, the time, or the whole content of the row. */
async function unitOf(session: Session, split: SplitRule): Promise<string> {
  const content = `CAST(${WHOLE_ROW} AS VARCHAR)`;
  // Rows of no group are each their own, but for those of equal content.
  if (split.groupBy !== undefined) return `coalesce('group ' || ${textOf(split.groupBy)}, 'row ' || ${content})`;
  if (split.timeBy === undefined) return content;
  const text = textOf(split.timeBy);
  const readings = [`TRY_CAST(${text} AS DOUBLE)`, `epoch_us(TRY_CAST(${text} AS TIMESTAMP))::DOUBLE`];
  for (const reading of readings) {
    const [row] = await session.rows(`SELECT count(${reading}) = count(${text}) AND count(*) > 0 AS fits FROM source`);
    if (row.fits === true) return reading;
  }
  const [odd] = await session.rows(
    `SELECT ${text} AS cell FROM source WHERE ${text} IS NOT NULL ORDER BY ${readings.map((reading) => `${reading} IS NOT NULL`).join(' OR ')}, rowid LIMIT 1`,
  );
  throw usageError({
    type: 'MalformedTime',
    message: `column ${split.timeBy} holds neither times nor numbers throughout`,
    expected: 'ISO 8601 dates and times, or numbers, in every row that has a value',
    got: odd === undefined ? 'no value' : JSON.stringify(odd.cell),
  });
}

/** Rows by class of one part. */
export async function classCountsOf(session: Session, part: string): Promise<Record<string, number>> {
  const rows = await session.rows(
    `SELECT class, count(*)::DOUBLE AS rows FROM assigned WHERE part = ${quoteText(part)} GROUP BY class ORDER BY class`,
  );
  return Object.fromEntries(rows.map((row) => [String(row.class), Number(row.rows)]));
}

/** Writes the drawn rows of one part, all `columns`, with their weights, in an order that the seed decides. */
export async function writeMixture(
  session: Session,
  part: string,
  mixture: Mixture,
  seed: number,
  path: string,
  columns: readonly string[],
): Promise<void> {
  const plan = mixture.classes
    .filter((entry) => entry.drawn > 0)
    .map((entry) => `(${quoteText(entry.class)}, ${entry.copies}, ${entry.extra}, ${entry.weight}::DOUBLE)`);
  await session.run(`CREATE OR REPLACE TEMP TABLE plan AS
    SELECT * FROM (VALUES ${[...plan, `(NULL, 0, 0, 0.0::DOUBLE)`].join(', ')}) entries (class, copies, extra, weight)`);
  const most = Math.max(0, ...mixture.classes.map((entry) => entry.copies + (entry.extra > 0 ? 1 : 0)));
  await session.run(`CREATE OR REPLACE TEMP TABLE drawn AS
    WITH ranked AS (
      SELECT id, class, row_number() OVER (PARTITION BY class ORDER BY ${rankOf(seed, 'id')}, id) AS place
      FROM assigned WHERE part = ${quoteText(part)})
    SELECT id, copy, weight FROM ranked JOIN plan USING (class), range(${most}) AS copying (copy)
    WHERE copy < copies OR (copy = copies AND place <= extra)`);
  const kept = columns.map((column) => `source.${storedName(column)} AS ${quoteIdentifier(column)}`);
  await writeTableFile(
    session,
    path,
    `SELECT ${kept.join(', ')}, drawn.weight AS ${WEIGHT_COLUMN} FROM drawn JOIN source ON source.rowid = drawn.id
     ORDER BY ${rankOf(seed, `drawn.id || ':' || drawn.copy`)}, drawn.id, drawn.copy`,
  );
}
