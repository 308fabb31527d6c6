/** A dataset opened as of a time, and the SQL that every question to it shares. */
import type { DatasetRef } from '../../activities/ports.js';
import { columnsOf } from '../../domain/types/between-rows.js';
import type { Predicate } from '../../domain/types/predicate.js';
import type { RowRule } from '../../domain/types/rule.js';
import { BalanceError, usageError } from '../../domain/types/errors.js';
import { columnNamed, eventTimeSql, type SourceColumn } from './columns.js';
import type { Cell } from './engine.js';
import { Bindings, isTextTime, predicateSql } from './predicate-sql.js';
import { breaksSql } from './rule-sql.js';
import type { OpenDataset, ScanNeed } from './source.js';

/** Classes that an answer names at most, the largest first. */
const CLASSES_MAX = 1000;

/** An open dataset as of a time. */
export interface DatasetScope {
  readonly open: OpenDataset;
  readonly dataset: DatasetRef;
  readonly asOfMs: number;
  readonly eventColumn: SourceColumn | null;
}

/** Checks the declared event time and what is promised of rows against the real columns. */
export function datasetScope(open: OpenDataset, dataset: DatasetRef, asOfMs: number): DatasetScope {
  const { eventTime } = dataset.definition;
  const eventColumn = eventTime === undefined ? null : columnNamed(open.columns, eventTime);
  if (eventColumn !== null && eventColumn.kind !== 'time' && eventColumn.kind !== 'string') {
    throw usageError({
      type: 'TypeMismatch',
      message: `dataset ${dataset.id}: event time ${JSON.stringify(eventColumn.name)} holds no times`,
      expected: 'a date, timestamp or ISO text column',
      got: eventColumn.type,
    });
  }
  const at = { open, dataset, asOfMs, eventColumn };
  checkPromises(at);
  return at;
}

/** A promise that names what is not there would never be judged: it is refused. */
function checkPromises(at: DatasetScope): void {
  const { rules = [], references = [], dependencies = [], unique = [] } = at.dataset.definition;
  const named = (names: readonly string[]) => (): unknown => names.map((name) => columnNamed(at.open.columns, name));
  const promises = [
    ...rules.map((rule) => [`rule ${rule.text}`, () => breachSql(rule, at, new Bindings())] as const),
    ...references.map(({ text, columns }) => [`reference ${text}`, named(columns)] as const),
    ...dependencies.map((one) => [`dependency ${one.text}`, named(columnsOf(one))] as const),
    // The text of a unique set says what it is.
    ...unique.map((one) => [one.text, named(columnsOf(one))] as const),
  ];
  for (const [promise, check] of promises) {
    try {
      check();
    } catch (error) {
      if (!(error instanceof BalanceError)) throw error;
      throw usageError({ ...error.facts(), message: `dataset ${at.dataset.id}: ${promise}: ${error.message}` });
    }
  }
}

/** `WHERE` condition of the rows that have arrived. A row without an event time cannot be in the future: it has. */
export function arrivedSql({ eventColumn, asOfMs }: DatasetScope): string {
  if (eventColumn === null) return 'TRUE';
  const event = eventTimeSql(eventColumn);
  return `(${event} <= make_timestamp_ms(${wholeMs(asOfMs)}) OR ${event} IS NULL)`;
}

export function newestSql(eventColumn: SourceColumn | null): string {
  return eventColumn === null ? 'NULL' : `epoch_ms(max(${eventTimeSql(eventColumn)}))`;
}

/** An integer literal for SQL; the only numbers that are spelt into statements are ours and pass here. */
export function wholeMs(value: number): string {
  if (!Number.isSafeInteger(value)) throw new Error(`not a whole number: ${value}`);
  return String(value);
}

export function numberOrNull(value: Cell): number | null {
  return value === null ? null : Number(value);
}

/** A scan's need for these columns plus what the as-of bound takes. */
export function scanNeed(
  at: DatasetScope,
  columns: Iterable<SourceColumn>,
  anyOf: ScanNeed['anyOf'],
  identity: boolean,
): ScanNeed {
  const needed = new Set(columns);
  const event = at.eventColumn;
  if (at.eventColumn !== null) needed.add(at.eventColumn);
  return {
    columns: at.open.columns.filter((column) => needed.has(column)),
    // Text times are compared by the engine, which knows one rule for all sources.
    anyOf: event === null ? anyOf : anyOf.map((where) => where.filter((condition) => !isTextTime(condition, event))),
    upTo: at.eventColumn === null ? null : { column: at.eventColumn, ms: at.asOfMs },
    identity,
  };
}

/** SQL of a predicate over the scan's columns. */
export function whereSql(where: Predicate, { open, eventColumn }: DatasetScope, bindings: Bindings): string {
  return predicateSql(where, {
    dialect: 'duckdb',
    columns: open.columns,
    bindings,
    spell: ({ alias }) => alias,
    eventColumn,
  });
}

/** SQL of a rule's breach over the scan's columns: true or false, never NULL. */
export function breachSql(rule: RowRule, { open, eventColumn }: DatasetScope, bindings: Bindings): string {
  return breaksSql(rule, { columns: open.columns, eventColumn }, bindings);
}

/** Columns that a predicate reads. */
export function predicateColumns(columns: readonly SourceColumn[], where: Predicate): SourceColumn[] {
  return where.map((condition) => columnNamed(columns, condition.column));
}

/** The largest classes, ties by name; classes without a row are left out. */
export function largestClasses(
  counts: readonly (readonly [name: string, rows: number])[],
): Readonly<Record<string, number>> {
  const present = counts.filter(([, rows]) => rows > 0);
  const sorted = present.sort(([a, aRows], [b, bRows]) => bRows - aRows || (a < b ? -1 : 1));
  return Object.fromEntries(sorted.slice(0, CLASSES_MAX));
}
