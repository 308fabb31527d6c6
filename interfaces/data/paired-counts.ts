/** Two files as paired counts by column: what the drift tests read. All the counting is done by the engine. */
import { usageError } from '../../domain/types/errors.js';
import type { PairedCounts } from '../../domain/quality/shift-tests.js';
import type { PairedColumn, PairedPart } from '../../domain/quality/shift.js';
import { LANGUAGE_LETTERS_MIN, languageOf, LOOKS } from '../../domain/quality/text.js';
import { quoteIdentifier, type ResultRow, type Session } from './engine.js';
import { pairVectors } from './paired-vectors.js';
import { loadFile } from './table-file.js';

/** A column is of numbers (or times) when at least this share of its values reads as one; the rest is malformed. */
const KIND_SHARE_MIN = 0.95;
/** From so many values on, distinct integers in rising or dense order are row numbers, not measurements. */
const IDENTIFIER_ROWS_MIN = 20;

/** Where fewer than this share of the rows hold a value that occurs again, the column is free text: its look is compared. */
const FREE_TEXT_SHARE = 0.5;

const TABLES = ['reference', 'current'] as const;

/**
 * Loads both files and pairs their columns by name; a column of one side only is marked as absent from the other.
 * @throws BalanceError those of `loadFile`, and `NoRows` where one file has rows and the other a header alone
 */
export async function pairFilesByColumn(session: Session, reference: string, current: string): Promise<PairedColumn[]> {
  const before = await loadFile(session, 'reference', reference);
  const after = await loadFile(session, 'current', current);
  await expectRows(session, { reference, current });
  const names = [...new Set([...before, ...after])];
  const paired: PairedColumn[] = [];
  for (const name of names) {
    if (before.includes(name) && after.includes(name))
      paired.push((await pairVectors(session, name)) ?? (await pairColumn(session, name)));
    else paired.push(absent(name, before.includes(name) ? 'current' : 'reference'));
  }
  return paired;
}

async function expectRows(session: Session, paths: Readonly<Record<(typeof TABLES)[number], string>>): Promise<void> {
  const empty: (typeof TABLES)[number][] = [];
  for (const table of TABLES) {
    const rows = await session.rows(`SELECT 1 FROM ${table} LIMIT 1`);
    if (rows.length === 0) empty.push(table);
  }
  if (empty.length !== 1) return;
  throw usageError({
    type: 'NoRows',
    message: `${paths[empty[0]]} has no rows, ${empty[0] === 'current' ? paths.reference : paths.current} has some`,
    expected: `a ${empty[0]} file with rows: of none nothing can be told, least of all that they are stable`,
    got: 'a header alone',
  });
}

function absent(column: string, absentFrom: 'reference' | 'current'): PairedColumn {
  const nothing = { values: [], reference: [], current: [], present: [0, 0] as const };
  return { column, kind: 'category', ...nothing, missing: [0, 0], malformed: [0, 0], absentFrom };
}

/** The column's text, NULL where a value is missing; blank text and the usual names of nothing count as missing. */
function textOf(column: string): string {
  const text = `trim(CAST(${quoteIdentifier(column)} AS VARCHAR))`;
  return `CASE WHEN lower(${text}) IN ('', 'nan', 'null', 'na', 'none') THEN NULL ELSE ${text} END`;
}

interface Facts {
  readonly rows: number;
  readonly present: number;
  readonly numbers: number;
  readonly times: number;
  readonly identifier: boolean;
}

async function factsOf(session: Session, table: string, column: string): Promise<Facts> {
  const [row] = await session.rows(`
    WITH texts AS (SELECT rowid AS position, ${textOf(column)} AS text FROM ${table}),
    numbers AS (SELECT position, text, ${numberOf('text')} AS number FROM texts),
    steps AS (SELECT *, number - lag(number) OVER (ORDER BY position) AS step FROM numbers)
    SELECT count(*)::DOUBLE AS rows, count(text)::DOUBLE AS present, count(number)::DOUBLE AS numbers,
      count(TRY_CAST(text AS TIMESTAMP))::DOUBLE AS times,
      coalesce(bool_and(number = floor(number)), false) AS whole, coalesce(bool_and(step > 0), false) AS rising,
      count(DISTINCT number)::DOUBLE AS kinds, max(number) - min(number) + 1 AS span
    FROM steps`);
  const numbers = Number(row.numbers);
  const unique = Number(row.kinds) === numbers && numbers >= IDENTIFIER_ROWS_MIN && row.whole === true;
  // Independent draws are neither sorted nor do they fill half of their range without a repeat.
  const identifier = unique && (row.rising === true || Number(row.span) <= 2 * numbers);
  return { rows: Number(row.rows), present: Number(row.present), numbers, times: Number(row.times), identifier };
}

/** A finite number, or NULL. */
function numberOf(text: string): string {
  const number = `TRY_CAST(${text} AS DOUBLE)`;
  return `CASE WHEN isfinite(${number}) THEN ${number} END`;
}

function kindOf(before: Facts, after: Facts): PairedColumn['kind'] {
  // The reference says what the column is; only where it has no values the current file does.
  const { present, numbers, times } = before.present > 0 ? before : after;
  if (present === 0) return 'category';
  if (numbers >= KIND_SHARE_MIN * present) return before.identifier && after.identifier ? 'identifier' : 'number';
  return times >= KIND_SHARE_MIN * present ? 'time' : 'category';
}

async function pairColumn(session: Session, column: string): Promise<PairedColumn> {
  const [before, after] = [await factsOf(session, TABLES[0], column), await factsOf(session, TABLES[1], column)];
  const kind = kindOf(before, after);
  const wellFormed = (facts: Facts): number =>
    kind === 'category' ? facts.present : kind === 'time' ? facts.times : facts.numbers;
  const none = { values: [], reference: [], current: [] };
  const present = [wellFormed(before), wellFormed(after)] as const;
  const counts =
    kind === 'number'
      ? await countsOf(session, numberOf(textOf(column)), '')
      : kind === 'category'
        ? await countsOf(session, textOf(column), 'HAVING count(*) > 1')
        : none;
  const repeated = [...counts.reference, ...counts.current].reduce((sum, rows) => sum + rows, 0);
  const isFree = kind === 'category' && repeated < FREE_TEXT_SHARE * (present[0] + present[1]);
  return {
    column,
    kind,
    ...counts,
    present,
    ...(isFree ? { parts: await textParts(session, column, present) } : {}),
    ...(kind === 'time' ? { parts: [await timeLook(session, column, present)] } : {}),
    missing: [before.rows - before.present, after.rows - after.present],
    malformed: [before.present - wellFormed(before), after.present - wellFormed(after)],
  };
}

/** Kinds of characters of times: the times move on, the way in which they are written stays. */
async function timeLook(session: Session, column: string, present: readonly [number, number]): Promise<PairedPart> {
  const text = textOf(column);
  const look = `CASE WHEN TRY_CAST(${text} AS TIMESTAMP) IS NOT NULL THEN ${lookOf(text)} END`;
  return { name: 'look', kind: 'category', counts: { ...(await countsOf(session, look, '')), present } };
}

/** Kinds of characters, lengths, languages. */
async function textParts(session: Session, column: string, present: readonly [number, number]): Promise<PairedPart[]> {
  const text = textOf(column);
  return [
    { name: 'look', kind: 'category', counts: { ...(await countsOf(session, lookOf(text), '')), present } },
    {
      name: 'length',
      kind: 'number',
      counts: { ...(await countsOf(session, `length(${text})::DOUBLE`, '')), present },
    },
    { name: 'language', kind: 'category', counts: await languagesOf(session, column) },
  ];
}

/** Texts of each side whose language is asked for: a language that 1 % of them has is missed in one case of 150. */
const LANGUAGE_TEXTS_MAX = 500;

/** Languages of a sample of each side's longer texts, drawn by their md5; those whose language is not clear are left out. */
async function languagesOf(session: Session, column: string): Promise<PairedCounts> {
  const told: Map<string, number>[] = [];
  for (const table of TABLES) {
    const rows = await session.rows(
      `SELECT text FROM (SELECT ${textOf(column)} AS text FROM ${table}) WHERE length(text) >= ${LANGUAGE_LETTERS_MIN}
       ORDER BY md5(text), text LIMIT ${LANGUAGE_TEXTS_MAX}`,
    );
    const counts = new Map<string, number>();
    for (const { text } of rows) {
      const language = languageOf(String(text));
      if (language !== null) counts.set(language, (counts.get(language) ?? 0) + 1);
    }
    told.push(counts);
  }
  const values = [...new Set(told.flatMap((counts) => [...counts.keys()]))].sort();
  const [reference, current] = told.map((counts) => values.map((language) => counts.get(language) ?? 0));
  const rowsOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  return { values, reference, current, present: [rowsOf(reference), rowsOf(current)] };
}

/** The kinds of characters that a text has, each once. */
function lookOf(text: string): string {
  const marks = Object.entries(LOOKS).map(
    ([mark, pattern]) => `CASE WHEN regexp_matches(${text}, '${pattern}') THEN '${mark}' ELSE '' END`,
  );
  return `CASE WHEN ${text} IS NOT NULL THEN concat(${marks.join(', ')}) END`;
}

/** Each value of an SQL expression with its count on both sides, ascending. */
async function countsOf(
  session: Session,
  value: string,
  having: string,
): Promise<Pick<PairedColumn, 'values' | 'reference' | 'current'>> {
  const rows: readonly ResultRow[] = await session.rows(`
    SELECT value, sum(side)::DOUBLE AS current, (count(*) - sum(side))::DOUBLE AS reference
    FROM (SELECT ${value} AS value, 0 AS side FROM reference UNION ALL SELECT ${value}, 1 FROM current)
    WHERE value IS NOT NULL GROUP BY value ${having} ORDER BY value`);
  return {
    values: rows.map((row) => row.value as string | number),
    reference: rows.map((row) => row.reference as number),
    current: rows.map((row) => row.current as number),
  };
}
