/** The vectors and texts among the rows of the table `profiled`, counted where they lie. */
import { bucketOf } from '../../domain/quality/sketch.js';
import type { ContentStates } from '../../domain/quality/dataset-profile.js';
import { measureTexts, TEXT_SAMPLE_MAX, type TextState } from '../../domain/quality/text-state.js';
import {
  EMPTY_VECTORS,
  mergeVectors,
  readVector,
  SAMPLE_VECTORS_MAX,
  sampleMax,
  type DimensionState,
  type VectorState,
} from '../../domain/quality/vector-state.js';
import type { SourceColumn } from './columns.js';
import type { ResultRow, Session } from './engine.js';

/** Texts, and no names of a closed list (`ENUM`, `UUID`). */
export function isText({ type }: SourceColumn): boolean {
  return type === 'VARCHAR';
}

/** Lists of whole numbers are ids; embeddings have fractions. */
export function isVector({ type }: SourceColumn): boolean {
  return /^(FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))\[\d*\]$/.test(type);
}

/** Length of a text in characters, of all of it. */
export function lengthSql({ alias }: SourceColumn): string {
  return `length(${alias})`;
}

/** The states of the settled rows, and of those that late ones may still join. */
export async function measureContents(
  columns: readonly SourceColumn[],
  textMax: number,
  session: Session,
): Promise<Readonly<Record<Part, ContentStates>>> {
  const states = { settled: { vectors: {}, texts: {} }, fresh: { vectors: {}, texts: {} } } as Record<Part, Mutable>;
  for (const column of columns) {
    if (isVector(column)) {
      const found = await measureVectorRows(column, session);
      for (const part of PARTS) states[part].vectors[column.name] = found[part];
    } else if (isText(column)) {
      const found = await measureTextRows(column, textMax, session);
      for (const part of PARTS) states[part].texts[column.name] = found[part];
    }
  }
  return states;
}

const PARTS = ['settled', 'fresh'] as const;
type Part = (typeof PARTS)[number];
interface Mutable {
  readonly vectors: Record<string, VectorState>;
  readonly texts: Record<string, TextState>;
}

function partOf(row: ResultRow): Part {
  return row.settled === true ? 'settled' : 'fresh';
}

/** Distinct texts are counted once, and the lowest by digest handed out: what is read here does not grow with the rows. */
async function measureTextRows(
  { alias }: SourceColumn,
  textMax: number,
  session: Session,
): Promise<Record<Part, TextState>> {
  // What is longer than `textMax` has a digest behind its beginning, of which letters say nothing.
  await session.run(
    `CREATE OR REPLACE TEMP TABLE texts AS SELECT ${alias} AS text, settled, count(*)::DOUBLE AS n, any_value(${alias}_length)::DOUBLE AS length,
       coalesce(any_value(${alias}_length) <= ${textMax} AND NOT regexp_matches(${alias}, '[\\p{L}\\p{N}]'), TRUE) AS is_empty
     FROM profiled GROUP BY ${alias}, settled`,
  );
  const lengths = await session.rows(
    `SELECT settled, is_empty, CASE WHEN is_empty THEN 0 ELSE length END AS length, sum(n) AS n FROM texts GROUP BY ALL`,
  );
  const states = {} as Record<Part, TextState>;
  for (const part of PARTS) {
    const own = lengths.filter((row) => partOf(row) === part);
    const full = own.filter((row) => row.is_empty !== true);
    const where = `NOT is_empty AND ${part === 'settled' ? 'settled' : 'NOT settled'}`;
    const sample =
      full.length === 0
        ? []
        : await session.rows(
            `SELECT left(md5(text), ${DIGEST_DIGITS}) AS digest, left(text, ${textMax}) AS text, n FROM texts
             WHERE ${where} ORDER BY digest LIMIT ${TEXT_SAMPLE_MAX}`,
          );
    states[part] = measureTexts(
      own.reduce((sum, row) => sum + (row.is_empty === true ? Number(row.n) : 0), 0),
      full.map((row) => [Number(row.length), Number(row.n)] as const),
      sample.map(({ digest, text, n }) => ({ digest: String(digest), text: String(text), rows: Number(n) })),
    );
  }
  return states;
}

/** 64 bits tell ten million texts apart (one collision in 400,000 columns of them). */
const DIGEST_DIGITS = 16;

/**
 * Where a vector stands in the sample: by the order of the numbers of sixteen pairs, which near duplicates share, so that
 * they are sampled together (hyperplanes as in Charikar 2002, with two numbers each, so that they cost no pass over the vector); then
 * by a hash of it all.
 */
const PAIRS = 16;

/** Vectors are counted by length, finiteness and norm, and those of the sample handed out. */
async function measureVectorRows({ alias }: SourceColumn, session: Session): Promise<Record<Part, VectorState>> {
  const at = (place: number): string => `v[1 + ${place} % len(v)]`;
  const signs = Array.from({ length: PAIRS }, (_, pair) => `(${at(2 * pair)} > ${at(2 * pair + 1)})`);
  await session.run(
    `CREATE OR REPLACE TEMP TABLE vectors AS
     SELECT *, usable AND squares > 0 AS has_direction FROM (
       SELECT *, squares IS NOT NULL AND isfinite(squares) AS usable FROM (
         SELECT rowid AS row, settled, len(v)::DOUBLE AS length,
           CASE WHEN len(v) > 0 THEN list_inner_product(v, v) END AS squares,
           CASE WHEN len(v) > 0 THEN ((hash([${signs.join(', ')}]) >> 44) * 4294967296 + (hash(v) >> 32))::DOUBLE END AS rank
         FROM (
           -- An inner product is refused where a number is missing in any row.
           SELECT rowid, settled, list_transform(CAST(${alias} AS DOUBLE[]), lambda x: coalesce(x, 'nan'::DOUBLE)) AS v FROM profiled WHERE ${alias} IS NOT NULL)))`,
  );
  // A ten-thousandth of a norm is lost, beside the hundredth of its bucket.
  const facts = await session.rows(
    `SELECT settled, length, usable, has_direction, CASE WHEN has_direction THEN round(ln(sqrt(squares)), 4) END AS norm, count(*)::DOUBLE AS n
     FROM vectors GROUP BY ALL`,
  );
  const sample = await session.rows(
    `SELECT settled, length, rank, n, CAST(${alias} AS VARCHAR) AS text FROM (
       SELECT settled, length, rank, count(*)::DOUBLE AS n, min(row) AS row FROM vectors WHERE has_direction GROUP BY settled, length, rank
       QUALIFY row_number() OVER (PARTITION BY settled, length ORDER BY rank) <= ${SAMPLE_VECTORS_MAX}
     ) chosen JOIN (SELECT rowid, ${alias} FROM profiled) held ON held.rowid = chosen.row`,
  );
  const [all] = await session.rows(
    `SELECT count(*) FILTER (settled)::DOUBLE AS settled, count(*) FILTER (NOT settled)::DOUBLE AS fresh FROM profiled`,
  );
  const stateOf = (part: Part): VectorState =>
    vectorState(
      Number(all[part]),
      facts.filter((row) => partOf(row) === part),
      sample.filter((row) => partOf(row) === part),
    );
  return { settled: stateOf('settled'), fresh: stateOf('fresh') };
}

function vectorState(rows: number, facts: readonly ResultRow[], sample: readonly ResultRow[]): VectorState {
  const dimensions = new Map<number, DimensionState>();
  let [unreadable, vectors] = [0, 0];
  for (const { length, usable, has_direction: hasDirection, norm, n } of facts) {
    const [dimension, held] = [Number(length), Number(n)];
    if (dimension === 0) {
      unreadable += held;
      continue;
    }
    vectors += held;
    const known = dimensions.get(dimension) ?? emptyDimension();
    const norms = new Map(known.norms);
    const bucket = bucketOf(hasDirection === true ? Math.exp(Number(norm)) : 0);
    if (usable === true) norms.set(bucket, (norms.get(bucket) ?? 0) + held);
    dimensions.set(dimension, {
      ...known,
      norms,
      rows: known.rows + held,
      nonFinite: known.nonFinite + (usable === true ? 0 : held),
      zeros: known.zeros + (usable === true && hasDirection !== true ? held : 0),
    });
  }
  for (const [dimension, state] of dimensions) {
    const own = sample
      .filter(({ length }) => Number(length) === dimension)
      .map(({ rank, text, n }) => ({
        ...{ rank: Number(rank), rows: Number(n) },
        text: (readVector(String(text)) ?? []).join(','),
      }))
      .sort((a, b) => a.rank - b.rank)
      .slice(0, sampleMax(dimension));
    dimensions.set(dimension, { ...state, sample: own });
  }
  // Lists of any length have any number of lengths: as many are kept as a state holds.
  return mergeVectors(EMPTY_VECTORS, { rows, unreadable, vectors, dimensions });
}

/** Least and greatest number at each place are not measured here: they cost a pass over every number. */
function emptyDimension(): DimensionState {
  return { rows: 0, nonFinite: 0, zeros: 0, norms: new Map(), least: [], most: [], sample: [] };
}
