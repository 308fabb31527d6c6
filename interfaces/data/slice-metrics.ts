/** What the quality gate wants to know of slices: one statement counts everything but the classes. */
import type { SliceAsk, SliceResult } from '../../activities/ports.js';
import { betweenRowsWithin } from '../../domain/types/between-rows.js';
import { rulesWithin } from '../../domain/types/rule.js';
import { countBetweenRows } from './between-rows-sql.js';
import { cellBytes, cellBytesSql, classSql, columnNamed, type SourceColumn } from './columns.js';
import { breachSql, largestClasses, newestSql, numberOrNull, type DatasetScope } from './dataset-scope.js';
import type { ResultRow, Session } from './engine.js';
import { Bindings } from './predicate-sql.js';
import { fieldsOf } from './slice.js';
import { fitsTypeSql } from './type-sql.js';

export type SliceMetrics = Omit<SliceResult, 'id' | 'digest' | 'path' | 'fileBytes'>;

/** Rows to be measured: of one slice, or of several, told apart by the column `nth`, an index into them. */
export interface Measured {
  readonly table: string;
  readonly slices: readonly SliceAsk[];
}

/** Measures slices where they lie. */
export async function measureSlices(
  { table, slices }: Measured,
  at: DatasetScope,
  session: Session,
): Promise<ReadonlyMap<SliceAsk, SliceMetrics>> {
  const one = slices.length === 1;
  const bindings = new Bindings();
  const columns = new Set(slices.flatMap((slice) => fieldsOf(slice, at)));
  const aggregates = [...columns].flatMap((column) => {
    const broken = brokenSql(column, at, bindings);
    return [
      `count(${column.alias}) AS ${column.alias}_n`,
      ...(cellBytes(column) === null ? [`sum(${cellBytesSql(column)}) AS ${column.alias}_b`] : []),
      ...(broken === null ? [] : [`count(*) FILTER (${broken}) AS ${column.alias}_x`]),
    ];
  });
  // All rules are counted together; a slice without one of a rule's columns does not look at that rule's count.
  const rules = rulesWithin(
    at.dataset.definition.rules,
    [...columns].map(({ name }) => name),
  );
  aggregates.push(...rules.map((rule, i) => `count(*) FILTER (${breachSql(rule, at, bindings)}) AS rule${i}`));
  const found = await session.rows(
    `SELECT ${one ? '0' : 'nth'} AS nth, count(*) AS n, ${newestSql(at.eventColumn)} AS newest,
      ${at.dataset.definition.key === undefined ? '0' : 'count(*) - count(DISTINCT id)'} AS duplicates,
      ${aggregates.join(', ')} FROM ${table} ${one ? '' : 'GROUP BY nth'}`,
    bindings.values,
  );
  const rowOf = new Map(found.map((row) => [Number(row.nth), row]));
  const classes = await classCounts({ table, slices }, at, session);
  const between = await betweenCounts({ table, slices }, at, session);
  return new Map(
    slices.map((slice, nth) => {
      const row = rowOf.get(nth);
      const metrics = metricsOf(fieldsOf(slice, at), row, classes.get(slice) ?? null);
      const share = (broken: number): number => (metrics.rows === 0 ? 0 : broken / metrics.rows);
      const ofRules = rulesWithin(rules, slice.fields).map(
        (rule) => [rule.text, share(Number(row?.[`rule${rules.indexOf(rule)}`] ?? 0))] as const,
      );
      const ofOthers = betweenRowsWithin(at.dataset.definition, slice.fields).map(
        ({ text }) => [text, share(between.get(text)!.get(nth) ?? 0)] as const,
      );
      const breaches = [...ofRules, ...ofOthers];
      return [slice, breaches.length === 0 ? metrics : { ...metrics, ruleBreaches: Object.fromEntries(breaches) }];
    }),
  );
}

/** Rows that break what is promised between rows, by its text and slice. */
async function betweenCounts(
  { table, slices }: Measured,
  at: DatasetScope,
  session: Session,
): Promise<ReadonlyMap<string, ReadonlyMap<number, number>>> {
  const promises = new Map(
    slices.flatMap(({ fields }) => betweenRowsWithin(at.dataset.definition, fields)).map((one) => [one.text, one]),
  );
  const found = new Map<string, ReadonlyMap<number, number>>();
  const from = { table, nth: slices.length === 1 ? '0' : 'nth' };
  for (const [text, promise] of promises) found.set(text, await countBetweenRows(promise, from, at, session));
  return found;
}

async function classCounts(
  { table, slices }: Measured,
  at: DatasetScope,
  session: Session,
): Promise<ReadonlyMap<SliceAsk, Readonly<Record<string, number>>>> {
  const one = slices.length === 1;
  const answers = new Map<SliceAsk, Readonly<Record<string, number>>>();
  for (const name of new Set(slices.map(({ classColumn }) => classColumn))) {
    if (name === null) continue;
    const column = columnNamed(at.open.columns, name);
    const sharing = slices.flatMap((slice, nth) => (slice.classColumn === name ? [nth] : []));
    const rows = await session.rows(
      `SELECT ${one ? '0' : 'nth'} AS nth, ${classSql(column)} AS class, count(*) AS n FROM ${table}
       WHERE ${one ? '' : `nth IN (${sharing.join(', ')}) AND`} ${column.alias} IS NOT NULL GROUP BY ALL`,
    );
    const counts = new Map(sharing.map((nth) => [nth, [] as [string, number][]]));
    for (const row of rows) counts.get(Number(row.nth))!.push([String(row.class), Number(row.n)]);
    for (const [nth, pairs] of counts) answers.set(slices[nth], largestClasses(pairs));
  }
  return answers;
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
  const bytes = (column: SourceColumn): number => {
    const each = cellBytes(column);
    return each === null ? number(`${column.alias}_b`) : each * rows;
  };
  return {
    rows,
    bytes: fields.reduce((total, column) => total + bytes(column), 0),
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
export function brokenSql(column: SourceColumn, at: DatasetScope, bindings: Bindings): string | null {
  const { columns } = at.dataset.definition;
  if (!Object.hasOwn(columns, column.name)) return null;
  const { values, min, max } = columns[column.name];
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
  const typed = fitsTypeSql(column, columns[column.name], bindings);
  if (typed !== null) kept.push(typed);
  if (min !== undefined) kept.push(`${numeric} >= ${bound(min)}`);
  if (max !== undefined) kept.push(`${numeric} <= ${bound(max)}`);
  return kept.length === 0 ? null : `${column.alias} IS NOT NULL AND NOT coalesce(${kept.join(' AND ')}, FALSE)`;
}
