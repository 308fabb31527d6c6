/** Datasets that are files: Parquet, CSV or JSON, one file or a glob, under the declared root. */
import { createRequire } from 'node:module';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { basename, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { DatasetRef } from '../../activities/ports.js';
import { BalanceError, usageError } from '../../domain/types/errors.js';
import { columnNamed, sourceColumns, type SourceColumn } from './columns.js';
import { quoteIdentifier, quoteText, type Session } from './engine.js';
import { fileDigest } from './file-cache.js';
import { keyIdentitySql, md5Sql, type DataSource, type OpenDataset, type ScanNeed } from './source.js';

export interface FilesSourceOptions {
  /** Folder of balance.yaml: relative roots start here. */
  readonly baseDir: string;
  /** Folder of the project whose node_modules `package:` roots point into. */
  readonly projectRoot: string;
}

/** A file of a dataset. */
interface DataFile {
  readonly path: string;
  /** Relative to the root, with `/`: part of row identities, so a copy of the folder gives the same rows. */
  readonly name: string;
  readonly stamp: string;
}

type Format = 'parquet' | 'csv' | 'json';
const FORMATS: Readonly<Record<string, Format | undefined>> = {
  parquet: 'parquet',
  pq: 'parquet',
  csv: 'csv',
  tsv: 'csv',
  json: 'json',
  jsonl: 'json',
  ndjson: 'json',
};
/** More files than this is a mistake in the glob. */
const FILES_MAX = 10_000;
/** Digests and readings kept in memory. */
const MEMO_MAX = 10_000;

/** The source kind `files`. Digests are memoised by path, size, modification time and inode; readings by content. */
export function filesSource(options: FilesSourceOptions): DataSource {
  const digests = new Map<string, string>();
  const readings = new Map<string, Reading>();
  const digestOf = (file: DataFile): Promise<string> =>
    memoised(digests, `${file.path}\0${file.stamp}`, () => fileDigest(file.path));
  return {
    async open(dataset, session) {
      const root = await rootFolder(dataset, options);
      const files = await datasetFiles(dataset, root, session);
      const format = formatOf(dataset);
      const parts: Record<string, string> = {};
      for (const file of files) parts[file.name] = await digestOf(file);
      const named = files.map(({ name }) => `${name}\0${parts[name]}`);
      const contentId =
        files.length === 1 ? parts[files[0].name] : createHash('sha256').update(named.join('\n')).digest('hex');
      const declared = readerSql(format, files, isGlob(dataset.definition.path));
      const reading = await memoised(readings, `${contentId}\0${declared}`, async () => {
        const columns = await describeColumns(declared, session);
        const sniffed = format === 'csv' ? await sniffedReader(dataset, files, columns, session) : null;
        return { reader: sniffed ?? declared, columns };
      });
      return openFiles({ dataset, root, format, files, parts, contentId, ...reading });
    },
  };
}

async function memoised<T>(memo: Map<string, T>, key: string, compute: () => Promise<T>): Promise<T> {
  const known = memo.get(key);
  if (known !== undefined) return known;
  const value = await compute();
  if (memo.size >= MEMO_MAX) memo.clear();
  memo.set(key, value);
  return value;
}

function unreadable(dataset: DatasetRef, got: string, hint: string): BalanceError {
  return new BalanceError('unreachable', {
    type: 'UnreadableSource',
    message: `dataset ${dataset.id}: nothing to read`,
    expected: `a readable file at ${String(dataset.definition.path)}`,
    got,
    hint,
  });
}

async function rootFolder(dataset: DatasetRef, options: FilesSourceOptions): Promise<string> {
  if (dataset.source.kind !== 'files') throw new Error(`dataset ${dataset.id} is not of a files source`);
  const declared = dataset.source.root;
  const folder = declared.startsWith('package:')
    ? packageFolder(declared.slice('package:'.length), options.projectRoot)
    : resolve(options.baseDir, declared);
  const real = folder === null ? null : await realpath(folder).catch(() => null);
  if (real === null)
    throw unreadable(dataset, `no folder ${declared}`, `Check the root of source ${dataset.sourceId}.`);
  return real;
}

/** The folder of an installed package, found as Node finds it; null when it is not installed. */
export function packageFolder(target: string, projectRoot: string): string | null {
  const nameParts = target.startsWith('@') ? 2 : 1;
  const name = target.split('/').slice(0, nameParts).join('/');
  const folders = createRequire(join(projectRoot, 'package.json')).resolve.paths(name) ?? [];
  const home = folders.map((folder) => join(folder, name)).find((folder) => existsSync(folder));
  return home === undefined ? null : join(home, ...target.split('/').slice(nameParts));
}

async function datasetFiles(dataset: DatasetRef, root: string, session: Session): Promise<DataFile[]> {
  const pattern = dataset.definition.path;
  if (pattern === undefined) {
    throw usageError({
      type: 'IncompleteDataset',
      message: `dataset ${dataset.id} of a files source has no path`,
      expected: 'path',
      got: 'none',
    });
  }
  if (isAbsolute(pattern) || pattern.split(/[\\/]/).includes('..')) throw outside(dataset, pattern);
  const paths = isGlob(pattern)
    ? (await session.rows('SELECT file FROM glob($1)', [join(root, pattern)])).map((row) => String(row.file))
    : [join(root, pattern)];
  if (paths.length > FILES_MAX) {
    throw usageError({
      type: 'TooManyFiles',
      message: `dataset ${dataset.id} has too many files`,
      expected: `at most ${FILES_MAX}`,
      got: String(paths.length),
    });
  }
  const files: DataFile[] = [];
  for (const path of paths) {
    const real = await realpath(path).catch(() => null);
    if (real === null)
      throw unreadable(dataset, `no file ${pattern}`, `The root of source ${dataset.sourceId} is ${root}.`);
    // A link may point anywhere: what counts is where it leads.
    if (!real.startsWith(root + sep)) throw outside(dataset, pattern);
    files.push({ path: real, name: relative(root, real).split(sep).join('/'), stamp: await stampOf(real) });
  }
  if (files.length === 0)
    throw unreadable(dataset, `no file matches ${pattern}`, `The root of source ${dataset.sourceId} is ${root}.`);
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function isGlob(pattern = ''): boolean {
  return /[*?[]/.test(pattern);
}

function outside(dataset: DatasetRef, got: string): BalanceError {
  return usageError({
    type: 'OutsideRoot',
    message: `dataset ${dataset.id}: the path leaves the root of its source`,
    expected: 'a path under the root',
    got,
  });
}

async function stampOf(path: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(path, { bigint: true });
  return `${size}:${mtimeNs}:${ino}`;
}

function formatOf(dataset: DatasetRef): Format {
  const { format, path = '' } = dataset.definition;
  const ending = path.replace(/\.gz$/, '').split('.').at(-1) ?? '';
  const found = format ?? FORMATS[ending.toLowerCase()];
  if (found !== undefined) return found;
  throw usageError({
    type: 'UnknownFormat',
    message: `dataset ${dataset.id}: cannot tell the format of ${path}`,
    expected: 'parquet, csv or json',
    got: ending,
    hint: 'Declare `format`.',
  });
}

/** The table function over all files. The whole file decides the column types: a sample would miss late dirt. */
function readerSql(format: Format, files: readonly DataFile[], partitioned: boolean): string {
  const list = `[${files.map((file) => quoteText(file.path)).join(', ')}]`;
  // Folders named `column=value` become columns of a glob; a single file is what it holds, wherever it lies.
  const many = `, hive_partitioning = ${partitioned}${files.length > 1 ? ', union_by_name = true' : ''}`;
  const name = files.length > 1 ? ', filename = true' : '';
  if (format === 'parquet') return `read_parquet(${list}${many}${name}, file_row_number = true)`;
  return `read_${format}(${list}, sample_size = -1${many}${name})`;
}

/**
 * The reader of one CSV file with what the engine found out about it, so that it need not look at the whole file again
 * for every statement; null for several files, which may differ, and when the engine cannot spell what it found.
 */
async function sniffedReader(
  dataset: DatasetRef,
  files: readonly DataFile[],
  columns: readonly SourceColumn[],
  session: Session,
): Promise<string | null> {
  if (files.length !== 1) return null;
  const [{ path }] = files;
  try {
    const [{ found }] = await session.rows('SELECT Prompt AS found FROM sniff_csv($1, sample_size = -1)', [path]);
    const options = /^FROM read_csv\('.*', (auto_detect=false, .*)\);$/s.exec(String(found))?.[1];
    if (options === undefined) return null;
    await assertHeader(dataset, path, options, session);
    const reader = `read_csv([${quoteText(path)}], ${options}, hive_partitioning = false)`;
    // Quotes in names are not escaped there.
    return isDeepStrictEqual(await describeColumns(reader, session), columns) ? reader : null;
  } catch (error) {
    if (error instanceof BalanceError) throw error;
    return null;
  }
}

/**
 * The engine takes lines before the longest run of equally wide rows for a preamble. Lines with the delimiter in them are a
 * table's own, whose header and first rows would be lost.
 */
async function assertHeader(dataset: DatasetRef, path: string, options: string, session: Session): Promise<void> {
  const skipped = Number(/ skip=(\d+),/.exec(options)?.[1] ?? 0);
  const delimiter = /delim='(.)'/.exec(options)?.[1];
  if (skipped === 0 || delimiter === undefined) return;
  const [{ first }] = await session.rows(
    `SELECT column0 AS first FROM read_csv($1, columns = {'column0': 'VARCHAR'}, auto_detect = false, header = false, delim = '', quote = '', escape = '') LIMIT 1`,
    [path],
  );
  if (!String(first).includes(delimiter)) return;
  throw usageError({
    type: 'RaggedTable',
    message: `dataset ${dataset.id}: rows of ${basename(path)} have more cells than its header`,
    expected: `every row with as many cells as the first line: ${String(first).slice(0, 100)}`,
    got: `wider rows from line ${skipped + 1} on`,
    hint: 'Quote cells that hold the delimiter, or mend these rows.',
  });
}

async function describeColumns(reader: string, session: Session): Promise<readonly SourceColumn[]> {
  const rows = await session.rows(`DESCRIBE SELECT * FROM ${reader}`);
  const own = rows.filter((row) => row.column_name !== 'file_row_number' && row.column_name !== 'filename');
  // JSON cells of mixed types are read as their text: 'abc' without quotes, numbers as written.
  return sourceColumns(
    own.map((row) => ({
      name: String(row.column_name),
      type: row.column_type === 'JSON' ? 'VARCHAR' : String(row.column_type),
    })),
  );
}

/** How the files of one content are read, and what is in them. */
interface Reading {
  /** A table function. */
  readonly reader: string;
  readonly columns: readonly SourceColumn[];
}

interface OpenFiles extends Reading {
  readonly dataset: DatasetRef;
  readonly root: string;
  readonly format: Format;
  readonly files: readonly DataFile[];
  readonly parts: Readonly<Record<string, string>>;
  readonly contentId: string;
}

function openFiles(open: OpenFiles): OpenDataset {
  return {
    contentId: open.contentId,
    columns: open.columns,
    parts: open.parts,
    lazy: true,
    scan: (need) => Promise.resolve(scanSql(open, need)),
    async finish() {
      for (const file of open.files) {
        if ((await stampOf(file.path).catch(() => null)) === file.stamp) continue;
        throw new BalanceError('unreachable', {
          type: 'SourceChanged',
          message: `dataset ${open.dataset.id}: ${file.name} changed while it was read`,
          hint: 'Try again.',
        });
      }
    },
    abandon: () => Promise.resolve(),
  };
}

function scanSql(open: OpenFiles, need: ScanNeed): string {
  const key = open.dataset.definition.key;
  const cell = (column: SourceColumn): string =>
    open.format === 'json' && column.type === 'VARCHAR'
      ? `(to_json(${quoteIdentifier(column.name)}) ->> '$')`
      : quoteIdentifier(column.name);
  const fields = need.columns.map((column) => `${cell(column)} AS ${column.alias}`);
  if (need.identity && key !== undefined) {
    const texts = key.map((name) => `CAST(${cell(columnNamed(open.columns, name))} AS VARCHAR)`);
    fields.push(`${keyIdentitySql(texts)} AS id`);
  }
  // A name that is the same for all rows is written once.
  const name = open.files.length === 1 ? quoteText(open.files[0].name) : `substr(filename, ${open.root.length + 2})`;
  if (need.part === true) fields.push(`${name} AS part`);
  if (fields.length === 0) fields.push('1 AS one');
  if (!need.identity || key !== undefined) return `(SELECT ${fields.join(', ')} FROM ${open.reader})`;
  // 62 bits of the file's name leave room for the row's position.
  const base = `(${md5Sql(name)} & 4611686018427387903)`;
  if (open.format === 'parquet')
    return `(SELECT ${fields.join(', ')}, ${base} + CAST(file_row_number AS UBIGINT) AS id FROM ${open.reader})`;
  // Text readers number rows in file order (insertion order is preserved); files follow one another without mixing.
  const first = open.files.length === 1 ? '1' : 'min(balance_row) OVER (PARTITION BY filename)';
  return `(SELECT ${fields.join(', ')}, ${base} + CAST(balance_row - ${first} AS UBIGINT) AS id FROM (SELECT *, row_number() OVER () AS balance_row FROM ${open.reader}))`;
}
