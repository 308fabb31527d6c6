/**
 * What the quality gate wants to know of slices. Small ones are collected in one table and measured together: a
 * statement costs more than counting a few thousand rows.
 */
import type { SliceAsk, SliceResult } from '../../activities/ports.js';
import { cellBytesSql, classSql, columnNamed, type SourceColumn } from './columns.js';
import { largestClasses, newestSql, numberOrNull, type DatasetScope } from './dataset-scope.js';
import type { ResultRow, Session } from './engine.js';
import { Bindings } from './predicate-sql.js';
import { fieldsOf, keptColumns } from './slice.js';

export type SliceMetrics = Omit<SliceResult, 'id' | 'digest' | 'path' | 'fileBytes'>;

/** A larger slice is measured where it lies: copying its rows would cost more than a statement of its own. */
const COLLECTED_ROWS_MAX = 20_000;

/** Measures slices one after the other; all answers are there after `finish`. */
export class SliceMeter {
  private readonly collected: SliceAsk[] = [];
  private readonly metrics = new Map<SliceAsk, SliceMetrics>();

  private constructor(
    private readonly at: DatasetScope,
    private readonly session: Session,
  ) {}

  /** A meter over the table `pool`; makes the tables `cuts` (small slices' rows) and `used` (larger ones' positions). */
  static async over(at: DatasetScope, slices: readonly SliceAsk[], session: Session): Promise<SliceMeter> {
    const columns = [...new Set(slices.flatMap((slice) => keptColumns(slice, at))), 'id'];
    await session.run(
      `CREATE TEMP TABLE cuts AS SELECT 0 AS slice, ${columns.join(', ')}, rowid AS pos FROM pool LIMIT 0`,
    );
    await session.run('CREATE TEMP TABLE used (pos BIGINT)');
    return new SliceMeter(at, session);
  }

  /** Takes note of the slice of `rows` rows that lies in the table `slice`. */
  async add(slice: SliceAsk, rows: number): Promise<void> {
    if (rows > COLLECTED_ROWS_MAX) {
      await this.session.run('INSERT INTO used SELECT pos FROM slice');
      await this.measure('(SELECT 0 AS slice, * FROM slice)', [slice]);
      return;
    }
    const columns = [...keptColumns(slice, this.at), 'id', 'pos'].join(', ');
    await this.session.run(
      `INSERT INTO cuts (slice, ${columns}) SELECT ${this.collected.length}, ${columns} FROM slice`,
    );
    this.collected.push(slice);
  }

  /** Metrics of every slice added. */
  async finish(): Promise<ReadonlyMap<SliceAsk, SliceMetrics>> {
    if (this.collected.length > 0) await this.measure('cuts', this.collected);
    return this.metrics;
  }

  /** Measures the rows of a relation by their `slice`, an index into `slices`. */
  private async measure(relation: string, slices: readonly SliceAsk[]): Promise<void> {
    const { at, session } = this;
    const bindings = new Bindings();
    const columns = new Set(slices.flatMap((slice) => fieldsOf(slice, at)));
    const aggregates = [...columns].flatMap((column) => {
      const broken = brokenSql(column, at, bindings);
      return [
        `count(${column.alias}) AS ${column.alias}_n`,
        `sum(${cellBytesSql(column)}) AS ${column.alias}_b`,
        `${broken === null ? '0' : `count(*) FILTER (${broken})`} AS ${column.alias}_x`,
      ];
    });
    const found = await session.rows(
      `SELECT slice, count(*) AS n, ${newestSql(at.eventColumn)} AS newest,
        ${at.dataset.definition.key === undefined ? '0' : 'count(*) - count(DISTINCT id)'} AS duplicates,
        ${aggregates.join(', ')} FROM ${relation} GROUP BY slice`,
      bindings.values,
    );
    const rowOf = new Map(found.map((row) => [Number(row.slice), row]));
    const classes = await this.classCounts(relation, slices);
    for (const [index, slice] of slices.entries()) {
      this.metrics.set(slice, metricsOf(fieldsOf(slice, at), rowOf.get(index), classes.get(slice) ?? null));
    }
  }

  private async classCounts(
    relation: string,
    slices: readonly SliceAsk[],
  ): Promise<ReadonlyMap<SliceAsk, Readonly<Record<string, number>>>> {
    const answers = new Map<SliceAsk, Readonly<Record<string, number>>>();
    for (const name of new Set(slices.map(({ classColumn }) => classColumn))) {
      if (name === null) continue;
      const column = columnNamed(this.at.open.columns, name);
      const sharing = slices.flatMap((slice, index) => (slice.classColumn === name ? [index] : []));
      const rows = await this.session.rows(
        `SELECT slice, ${classSql(column)} AS class, count(*) AS n FROM ${relation}
         WHERE slice IN (${sharing.join(', ')}) AND ${column.alias} IS NOT NULL GROUP BY ALL`,
      );
      const counts = new Map(sharing.map((index) => [index, [] as [string, number][]]));
      for (const row of rows) counts.get(Number(row.slice))!.push([String(row.class), Number(row.n)]);
      for (const [index, pairs] of counts) answers.set(slices[index], largestClasses(pairs));
    }
    return answers;
  }
}

/** A slice's metrics out of its row of aggregates; a slice without rows has no such row. */
function metricsOf(
  fields: readonly SourceColumn[],
  row: ResultRow = {},
  classCounts: SliceMetrics['classCounts'],
): SliceMetrics {
  const number = (name: string): number => Number(row[name] ?? 0);
  const rows = number('n');
  const share = (part: number, whole: number, none: number): number => (whole === 0 ? none : part / whole);
  return {
    rows,
    bytes: fields.reduce((total, { alias }) => total + number(`${alias}_b`), 0),
    newestEventMs: numberOrNull(row.newest ?? null),
    completeness: Object.fromEntries(fields.map(({ name, alias }) => [name, share(number(`${alias}_n`), rows, 1)])),
    invalid: Object.fromEntries(
      fields.map(({ name, alias }) => [name, share(number(`${alias}_x`), number(`${alias}_n`), 0)]),
    ),
    duplicateRows: number('duplicates'),
    classCounts,
  };
}

/** Condition of a non-null cell that breaks its column's contract; null when nothing is promised of its values. */
function brokenSql(column: SourceColumn, at: DatasetScope, bindings: Bindings): string | null {
  const contract = at.dataset.definition.columns[column.name] as
    (typeof at.dataset.definition.columns)[string] | undefined;
  if (contract === undefined) return null;
  const { values, min, max } = contract;
  const numeric = column.kind === 'number' ? column.alias : `TRY_CAST(${column.alias} AS DOUBLE)`;
  const bound = (value: number): string => `CAST(${bindings.bind(String(value))} AS DOUBLE)`;
  const kept: string[] = [];
  if (values !== undefined) {
    const numbers = column.kind === 'number';
    const list = values.map((value) =>
      numbers ? bound(Number(value)) : `CAST(${bindings.bind(String(value))} AS VARCHAR)`,
    );
    kept.push(`${numbers ? column.alias : `CAST(${column.alias} AS VARCHAR)`} IN (${list.join(', ')})`);
  }
  if (min !== undefined) kept.push(`${numeric} >= ${bound(min)}`);
  if (max !== undefined) kept.push(`${numeric} <= ${bound(max)}`);
  return kept.length === 0 ? null : `${column.alias} IS NOT NULL AND NOT coalesce(${kept.join(' AND ')}, FALSE)`;
}
