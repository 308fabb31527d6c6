/** What `balance profile` reads besides the contract: tables as text, corrected rows, class targets. */
import { readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { CorrectedRow } from '../../domain/quality/cell-labels.js';
import { encodeTable } from '../../domain/quality/cell-table.js';
import { bindContract, EMPTY_CONTRACT, nameFinder, type QualityContract } from '../../domain/quality/contract.js';
import { referringKeys, type OrphanVerdict } from '../../domain/quality/detector/orphan.js';
import { checkDistinct } from '../../domain/quality/mixture.js';
import { usageError } from '../../domain/types/errors.js';
import { readCsvFile, type CsvTable } from '../../interfaces/data/csv.js';
import { quoteIdentifier } from '../../interfaces/data/engine.js';
import { orphanKeys } from '../../interfaces/data/orphans.js';
import { isTableFile, withEngine } from '../../interfaces/data/table-file.js';
import { measureColumns, tableSource, type ColumnFacts } from '../../interfaces/data/table-profile.js';

/** Rows of a large table whose cells are judged one by one: its first ones. */
const JUDGED_ROWS = 20_000;
/** Cells, and bytes of a text file, that may pass through JavaScript; about 300 MB of memory. */
const MAX_CELLS = 4_000_000;
const MAX_TEXT_BYTES = 64 * 2 ** 20;

/** A table to profile. `facts` describe all rows where `rows` holds only the first ones. */
export interface OpenedTable extends CsvTable {
  readonly facts?: readonly ColumnFacts[];
}

/**
 * Reads a table as text: CSV and standard input cell by cell as written, other kinds through the engine's text form.
 * Of a table too large for that, the first rows, and the facts of every column over all rows.
 */
export async function openTable(path: string): Promise<OpenedTable> {
  const isCsv = extname(path).toLowerCase() === '.csv' || !isTableFile(path);
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (isCsv && bytes <= MAX_TEXT_BYTES) return withDistinctNames(readCsvFile(path), path);
  return withEngine(async (session) => {
    const source = tableSource(path);
    const described = await session.rows(`DESCRIBE SELECT * FROM ${source}`);
    const columns = described.map((row) => String(row.column_name));
    // Every number of a list counts as a cell: an embedding has hundreds.
    const lists = described.filter((row) => /\[\d*\]$/.test(String(row.column_type)));
    const numbers = lists.map((row) => `coalesce(sum(len(${quoteIdentifier(String(row.column_name))})), 0)`);
    const [{ size, inLists }] = await session.rows(
      `SELECT count(*)::DOUBLE AS size, (${['0', ...numbers].join(' + ')})::DOUBLE AS "inLists" FROM ${source}`,
    );
    const cells = Number(size) * (columns.length - lists.length) + Number(inLists);
    const isLarge = cells > MAX_CELLS;
    const judged = Math.max(1, Math.min(JUDGED_ROWS, Math.floor((MAX_CELLS * Number(size)) / Math.max(1, cells))));
    const texts = described.map(
      ({ column_name: name, column_type: type }) =>
        `coalesce(${textOf(quoteIdentifier(String(name)), String(type))}, '') AS ${quoteIdentifier(String(name))}`,
    );
    const limit = isLarge ? ` LIMIT ${judged}` : '';
    const rows = await session.rows(`SELECT ${texts.join(', ')} FROM ${source}${limit}`);
    const table = { columns, rows: rows.map((row) => columns.map((name) => String(row[name]))) };
    return isLarge ? { ...table, facts: await measureColumns(session, source) } : table;
  });
}

/** A cell as text. A whole number is written so, whatever type the file keeps it in: 12, not 12.0. */
function textOf(column: string, type: string): string {
  const text = `CAST(${column} AS VARCHAR)`;
  return ['FLOAT', 'DOUBLE'].includes(type) ? `regexp_replace(${text}, '\\.0$', '')` : text;
}

/** Findings name their column: two of one name could not be told apart. */
function withDistinctNames(table: CsvTable, path: string): CsvTable {
  const repeated = table.columns.find((name, index) => table.columns.indexOf(name) !== index);
  if (repeated === undefined) return table;
  throw usageError({
    type: 'RepeatedColumn',
    message: `${path}: two columns are called ${JSON.stringify(repeated)}`,
    expected: 'distinct column names',
    got: table.columns.join(','),
    hint: 'Rename one of them in the header line.',
  });
}

/**
 * Reads corrected rows: a column `row` (0-based) and columns of the profiled file, named as there; others are passed over.
 * @throws BalanceError `InvalidLabels` for a row that the file lacks, one that is told twice, or where no column is the file's
 */
export function readLabels(path: string, columns: readonly string[], rows: number): CorrectedRow[] {
  const labels = readCsvFile(path);
  const rowIndex = labels.columns.indexOf('row');
  // If the file itself has a column `row`, its corrected values stand in the second column of that name.
  const find = nameFinder(labels.columns.filter((_, index) => index !== rowIndex));
  const sources = columns.map((name) => {
    const source = find(name);
    return source === undefined ? -1 : labels.columns.lastIndexOf(source);
  });
  if (rowIndex >= 0 && sources.every((source) => source < 0)) {
    throw usageError({
      type: 'InvalidLabels',
      message: `${path}: none of its columns is one of the file`,
      expected: `a column "row" and some of: ${columns.join(', ')}`,
      got: labels.columns.join(','),
    });
  }
  const told = new Set<number>();
  return labels.rows.map((cells, index) => {
    const row = rowIndex < 0 || cells[rowIndex].trim() === '' ? NaN : Number(cells[rowIndex]);
    if (!Number.isInteger(row) || row < 0 || row >= rows) {
      throw usageError({
        type: 'InvalidLabels',
        message: `${path}: line ${index + 1} after the header names no row of the file`,
        expected: `a column "row" with whole numbers from 0 to ${rows - 1}`,
        got: rowIndex < 0 ? 'no column "row"' : JSON.stringify(cells[rowIndex]),
      });
    }
    if (told.has(row)) {
      throw usageError({
        type: 'InvalidLabels',
        message: `${path}: row ${row} is told twice`,
        expected: 'one line for each corrected row',
        got: `line ${index + 1} after the header tells it again`,
      });
    }
    told.add(row);
    return { row, values: sources.map((source) => (source < 0 ? undefined : cells[source])) };
  });
}

/**
 * Reads the wanted class mix: `uniform`, a YAML or JSON object of weights by class, a CSV `class,share`, or a table
 * with the label column, whose own mix is then the target.
 */
export async function readTarget(target: string, label: string): Promise<'uniform' | Record<string, number>> {
  if (target === 'uniform') return target;
  if (['.yaml', '.yml', '.json'].includes(extname(target).toLowerCase())) {
    const weights = z.record(z.string(), z.number().nonnegative()).safeParse(readYaml(target));
    if (weights.success) return weights.data;
  }
  const table = await openTable(target);
  const labelIndex = table.columns.indexOf(label);
  if (labelIndex >= 0) return countClasses(table.rows.map((row) => row[labelIndex]));
  const weights = table.rows.map(([name, share]): [string, number] => [name, share?.trim() ? Number(share) : NaN]);
  if (table.columns.length === 2 && weights.every(([, share]) => Number.isFinite(share) && share >= 0)) {
    checkDistinct(weights.map(([name]) => name));
    return Object.fromEntries(weights);
  }
  throw usageError({
    type: 'InvalidClassTarget',
    message: `${target} is no class target`,
    expected: `uniform, an object of weights by class, a CSV class,share, or a table with the column ${label}`,
    got: table.columns.join(','),
  });
}

function readYaml(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw usageError({
      type: 'UnreadableFile',
      message: `cannot read ${path}: ${(cause as Error).message}`,
      expected: 'a readable YAML or JSON file',
      got: path,
    });
  }
}

/** Reads `--with NAME=FILE`, once for each table that others refer to. */
export function readTables(given: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    given.map((text): [string, string] => {
      const at = text.indexOf('=');
      if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
      throw usageError({
        type: 'InvalidTable',
        message: `--with ${text} names no table`,
        expected: 'NAME=FILE, with a name that the references of the contract have: customers=customers.csv',
        got: text,
      });
    }),
  );
}

/**
 * Holds the references of a contract against the tables that were given; those whose table was not are not judged.
 *
 * @throws BalanceError `UnknownTable` for a table that no reference names, and what `orphanKeys` throws
 */
export async function findOrphans(
  table: CsvTable,
  declared: QualityContract | undefined,
  tables: ReadonlyMap<string, string>,
): Promise<OrphanVerdict[]> {
  const references = bindContract(declared ?? EMPTY_CONTRACT, table.columns).contract.references ?? [];
  const named = [...new Set((declared?.references ?? []).map(({ dataset }) => dataset))];
  const stranger = [...tables.keys()].find((name) => !named.includes(name));
  if (stranger !== undefined) {
    throw usageError({
      type: 'UnknownTable',
      message: `no reference of the contract names the table ${stranger}`,
      expected: named.length === 0 ? 'a contract with references' : named.join(', '),
      got: stranger,
    });
  }
  if (references.length === 0) return [];
  const encoded = encodeTable(table.columns, table.rows);
  return withEngine(async (session) => {
    const verdicts: OrphanVerdict[] = [];
    for (const reference of references) {
      const referring = referringKeys(encoded, reference);
      const path = tables.get(reference.dataset);
      const orphans = path === undefined ? null : await orphanKeys(session, referring.keys, path, reference.keys);
      verdicts.push({ ...referring, orphans });
    }
    return verdicts;
  });
}

/** Rows by class; blank labels are no class. */
export function countClasses(labels: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const label of labels) if (label.trim() !== '') counts.set(label, (counts.get(label) ?? 0) + 1);
  return Object.fromEntries(counts);
}
