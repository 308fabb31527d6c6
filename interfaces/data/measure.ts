/** Questions to a dataset, answered by scans alone: its state, counts by predicate, arrivals over time. */
import type { DatasetState, MeasureAnswer, MeasureAsk } from '../../activities/ports.js';
import type { SegmentCell } from '../../domain/analyzers/analyzer.js';
import { usageError } from '../../domain/types/errors.js';
import { cellBytesSql, classSql, columnNamed, eventTimeSql, type SourceColumn } from './columns.js';
import {
  arrivedSql,
  largestClasses,
  newestSql,
  numberOrNull,
  predicateColumns,
  scanNeed,
  wholeMs,
  whereSql,
  type DatasetScope,
} from './dataset-scope.js';
import type { Session } from './engine.js';
import { Bindings } from './predicate-sql.js';

/** Asks in one statement: planning grows faster than linearly with the number of aggregates. */
const ASKS_AT_ONCE = 200;

export async function describe(at: DatasetScope, session: Session): Promise<DatasetState> {
  const { columns, contentId } = at.open;
  const event = at.eventColumn === null ? null : eventTimeSql(at.eventColumn);
  const fields = [
    'count(*) AS n',
    `${event === null ? 'NULL' : `epoch_ms(min(${event}))`} AS oldest`,
    `${newestSql(at.eventColumn)} AS newest`,
    ...columns.flatMap((column) => [
      `count(${column.alias}) AS ${column.alias}_n`,
      `avg(${cellBytesSql(column)}) AS ${column.alias}_b`,
    ]),
  ];
  const scan = await at.open.scan(scanNeed(at, columns, [], false));
  const [row] = await session.rows(`SELECT ${fields.join(', ')} FROM ${scan} WHERE ${arrivedSql(at)}`);
  const rows = Number(row.n);
  if (at.eventColumn?.kind === 'string' && row.newest === null && Number(row[`${at.eventColumn.alias}_n`]) > 0) {
    throw usageError({
      type: 'TypeMismatch',
      message: `dataset ${at.dataset.id}: no text of ${JSON.stringify(at.eventColumn.name)} is a time`,
      expected: 'ISO 8601 texts in the event time column',
      got: at.eventColumn.type,
      hint: 'Without times every row counts as arrived: convert the column, or declare no event time.',
    });
  }
  const newestEventMs = numberOrNull(row.newest);
  return {
    contentId,
    version: newestEventMs === null ? contentId : `${contentId}@${newestEventMs}`,
    rows,
    oldestEventMs: numberOrNull(row.oldest),
    newestEventMs,
    columns: columns.map(({ name, type, kind, alias }) => ({
      name,
      type,
      kind,
      bytesPerValue: Number(row[`${alias}_b`] ?? 0),
      completeness: rows === 0 ? 1 : Number(row[`${alias}_n`]) / rows,
    })),
  };
}

export async function measure(
  at: DatasetScope,
  asks: readonly MeasureAsk[],
  session: Session,
): Promise<readonly MeasureAnswer[]> {
  const answers: MeasureAnswer[] = [];
  for (let start = 0; start < asks.length; start += ASKS_AT_ONCE) {
    answers.push(...(await measureSome(at, asks.slice(start, start + ASKS_AT_ONCE), session)));
  }
  return answers;
}

/** A query whose `matches` are one boolean column `m<i>` per distinct predicate. */
async function matching(at: DatasetScope, asks: readonly MeasureAsk[], extra: readonly SourceColumn[]) {
  const bindings = new Bindings();
  const { columns } = at.open;
  const wheres = new Map<string, Pick<MeasureAsk, 'where' | 'untimed'>>();
  const keyOf = ({ where, untimed = false }: MeasureAsk): string => JSON.stringify([where, untimed]);
  for (const ask of asks) wheres.set(keyOf(ask), ask);
  const keys = [...wheres.keys()];
  const predicates = [...wheres.values()].map(({ where, untimed }) =>
    untimed === true ? untimedWhere(at, where) : where,
  );
  const matches = [...wheres.values()].map(({ where, untimed }, index) => {
    const timeless = untimed === true ? ` AND ${eventTimeSql(eventColumnOf(at))} IS NULL` : '';
    return `(${whereSql(where, at, bindings)}${timeless}) AS m${index}`;
  });
  const needed = [...extra, ...predicates.flatMap((where) => predicateColumns(columns, where))];
  const scan = await at.open.scan(scanNeed(at, needed, predicates, false));
  return {
    from: `(SELECT *, ${matches.join(', ')} FROM ${scan} WHERE ${arrivedSql(at)})`,
    values: bindings.values,
    matchOf: (ask: MeasureAsk) => `m${keys.indexOf(keyOf(ask))}`,
  };
}

/** What a source may filter by for rows without an event time: where times are texts, only the engine can tell. */
function untimedWhere(at: DatasetScope, where: MeasureAsk['where']): MeasureAsk['where'] {
  const { name, kind } = eventColumnOf(at);
  return kind === 'time' ? [...where, { column: name, op: 'is-null' }] : where;
}

async function measureSome(at: DatasetScope, asks: readonly MeasureAsk[], session: Session): Promise<MeasureAnswer[]> {
  const { columns } = at.open;
  const fieldsOf = (ask: MeasureAsk): SourceColumn[] => ask.fields.map((name) => columnNamed(columns, name));
  const classOf = (ask: MeasureAsk): SourceColumn | null =>
    ask.classColumn === null ? null : columnNamed(columns, ask.classColumn);
  const classColumns = new Set(asks.map(classOf).filter((column) => column !== null));
  const segmentColumns = asks.flatMap(({ segments = [] }) => segments.map((name) => columnNamed(columns, name)));
  const query = await matching(at, asks, [...asks.flatMap(fieldsOf), ...classColumns, ...segmentColumns]);
  // One aggregate per distinct (function, predicate): asks that share a predicate share its counts.
  const aggregates = new Map<string, string>();
  const aggregate = (sql: string): string => {
    if (!aggregates.has(sql)) aggregates.set(sql, `a${aggregates.size}`);
    return aggregates.get(sql)!;
  };
  const plans = asks.map((ask) => {
    const filter = `FILTER (${query.matchOf(ask)})`;
    return {
      ask,
      rows: aggregate(`count(*) ${filter}`),
      newest: at.eventColumn === null ? null : aggregate(`epoch_ms(max(${eventTimeSql(at.eventColumn)}) ${filter})`),
      fields: fieldsOf(ask).map((column) => [column.name, aggregate(`count(${column.alias}) ${filter}`)] as const),
    };
  });
  const list = [...aggregates].map(([sql, name]) => `${sql} AS ${name}`);
  const [totals] = await session.rows(`SELECT ${list.join(', ')} FROM ${query.from}`, query.values);
  const classes = new Map<MeasureAsk, Readonly<Record<string, number>>>();
  for (const column of classColumns) {
    const sharing = asks.filter((ask) => classOf(ask) === column);
    const matches = [...new Set(sharing.map(query.matchOf))];
    const counts = matches.map((match) => `count(*) FILTER (${match}) AS ${match}`);
    const rows = await session.rows(
      `SELECT ${classSql(column)} AS class, ${counts.join(', ')} FROM ${query.from} WHERE ${column.alias} IS NOT NULL GROUP BY ALL`,
      query.values,
    );
    for (const ask of sharing)
      classes.set(ask, largestClasses(rows.map((row) => [String(row.class), Number(row[query.matchOf(ask)])])));
  }
  const cuts = await cutsOf(at, query, asks, session);
  const segments = await segmentsOf(at, query, asks, session);
  return plans.map(({ ask, rows, newest, fields }) => {
    const matched = Number(totals[rows]);
    return {
      ...(cuts.has(ask) ? { cuts: cuts.get(ask)! } : {}),
      ...(segments.has(ask) ? { segments: segments.get(ask)! } : {}),
      id: ask.id,
      rows: matched,
      classCounts: ask.classColumn === null ? null : classes.get(ask)!,
      completeness: Object.fromEntries(
        fields.map(([name, count]) => [name, matched === 0 ? 1 : Number(totals[count]) / matched]),
      ),
      newestEventMs: newest === null ? null : numberOrNull(totals[newest]),
    };
  });
}

/** More combinations of values than this are no segments: most would have a row or two. */
const CELLS_MAX = 10_000;

/** Rows by the values of the columns that an ask names as its segments. */
async function segmentsOf(
  at: DatasetScope,
  query: Awaited<ReturnType<typeof matching>>,
  asks: readonly MeasureAsk[],
  session: Session,
): Promise<ReadonlyMap<MeasureAsk, readonly SegmentCell[] | null>> {
  const found = new Map<MeasureAsk, readonly SegmentCell[] | null>();
  for (const ask of asks) {
    if (ask.segments === undefined) continue;
    const columns = ask.segments.map((name) => columnNamed(at.open.columns, name));
    const texts = columns.map((column, index) => `${classSql(column)} AS s${index}`);
    const present = columns.map(({ alias }) => `${alias} IS NOT NULL`).join(' AND ');
    const rows = await session.rows(
      `SELECT ${texts.join(', ')}, count(*) AS n FROM ${query.from} WHERE ${query.matchOf(ask)} AND ${present}
       GROUP BY ALL ORDER BY ALL LIMIT ${CELLS_MAX + 1}`,
      query.values,
    );
    const cells = rows.map((row) => ({
      values: columns.map((_, index) => String(row[`s${index}`])),
      rows: Number(row.n),
    }));
    found.set(ask, cells.length > CELLS_MAX ? null : cells);
  }
  return found;
}

/** Each cut has about this many times the rows of the one before: a part of any size is met to within 4 %. */
const CUT_RATIO = 1.04;

/** Where the rows of an ask can be parted by event time: whole milliseconds, rounded up, that no row lies astride. */
async function cutsOf(
  { eventColumn }: DatasetScope,
  query: Awaited<ReturnType<typeof matching>>,
  asks: readonly MeasureAsk[],
  session: Session,
): Promise<ReadonlyMap<MeasureAsk, NonNullable<MeasureAnswer['cuts']>>> {
  const cuts = new Map<MeasureAsk, NonNullable<MeasureAnswer['cuts']>>();
  for (const ask of asks) {
    if (ask.cuts !== true || eventColumn === null) continue;
    const rows = await session.rows(
      `WITH times AS (
         SELECT CAST(ceil(epoch_us(${eventTimeSql(eventColumn)}) / 1000.0) AS BIGINT) AS ms, count(*) AS n
         FROM ${query.from} WHERE ${query.matchOf(ask)} GROUP BY ALL),
       sums AS (SELECT ms, sum(n) OVER (ORDER BY ms) AS up_to FROM times WHERE ms IS NOT NULL)
       SELECT max(ms) AS ms, CAST(max(up_to) AS BIGINT) AS n FROM sums
       GROUP BY floor(ln(up_to) / ln(${CUT_RATIO})) ORDER BY ms`,
      query.values,
    );
    cuts.set(
      ask,
      rows.map(({ ms, n }) => ({ upToMs: Number(ms), rows: Number(n) })),
    );
  }
  return cuts;
}

export async function arrivals(
  at: DatasetScope,
  asks: readonly MeasureAsk[],
  { stepMs, steps }: { readonly stepMs: number; readonly steps: number },
  session: Session,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const eventColumn = eventColumnOf(at);
  const { asOfMs } = at;
  if (asks.length === 0 || steps === 0) return Object.fromEntries(asks.map((ask) => [ask.id, []]));
  const query = await matching(at, asks, []);
  const matches = [...new Set(asks.map(query.matchOf))];
  const counts = matches.map((match) => `count(*) FILTER (${match}) AS ${match}`);
  // Steps are (start, end], as a row at `asOf` has arrived: whole microseconds before the end, divided by the step.
  const before = `(${microseconds(asOfMs)} - epoch_us(${eventTimeSql(eventColumn)}))`;
  const rows = await session.rows(
    `SELECT ${before} // ${microseconds(stepMs)} AS steps_ago, ${counts.join(', ')} FROM ${query.from}
     WHERE ${before} < ${microseconds(stepMs)} * ${wholeMs(steps)} GROUP BY ALL`,
    query.values,
  );
  return Object.fromEntries(
    asks.map((ask) => {
      const series = new Array<number>(steps).fill(0);
      for (const row of rows) series[steps - 1 - Number(row.steps_ago)] = Number(row[query.matchOf(ask)]);
      return [ask.id, series];
    }),
  );
}

function eventColumnOf({ eventColumn, dataset }: DatasetScope): SourceColumn {
  if (eventColumn !== null) return eventColumn;
  throw usageError({
    type: 'NoEventTime',
    message: `dataset ${dataset.id} has no event time`,
    expected: 'eventTime',
    got: 'none',
    hint: 'Arrivals are counted by event time: declare it.',
  });
}

function microseconds(ms: number): string {
  return `${BigInt(wholeMs(ms)) * 1000n}::BIGINT`;
}
