/** A corrected copy of a delivered file: rows dropped, cells filled or repaired and flagged, or a weight for each row. */
import type { CorrectAsk, CorrectedSlice, SliceAsk, SliceResult } from '../../activities/ports.js';
import { weightedCounts } from '../../domain/decision/quality/predicted-effect.js';
import { imputedColumn, repairedColumn, WEIGHT_COLUMN } from '../../domain/quality/correction.js';
import { repairsByDependency } from '../../domain/quality/repair-dependency.js';
import { certainRepairs } from '../../domain/quality/repair.js';
import { betweenRowsWithin } from '../../domain/types/between-rows.js';
import { columnNamed, classSql, kindOf, sourceColumns, type SourceColumn } from './columns.js';
import { atFaultSql } from './between-rows-sql.js';
import { breachSql, wholeMs, type DatasetScope } from './dataset-scope.js';
import { quoteIdentifier, quoteText, type Session } from './engine.js';
import type { FileCache } from './file-cache.js';
import { Bindings } from './predicate-sql.js';
import { brokenSql, measureSlices } from './slice-metrics.js';
import { keyIdentitySql } from './source.js';
import { declaredType } from './type-sql.js';

/** Spreads row numbers over the values to draw from: Knuth's multiplicative hash (TAOCP 3, 6.4). */
const SPREAD = 2654435761;

/**
 * Writes the copy. Rows keep their order, so the first rows of the copy still are a random draw.
 * @returns null where the action is impossible (nothing sound to fill cells from)
 */
export async function correctSlice(
  slice: SliceResult,
  path: string,
  ask: CorrectAsk,
  session: Session,
  cache: FileCache,
): Promise<Omit<CorrectedSlice, 'sample'> | null> {
  const at = await openFile(path, ask, session);
  const made = await treat(at, ask, session);
  if (made === null) return null;
  const columns = await asDeclared(at, ask, session);
  const named = at.open.columns.map((column) => `${column.alias} AS ${quoteIdentifier(column.name)}`);
  const written = await cache.write((file) =>
    session.run(
      `COPY (SELECT ${[...named, ...made.extra].join(', ')} FROM slice ORDER BY pos) TO ${quoteText(file)} (FORMAT parquet)`,
    ),
  );
  const metrics = await measure(slice, { ...at, open: { ...at.open, columns } }, ask, session);
  const stored = await written.stored;
  await cache.settle([stored]);
  const weights = ask.correction.weights;
  return {
    file: { ...slice, ...metrics, ...stored },
    judgedClassCounts:
      weights !== null && ask.correction.issue === 'class-mix' && metrics.classCounts !== null
        ? weightedCounts(metrics.classCounts, weights)
        : metrics.classCounts,
    effectiveRows: made.effectiveRows,
    changedCells: made.changedCells,
  };
}

/** The file as the table `pool`: its columns by alias, its position `pos`, and `id`: the row's key where the file has it, else its position. */
async function openFile(path: string, ask: CorrectAsk, session: Session): Promise<DatasetScope> {
  const from = `read_parquet(${quoteText(path)}, file_row_number = true)`;
  const described = await session.rows(`DESCRIBE SELECT * FROM read_parquet(${quoteText(path)})`);
  const columns = sourceColumns(
    described.map((row) => ({ name: String(row.column_name), type: String(row.column_type) })),
  );
  const { key = [], eventTime } = ask.dataset.definition;
  const has = (name: string): boolean => columns.some((column) => column.name === name);
  const keyed = key.length > 0 && key.every(has);
  const id = keyed
    ? keyIdentitySql(key.map((name) => `CAST(${quoteIdentifier(name)} AS VARCHAR)`))
    : 'CAST(file_row_number AS UBIGINT)';
  const cells = columns.map(({ name, alias }) => `${quoteIdentifier(name)} AS ${alias}`);
  await session.run(
    `CREATE TEMP TABLE pool AS SELECT ${cells.join(', ')}, ${id} AS id, file_row_number AS pos FROM ${from}`,
  );
  const nothing = (): Promise<never> => Promise.reject(new Error('a delivered file is not scanned as a dataset'));
  return {
    open: { contentId: '', columns, parts: {}, lazy: true, scan: nothing, finish: nothing, abandon: nothing },
    dataset: ask.dataset,
    asOfMs: 0,
    eventColumn: eventTime !== undefined && has(eventTime) ? columnNamed(columns, eventTime) : null,
  };
}

interface Made {
  readonly rows: number;
  readonly effectiveRows: number;
  readonly changedCells: number;
  /** Columns that the copy has and the file had not. */
  readonly extra: readonly string[];
}

/** Makes the table `slice` out of `pool`. */
async function treat(at: DatasetScope, ask: CorrectAsk, session: Session): Promise<Made | null> {
  const { action } = ask.correction;
  if (action === 'drop-rows') return dropRows(at, ask, session);
  if (action === 'repair') return ask.correction.issue === 'rule' ? agree(at, ask, session) : repair(at, ask, session);
  return action === 'impute' ? impute(at, ask, session) : reweight(at, ask, session);
}

/** Condition of a cell that is at fault: never NULL. */
function faultSql(column: SourceColumn, { correction }: CorrectAsk, at: DatasetScope, bindings: Bindings): string {
  if (correction.issue === 'missing') return `${column.alias} IS NULL`;
  return `coalesce(${brokenSql(column, at, bindings) ?? 'FALSE'}, FALSE)`;
}

async function dropRows(at: DatasetScope, ask: CorrectAsk, session: Session): Promise<Made> {
  const { issue, columns, rules = [] } = ask.correction;
  const bindings = new Bindings();
  const broken = (at.dataset.definition.rules ?? []).filter(({ text }) => rules.includes(text));
  const bad = [
    ...columns.map((name) => faultSql(columnNamed(at.open.columns, name), ask, at, bindings)),
    ...broken.map((rule) => breachSql(rule, at, bindings)),
    ...betweenRowsWithin(at.dataset.definition, ask.fields)
      .filter(({ text }) => rules.includes(text))
      .map((promise) => atFaultSql(promise, at)),
  ];
  const keep = issue === 'duplicates' ? 'QUALIFY row_number() OVER (PARTITION BY id ORDER BY pos) = 1' : '';
  const where = bad.length === 0 ? '' : `WHERE NOT (${bad.map((one) => `(${one})`).join(' OR ')})`;
  const left = `SELECT * FROM pool ${where} ${keep}`;
  const rows = await create(`SELECT * FROM (${left}) ${limitSql(at, ask, bindings)}`, session, bindings);
  return { rows, effectiveRows: rows, changedCells: 0, extra: [] };
}

/** The first rows, or the first of each class, in the order of the file. */
function limitSql(at: DatasetScope, { limit, classColumn }: CorrectAsk, bindings: Bindings): string {
  const quotas = limit?.quotas ?? null;
  if (quotas === null) return `ORDER BY pos ${limit?.rows == null ? '' : `LIMIT ${wholeMs(limit.rows)}`}`;
  const text = classSql(columnNamed(at.open.columns, classColumn!));
  const cases = Object.entries(quotas).map(
    ([name, quota]) => `WHEN CAST(${bindings.bind(name)} AS VARCHAR) THEN ${wholeMs(quota)}`,
  );
  return `QUALIFY row_number() OVER (PARTITION BY ${text} ORDER BY pos) <= CASE ${text} ${cases.join(' ')} ELSE 0 END ORDER BY pos`;
}

/** Each cell at fault takes a sound value of its column from another row (hot deck, Andridge & Little 2010): the distribution stays. */
async function impute(at: DatasetScope, ask: CorrectAsk, session: Session): Promise<Made | null> {
  const names = ask.correction.columns;
  const replaced: string[] = [];
  const flags: string[] = [];
  const joins: string[] = [];
  const extra: string[] = [];
  const bindings = new Bindings();
  for (const [index, name] of names.entries()) {
    const column = columnNamed(at.open.columns, name);
    const own = new Bindings();
    const sound = `${column.alias} IS NOT NULL AND NOT ${faultSql(column, { ...ask, correction: { ...ask.correction, issue: 'invalid' } }, at, own)}`;
    const [made] = await session.rows(
      `CREATE TEMP TABLE sound${index} AS SELECT ${column.alias} AS value, row_number() OVER (ORDER BY pos) - 1 AS nr FROM pool WHERE ${sound}`,
      own.values,
    );
    const count = Number(made.Count);
    if (count === 0) return null;
    replaced.push(`CASE WHEN f${index} THEN sound${index}.value ELSE p.${column.alias} END AS ${column.alias}`);
    flag(imputedColumn(name), index, `f${index}`, at, { replaced, extra });
    flags.push(`${faultSql(column, ask, at, bindings)} AS f${index}`);
    joins.push(`LEFT JOIN sound${index} ON f${index} AND sound${index}.nr = (pos * ${SPREAD + 2 * index}) % ${count}`);
  }
  const list = names.map((_, index) => `f${index}`);
  const rows = await create(
    `SELECT p.* REPLACE (${replaced.join(', ')}) FROM (SELECT *, ${flags.join(', ')} FROM pool) p ${joins.join(' ')} ORDER BY pos`,
    session,
    bindings,
  );
  const [{ n }] = await session.rows(
    `SELECT coalesce(sum(${list.map((flag) => `${flag}::INT`).join(' + ')}), 0) AS n FROM slice`,
  );
  return { rows, effectiveRows: rows, changedCells: Number(n), extra };
}

/** Says of each row whether the nth column of it was changed: in a new column, or in the one where an earlier correction said so. */
function flag(
  name: string,
  nth: number,
  condition: string,
  { open }: DatasetScope,
  to: { readonly replaced: string[]; readonly extra: string[] },
): void {
  const known = open.columns.find((column) => column.name === name);
  if (known === undefined) to.extra.push(`f${nth} AS ${quoteIdentifier(name)}`);
  else to.replaced.push(`(p.${known.alias} OR ${condition}) AS ${known.alias}`);
}

/** Distinct values of a column that are looked at, the most frequent first: the others stay as they are. */
const VALUES_MAX = 100_000;

/** Each cell at fault whose meaning is certain says so. */
async function repair(at: DatasetScope, ask: CorrectAsk, session: Session): Promise<Made | null> {
  const named = ask.correction.columns.map((name) => columnNamed(at.open.columns, name));
  // What is not text any more means what it says.
  const columns = named.filter(({ kind }) => kind === 'string');
  if (columns.length === 0) return null;
  const replaced: string[] = [];
  const joins: string[] = [];
  const extra: string[] = [];
  for (const [index, column] of columns.entries()) {
    const meant = await repairsOf(column, at, ask, session);
    await session.run(
      `CREATE TEMP TABLE repair${index} AS SELECT cells[1] AS value, cells[2] AS meant
       FROM (SELECT unnest(from_json($1, '["VARCHAR[]"]')) AS cells)`,
      [JSON.stringify([...meant])],
    );
    joins.push(`LEFT JOIN repair${index} ON p.${column.alias} = repair${index}.value`);
    replaced.push(
      `CASE WHEN repair${index}.value IS NULL THEN p.${column.alias} ELSE repair${index}.meant END AS ${column.alias}`,
    );
    flag(repairedColumn(column.name), index, `repair${index}.value IS NOT NULL`, at, { replaced, extra });
  }
  const flags = columns.map((_, index) => `repair${index}.value IS NOT NULL AS f${index}`);
  const rows = await create(
    `SELECT p.* REPLACE (${replaced.join(', ')}), ${flags.join(', ')} FROM pool p ${joins.join(' ')} ORDER BY pos`,
    session,
    new Bindings(),
  );
  const counted = flags.map((_, index) => `count(*) FILTER (f${index})`).join(' + ');
  const [{ n }] = await session.rows(`SELECT ${counted} AS n FROM slice`);
  const changedCells = Number(n);
  return changedCells === 0 ? null : { rows, effectiveRows: rows, changedCells, extra };
}

/**
 * Text columns that were at fault, are declared to be numbers, and now are without exception, become numbers in the table
 * `slice`. @returns the columns of the copy, in order
 */
async function asDeclared(at: DatasetScope, ask: CorrectAsk, session: Session): Promise<readonly SourceColumn[]> {
  const { columns } = at.open;
  const texts = columns.flatMap((column) => {
    const type =
      column.kind === 'string' && ask.correction.columns.includes(column.name) ? numberTypeOf(column, ask) : null;
    return type === null ? [] : [{ column, type }];
  });
  if (texts.length === 0) return columns;
  const left = texts.map(
    ({ column: { alias }, type }, i) =>
      `count(*) FILTER (${alias} IS NOT NULL AND TRY_CAST(${alias} AS ${type}) IS NULL) AS x${i}`,
  );
  const [found] = await session.rows(`SELECT ${left.join(', ')}, count(*) AS n FROM slice`);
  const typed = new Map(texts.flatMap(({ column, type }, i) => (Number(found[`x${i}`]) === 0 ? [[column, type]] : [])));
  for (const [{ alias }, type] of typed) await session.run(`ALTER TABLE slice ALTER COLUMN ${alias} TYPE ${type}`);
  return columns.map((column) => {
    const type = typed.get(column) ?? column.type;
    return { ...column, type, kind: kindOf(type) };
  });
}

/** Rows whose groups are looked at: they are held as text. */
const AGREED_ROWS_MAX = 200_000;

/** Each cell that a clear majority of the rows of its group contradicts says what they say. */
async function agree(at: DatasetScope, ask: CorrectAsk, session: Session): Promise<Made | null> {
  const { rules = [], columns: names } = ask.correction;
  const dependencies = (ask.dataset.definition.dependencies ?? []).filter(({ text }) => rules.includes(text));
  const used = [...new Set(dependencies.flatMap(({ from, to }) => [...from, to]))].sort();
  const cells = used.map((name) => `coalesce(CAST(${columnNamed(at.open.columns, name).alias} AS VARCHAR), '')`);
  const found = await session.rows(
    `SELECT pos, [${cells.join(', ')}] AS cells FROM pool ORDER BY pos LIMIT ${AGREED_ROWS_MAX}`,
  );
  const rows = found.map((row) => row.cells as unknown as readonly string[]);
  const { columns } = ask.dataset.definition;
  const allowed = Object.fromEntries(Object.entries(columns).map(([name, { values }]) => [name, values?.map(String)]));
  const meant = repairsByDependency(used, rows, dependencies, allowed);
  if (meant.length === 0) return null;
  await session.run(
    `CREATE TEMP TABLE agreed AS SELECT CAST(cells[1] AS BIGINT) AS at, cells[2] AS named, cells[3] AS meant
     FROM (SELECT unnest(from_json($1, '["VARCHAR[]"]')) AS cells)`,
    [JSON.stringify(meant.map(({ row, column, meant: said }) => [String(found[row].pos), used[column], said]))],
  );
  const replaced: string[] = [];
  const extra: string[] = [];
  const bindings = new Bindings();
  const joins = names.map((name, index) => {
    const { alias, type } = columnNamed(at.open.columns, name);
    const own = `agreed${index}`;
    replaced.push(`CASE WHEN ${own}.at IS NULL THEN p.${alias} ELSE CAST(${own}.meant AS ${type}) END AS ${alias}`);
    flag(repairedColumn(name), index, `${own}.at IS NOT NULL`, at, { replaced, extra });
    return `LEFT JOIN agreed ${own} ON ${own}.at = p.pos AND ${own}.named = CAST(${bindings.bind(name)} AS VARCHAR)`;
  });
  const flags = names.map((_, index) => `agreed${index}.at IS NOT NULL AS f${index}`);
  const count = await create(
    `SELECT p.* REPLACE (${replaced.join(', ')}), ${flags.join(', ')} FROM pool p ${joins.join(' ')} ORDER BY pos`,
    session,
    bindings,
  );
  return { rows: count, effectiveRows: count, changedCells: meant.length, extra };
}

/** The engine's type of a column that was declared to be numbers; null for any other. */
function numberTypeOf(column: SourceColumn, { dataset }: CorrectAsk): string | null {
  const { columns } = dataset.definition;
  const type = Object.hasOwn(columns, column.name) ? declaredType(columns[column.name]) : undefined;
  return type === 'integer' ? 'BIGINT' : type === 'number' ? 'DOUBLE' : null;
}

/** What the cells at fault of a text column mean, where that is certain. */
async function repairsOf(
  column: SourceColumn,
  at: DatasetScope,
  ask: CorrectAsk,
  session: Session,
): Promise<ReadonlyMap<string, string | null>> {
  const { required, unit, format, values } = at.dataset.definition.columns[column.name];
  const bindings = new Bindings();
  const rows = await session.rows(
    `SELECT ${column.alias} AS value, count(*) AS n, bool_or(${faultSql(column, ask, at, bindings)}) AS bad FROM pool
     WHERE ${column.alias} IS NOT NULL GROUP BY 1 ORDER BY n DESC, value LIMIT ${VALUES_MAX}`,
    bindings.values,
  );
  const type = declaredType(at.dataset.definition.columns[column.name]);
  const rule = { type, required, unit, format, values: values?.map(String) };
  const texts = rows.map(({ value }) => String(value));
  const meant = certainRepairs(
    rule,
    texts,
    rows.map(({ n }) => Number(n)),
  );
  const bad = new Set(rows.flatMap(({ value, bad: isBad }) => (isBad === true ? [String(value)] : [])));
  return new Map([...meant].filter(([value]) => bad.has(value)));
}

async function reweight(at: DatasetScope, ask: CorrectAsk, session: Session): Promise<Made> {
  const { columns, weights, issue } = ask.correction;
  const column = columnNamed(at.open.columns, columns[0]);
  const bindings = new Bindings();
  const cases = Object.entries(weights!).map(
    ([value, weight]) => `WHEN CAST(${bindings.bind(value)} AS VARCHAR) THEN ${weight.toExponential()}`,
  );
  // A class that is not wanted counts nothing; a value that the reference does not name counts as it is.
  const other = issue === 'class-mix' ? 0 : 1;
  const weight = `CASE ${classSql(column)} ${cases.join(' ')} ELSE ${other} END::DOUBLE`;
  const rows = await create(`SELECT *, ${weight} AS w FROM pool ORDER BY pos`, session, bindings);
  const [{ n }] = await session.rows('SELECT sum(w) ^ 2 / sum(w * w) AS n FROM slice');
  return { rows, effectiveRows: Number(n ?? 0), changedCells: 0, extra: [`w AS ${quoteIdentifier(WEIGHT_COLUMN)}`] };
}

async function create(query: string, session: Session, bindings: Bindings): Promise<number> {
  const [made] = await session.rows(`CREATE TEMP TABLE slice AS ${query}`, bindings.values);
  return Number(made.Count);
}

/** The same figures as every slice has. What a column outside the file decides (newest event, classes, key) stays as it was. */
async function measure(slice: SliceResult, at: DatasetScope, ask: CorrectAsk, session: Session) {
  // Its flags and weights are no columns of the dataset.
  const names = at.open.columns.flatMap(({ name }) => (ask.fields.includes(name) ? [name] : []));
  const classColumn = ask.classColumn !== null && names.includes(ask.classColumn) ? ask.classColumn : null;
  const what: SliceAsk = {
    ...{ id: slice.id, fields: names, where: [], rows: null, seed: 0, classColumn, quotas: null },
  };
  const metrics = (await measureSlices({ table: 'slice', slices: [what] }, at, session)).get(what)!;
  const keyed = (at.dataset.definition.key ?? []).every((name) => names.includes(name));
  return {
    ...metrics,
    newestEventMs: at.eventColumn === null ? slice.newestEventMs : metrics.newestEventMs,
    classCounts: classColumn === null ? slice.classCounts : metrics.classCounts,
    duplicateRows: keyed ? metrics.duplicateRows : Math.min(slice.duplicateRows, metrics.rows),
  };
}
