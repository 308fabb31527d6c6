/** Delivered files looked at again: their samples for later comparison, and corrected copies of them. */
import type { SampleAsk, SliceFiles, SliceSample } from '../../activities/ports.js';
import {
  SAMPLE_BINS,
  SAMPLE_ROWS_MAX,
  SAMPLE_VALUES_MAX,
  type ColumnSample,
  type Recount,
  type RecountedColumn,
  type Sample,
} from '../../domain/quality/sample.js';
import { hardlyRepeat, recountPart, samplePart, textViews } from '../../domain/quality/sample-parts.js';
import { WEIGHT_COLUMN } from '../../domain/quality/correction.js';
import { sourceColumns, type SourceColumn } from './columns.js';
import { isVector } from './content-states.js';
import { correctSlice } from './correct-slice.js';
import { sampleVectors } from './slice-vectors.js';
import { insideCache, type FileCache } from './file-cache.js';
import { quoteIdentifier, quoteText, type Engine, type Session } from './engine.js';

export interface SliceFilesOptions {
  readonly engine: Engine;
  readonly cache: FileCache;
  readonly cacheDir: string;
}

/** From so many values on, distinct whole numbers that fill half of their range are row numbers, not measurements. */
const IDENTIFIER_ROWS_MIN = 20;

export function createSliceFiles({ engine, cache, cacheDir }: SliceFilesOptions): SliceFiles {
  const located = (path: string): string => insideCache(cacheDir, path);
  const sample: SliceFiles['sample'] = ({ path }, ask, signal) =>
    engine.session(signal, async (session) => sampleSlice(session, await openSlice(session, located(path), ask), ask));
  return {
    sample,
    async correct(slice, ask, signal) {
      const made = await engine.session(signal, (session) =>
        correctSlice(slice, located(slice.path), ask, session, cache),
      );
      if (made === null) return null;
      // What is compared later is what the model uses: rows by their weights.
      const weighted = ask.correction.weights === null ? ask : { ...ask, weighted: true };
      return { ...made, sample: made.file.rows === 0 ? null : await sample(made.file, weighted, signal) };
    },
  };
}

/** The first rows of a slice as the table `slice`: the asked columns by alias, and `w`, what each row counts. */
async function openSlice(session: Session, path: string, ask: SampleAsk): Promise<readonly SourceColumn[]> {
  const from = `read_parquet(${quoteText(path)})`;
  const described = await session.rows(`DESCRIBE SELECT * FROM ${from}`);
  const columns = sourceColumns(
    described.map((row) => ({ name: String(row.column_name), type: String(row.column_type) })),
  ).filter(({ name }) => ask.fields.includes(name));
  const cells = columns.map(({ name, alias }) => `${quoteIdentifier(name)} AS ${alias}`);
  const weight = ask.weighted === true ? quoteIdentifier(WEIGHT_COLUMN) : '1';
  await session.run(
    `CREATE TEMP TABLE slice AS SELECT ${[...cells, `${weight} AS w`].join(', ')} FROM ${from} LIMIT ${SAMPLE_ROWS_MAX}`,
  );
  return columns;
}

/** Rows as the tests count them: whole, also where they are sums of weights. */
const rowsSql = (condition: string): string => `round(coalesce(sum(w) FILTER (${condition}), 0))::DOUBLE`;

/** A finite number, or NULL; also of a text that says one. */
function numberSql({ alias }: SourceColumn): string {
  return `CASE WHEN isfinite(TRY_CAST(${alias} AS DOUBLE)) THEN TRY_CAST(${alias} AS DOUBLE) END`;
}

/** Numbers that one word among them made text of (a CSV file has no types) are looked at as the numbers that they were. */
function wereNumbers({ kind, name }: SourceColumn, { reference }: SampleAsk): boolean {
  return kind === 'string' && reference?.columns[name]?.kind === 'number';
}

/** A value's text; of a whole number without the fraction that its type adds. */
function textSql({ alias, kind }: SourceColumn): string {
  const text = `CAST(${alias} AS VARCHAR)`;
  return kind === 'number' ? `regexp_replace(${text}, '\\.0+$', '')` : text;
}

/** Counts the table `slice`: the columns by alias, and `w`, what each row counts. */
export async function sampleSlice(
  session: Session,
  columns: readonly SourceColumn[],
  ask: SampleAsk,
): Promise<SliceSample> {
  const facts = await factsOf(session, columns, ask);
  const own: Record<string, ColumnSample> = {};
  const counted: Record<string, Recount['columns'][string]> = {};
  for (const column of columns) {
    const fact = facts.columns.get(column)!;
    const { name } = column;
    const before = ask.reference === null ? undefined : ask.reference.columns[name];
    const vectors = fact.kind === 'category' && isVector(column) ? await sampleVectors(session, column, before) : null;
    if (vectors !== null) {
      own[name] = vectors.own;
      if (vectors.counted !== null) counted[name] = vectors.counted;
    } else if (fact.kind === 'category') {
      const counts = await valueCounts(session, column);
      const views = column.kind === 'string' && hardlyRepeat(counts) ? textViews(counts) : null;
      own[name] = {
        ...categorySample(counts, fact.present, facts.halfRows),
        ...(views === null ? {} : { parts: views.map(samplePart) }),
      };
      if (before?.kind === 'category') counted[name] = recount(before, counts, fact.present);
    } else if (fact.kind === 'number') {
      own[name] = {
        kind: 'number',
        present: fact.present,
        edges: fact.edges,
        counts: await binCounts(session, column, fact.edges),
      };
      if (before?.kind === 'number')
        counted[name] = { present: fact.present, counts: await binCounts(session, column, before.edges) };
      // Text that is numbers now, because the word among them is gone.
      if (before?.kind === 'category')
        counted[name] = recount(before, await valueCounts(session, column), fact.present);
    } else own[name] = { kind: fact.kind, present: fact.present, counts: [] };
    // Of another kind than it was: nothing but what is missing can be compared.
    if (before !== undefined && !Object.hasOwn(counted, name))
      counted[name] = await otherKind(session, column, before, fact);
  }
  const sample: Sample = { rows: facts.rows, columns: own };
  return { own: sample, current: ask.reference === null ? null : { rows: facts.rows, columns: counted } };
}

interface ColumnFact {
  readonly kind: Exclude<ColumnSample['kind'], 'vector'>;
  readonly present: number;
  readonly edges: readonly number[];
}

/** Rows, and for each column what it is, how many values it has and the edges of its bins. */
async function factsOf(session: Session, columns: readonly SourceColumn[], ask: SampleAsk) {
  const cuts = Array.from({ length: SAMPLE_BINS - 1 }, (_, index) => (index + 1) / SAMPLE_BINS).join(', ');
  const parts = columns.flatMap((column) => {
    const { alias, kind, type } = column;
    const all = `${rowsSql(`${alias} IS NOT NULL`)} AS ${alias}_n`;
    const value = numberSql(column);
    if (wereNumbers(column, ask))
      return [
        all,
        `${rowsSql(`${value} IS NOT NULL`)} AS ${alias}_t`,
        `quantile_disc(${value}, [${cuts}]) AS ${alias}_q`,
      ];
    if (kind !== 'number') return [all];
    return [
      `${rowsSql(`${value} IS NOT NULL`)} AS ${alias}_n`,
      `quantile_disc(${value}, [${cuts}]) AS ${alias}_q`,
      ...(type.includes('INT')
        ? // The span of a type's values may be wider than the type holds.
          [`count(DISTINCT ${alias}) AS ${alias}_d`, `max(${alias})::DOUBLE - min(${alias})::DOUBLE + 1 AS ${alias}_s`]
        : []),
    ];
  });
  const [row] = await session.rows(
    `SELECT ${rowsSql('TRUE')} AS n, ${rowsSql(IN_HALF)} AS half, ${parts.join(', ')} FROM slice`,
  );
  const facts = new Map<SourceColumn, ColumnFact>();
  for (const column of columns) {
    const { name, alias } = column;
    const all = Number(row[`${alias}_n`]);
    // Those that most of its values still are: of the others it has none.
    const numbers = wereNumbers(column, ask) && 2 * Number(row[`${alias}_t`]) > all;
    const kind = numbers ? 'number' : column.kind;
    const present = numbers ? Number(row[`${alias}_t`]) : all;
    const distinct = Number(row[`${alias}_d`] ?? NaN);
    const numbering =
      present >= IDENTIFIER_ROWS_MIN && distinct === present && Number(row[`${alias}_s`]) <= 2 * present;
    const quantiles = (row[`${alias}_q`] ?? []) as unknown as readonly number[];
    facts.set(column, {
      kind:
        ask.moving.includes(name) || kind === 'time'
          ? 'time'
          : numbering
            ? 'identifier'
            : kind === 'number'
              ? 'number'
              : 'category',
      present,
      edges: [...new Set(quantiles)].sort((a, b) => a - b),
    });
  }
  return { rows: Number(row.n), halfRows: Number(row.half), columns: facts };
}

interface ValueCount {
  readonly value: string;
  readonly rows: number;
  /** Of them, those in the half of the rows that names are not chosen on. */
  readonly halfRows: number;
}

/** The half of the rows that is counted where the other half chooses what is counted. */
const IN_HALF = 'rowid % 2 = 1';

/** Values with their counts, the most frequent first, ties by value. */
async function valueCounts(session: Session, column: SourceColumn): Promise<ValueCount[]> {
  const rows = await session.rows(
    `SELECT ${textSql(column)} AS value, ${rowsSql('TRUE')} AS n, ${rowsSql(IN_HALF)} AS half FROM slice
     WHERE ${column.alias} IS NOT NULL GROUP BY 1 ORDER BY n DESC, value`,
  );
  return rows.map(({ value, n, half }) => ({ value: String(value), rows: Number(n), halfRows: Number(half) }));
}

/** A column that is of another kind than it was: but for what is missing nothing of it is what it was. */
async function otherKind(
  session: Session,
  column: SourceColumn,
  before: ColumnSample,
  { kind, present }: ColumnFact,
): Promise<RecountedColumn> {
  if (before.kind === 'vector') return { present: 0, malformed: present, counts: [] };
  // Vectors that were counted as texts once, by an earlier version of this file.
  if (before.kind === 'category' && kind === 'category')
    return recount(before, await valueCounts(session, column), present);
  return { present, counts: before.counts.map(() => 0) };
}

/** Values of a reference, counted among these. */
function recount(
  { values: named, parts }: Extract<ColumnSample, { kind: 'category' }>,
  counts: readonly ValueCount[],
  present: number,
): RecountedColumn {
  const views = parts === undefined ? [] : textViews(counts);
  const of = new Map(counts.map(({ value, rows }) => [value, rows]));
  const known = new Set(named);
  const singles = counts.filter(({ value, rows }) => rows === 1 && !known.has(value)).length;
  return {
    ...{ present, counts: named.map((value) => of.get(value) ?? 0), singles },
    ...(parts === undefined
      ? {}
      : {
          parts: parts.map((part) =>
            recountPart(
              part,
              views.find(({ name }) => name === part.name),
            ),
          ),
        }),
  };
}

function categorySample(counts: readonly ValueCount[], present: number, halfRows: number): ColumnSample {
  if (counts.length <= SAMPLE_VALUES_MAX) {
    const values = counts.map(({ value }) => value);
    return { kind: 'category', present, values, counts: counts.map(({ rows }) => rows), listed: 'all' };
  }
  const chosenOn = ({ rows, halfRows: others }: ValueCount): number => rows - others;
  const named = [...counts]
    .sort((a, b) => chosenOn(b) - chosenOn(a) || (a.value < b.value ? -1 : 1))
    .slice(0, SAMPLE_VALUES_MAX)
    // A value that occurs once tells nothing by its name.
    .filter((count) => chosenOn(count) > 1);
  return {
    kind: 'category',
    present: counts.reduce((sum, count) => sum + count.halfRows, 0),
    rows: halfRows,
    values: named.map(({ value }) => value),
    counts: named.map((count) => count.halfRows),
  };
}

/** Counts over the bins `(edges[i-1], edges[i]]` and the open last one. */
async function binCounts(session: Session, column: SourceColumn, edges: readonly number[]): Promise<number[]> {
  if (edges.length === 0) return [];
  const rows = await session.rows(
    `WITH edges AS (SELECT unnest($1::DOUBLE[]) AS edge, unnest(range(${edges.length})) AS bin),
     found AS (SELECT ${numberSql(column)} AS value, sum(w) AS n FROM slice GROUP BY 1)
     SELECT coalesce(bin, ${edges.length}) AS bin, round(sum(n))::DOUBLE AS n
     FROM found ASOF LEFT JOIN edges ON found.value <= edges.edge WHERE value IS NOT NULL GROUP BY 1`,
    [`[${edges.join(', ')}]`],
  );
  const counts = new Array<number>(edges.length + 1).fill(0);
  for (const { bin, n } of rows) counts[Number(bin)] = Number(n);
  return counts;
}
