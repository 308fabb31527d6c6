/** Columns of vectors among the rows of the table `slice`, as a sample keeps and compares them. */
import { areVectors } from '../../domain/quality/content-profile.js';
import { recountPart, samplePart, vectorViews, type View } from '../../domain/quality/sample-parts.js';
import type { ColumnSample, RecountedColumn } from '../../domain/quality/sample.js';
import { PLANES, planeSigns } from '../../domain/quality/vector-state.js';
import type { SourceColumn } from './columns.js';
import type { Session } from './engine.js';

/** Rows whose directions are looked at: a slice lies in the order of a hash. They show a shift of a tenth of the deviation. */
const ROWS_MAX = 5_000;
/** Norms are told apart from a thousandth on, cosines from a millionth: what a number of 32 bits rounds away is no difference. */
const NORM_DIGITS = 3;
const COSINE_DIGITS = 6;

interface Sampled {
  readonly own: ColumnSample;
  readonly counted: RecountedColumn | null;
}

/** @returns null where lists are of any length rather than vectors */
export async function sampleVectors(
  session: Session,
  { alias }: SourceColumn,
  before: ColumnSample | undefined,
): Promise<Sampled | null> {
  await session.run(
    `CREATE OR REPLACE TEMP TABLE vectors AS
     SELECT *, coalesce(isfinite(squares), FALSE) AS usable FROM (
       SELECT rowid AS row, w, v, len(v) AS length, CASE WHEN len(v) > 0 THEN list_inner_product(v, v) END AS squares FROM (
         -- An inner product is refused where a number is missing in any row.
         SELECT rowid, w, list_transform(CAST(${alias} AS DOUBLE[]), lambda x: coalesce(x, 'nan'::DOUBLE)) AS v
         FROM slice WHERE ${alias} IS NOT NULL))`,
  );
  const counted = await session.rows(
    `SELECT length, round(coalesce(sum(w) FILTER (usable), 0))::DOUBLE AS n, round(coalesce(sum(w) FILTER (NOT usable), 0))::DOUBLE AS x
     FROM vectors GROUP BY length`,
  );
  const lengths = counted
    .map(({ length, n, x }) => ({ dimension: Number(length), rows: Number(n) + Number(x), usable: Number(n) }))
    .sort((a, b) => b.rows - a.rows || a.dimension - b.dimension);
  const rows = lengths.reduce((sum, length) => sum + length.rows, 0);
  if (!areVectors(lengths, rows)) return null;
  const present = lengths.reduce((sum, { usable }) => sum + usable, 0);
  const [{ dimension }] = lengths;
  const dimensions = lengths.map((length) => ({ value: length.dimension, rows: length.usable }));
  const viewsOf = async (of: number): Promise<View[]> => {
    const { norms, cosines } = await directionsOf(session, of);
    return vectorViews(dimensions, norms, cosines);
  };
  const views = await viewsOf(dimension);
  const sizes = { present, malformed: rows - present };
  const own: ColumnSample = { kind: 'vector', dimension, counts: [], ...sizes, parts: views.map(samplePart) };
  if (before?.kind !== 'vector') return { own, counted: null };
  const now = before.dimension === dimension ? views : await viewsOf(before.dimension);
  const parts = (before.parts ?? []).map((part) =>
    recountPart(
      part,
      now.find(({ name }) => name === part.name),
    ),
  );
  return { own, counted: { counts: [], ...sizes, parts } };
}

/** Logarithms of the norms, and the cosines with each of some fixed directions, of vectors of one dimension. */
async function directionsOf(session: Session, dimension: number) {
  const planes = Array.from({ length: PLANES }, (_, plane) => {
    const signs = Array.from({ length: dimension }, (_place, at) => ((planeSigns(at) >>> plane) & 1 ? 1 : -1));
    return `round(list_inner_product(v, [${signs.join(', ')}]::DOUBLE[]) / sqrt(${dimension} * greatest(squares, 1e-300)), ${COSINE_DIGITS}) AS p${plane}`;
  });
  const rows = await session.rows(
    `SELECT w::DOUBLE AS w, round(ln(greatest(squares, 1e-300)) / 2, ${NORM_DIGITS}) AS norm, ${planes.join(', ')}
     FROM vectors WHERE usable AND length = ${dimension} AND row < ${ROWS_MAX} ORDER BY row`,
  );
  const held = (name: string) => rows.map((row) => ({ value: Number(row[name]) + 0, rows: Number(row.w) }));
  return { norms: held('norm'), cosines: planes.map((_, plane) => held(`p${plane}`)) };
}
