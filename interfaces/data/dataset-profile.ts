/** The profile of a dataset as of a time: only what is new is read where the content is an extension of what is kept. */
import type { DatasetRef, ProfileAnswer, ProfileAsk } from '../../activities/ports.js';
import {
  decodeContents,
  decodeStates,
  describeProfile,
  DISTINCT_MAX,
  encodeContents,
  encodeStates,
  mergeContents,
  mergeStates,
  NO_CONTENTS,
  planProfile,
  type ContentStates,
  type KeptProfile,
  type PresentContent,
  type ProfilePlan,
  type ProfileRun,
} from '../../domain/quality/dataset-profile.js';
import {
  emptyColumn,
  measureCounts,
  mergeColumns,
  PROFILE_STATE_VERSION,
  type ColumnState,
} from '../../domain/quality/profile-state.js';
import { estimateDistinct } from '../../domain/quality/sketch.js';
import { TEXT_STATE_VERSION } from '../../domain/quality/text-state.js';
import { VECTOR_STATE_VERSION } from '../../domain/quality/vector-state.js';
import { arrivedAfter } from '../../domain/decision/work.js';
import { columnNamed, eventTimeSql, type SourceColumn } from './columns.js';
import { isText, isVector, lengthSql, measureContents } from './content-states.js';
import { arrivedSql, scanNeed, wholeMs, type DatasetScope } from './dataset-scope.js';
import { quoteText, type Session } from './engine.js';

/** The estimate of distinct values errs by 1.6 % (one standard error): so many more are surely too many. */
const SURELY = 1.1;

/** A longer text is profiled as its beginning and a digest: values stay apart, and no value takes more than its share of memory. */
const TEXT_MAX = 200;

/** Rows measured at a time. Each takes microseconds: other work waits tens of milliseconds at most. */
const PIECE_ROWS = 8_192;

/** A plan that nothing is left to be proved of. */
type SettledPlan = Exclude<ProfilePlan, { readonly kind: 'prove' }>;

/** A dataset open for profiling. */
interface Profiling {
  readonly at: DatasetScope;
  readonly session: Session;
  readonly columns: readonly SourceColumn[];
  readonly now: PresentContent;
}

/**
 * The profile that is kept, where it is that of the described content: nothing changed, and no row has come since. A table's
 * source would have to read all of it to say so again. Null: the dataset is to be opened.
 */
export async function keptProfile(
  { definition }: DatasetRef,
  hashedBy: string | undefined,
  asOfMs: number,
  { columns, kept, latenessMs, described }: ProfileAsk,
  session: Session,
): Promise<ProfileAnswer | null> {
  if (kept === null || described === undefined) return null;
  const named = described.columns.map(({ name, type, kind }) => ({ name, type, kind, alias: '' }));
  const event = definition.eventTime === undefined ? null : columnNamed(named, definition.eventTime);
  const content = { contentId: described.contentId, parts: kept.basis.parts };
  const now = await presentContent(
    { ...content, event, upToMs: asOfMs - latenessMs, hashedBy },
    profilable(named, columns),
    session,
  );
  const plan = planProfile(kept.basis, now);
  const isCovered =
    plan.kind === 'unchanged' || (plan.kind === 'new-rows' && (described.newestEventMs ?? -Infinity) <= plan.afterMs);
  if (!isCovered) return null;
  const run: ProfileRun = { kind: 'unchanged', rowsRead: 0, reason: null };
  const contents = { before: decodeContents(kept.contents), latest: NO_CONTENTS };
  const states = { columns: decodeStates(kept.states), ...contents };
  return { profile: describeProfile(states, [...columns].sort(), run, kept.rows), keep: null };
}

/** Other lists, structs, binary values, times of day: no range or spelling to tell, and the first have texts of any length. */
function profilable(columns: readonly SourceColumn[], asked: readonly string[]): SourceColumn[] {
  return [...asked]
    .sort()
    .map((name) => columnNamed(columns, name))
    .filter((column) => column.kind !== 'other' || isVector(column));
}

export async function profileDataset(at: DatasetScope, ask: ProfileAsk, session: Session): Promise<ProfileAnswer> {
  const asked = [...ask.columns].sort();
  const columns = profilable(at.open.columns, asked);
  const { contentId, parts, fingerprint } = at.open;
  const content = { contentId, parts, event: at.eventColumn, hashedBy: fingerprint?.by };
  const now = await presentContent({ ...content, upToMs: at.asOfMs - ask.latenessMs }, columns, session);
  const profiling = { at, session, columns, now };
  const kept = ask.kept;
  const plan = await proved(profiling, planProfile(kept?.basis ?? null, now), kept);
  const before = plan.kind === 'full' ? null : kept;
  const isCurrent = plan.kind === 'unchanged' && (now.upToMs === null || now.upToMs === at.asOfMs);
  const read = isCurrent ? null : await readNew(profiling, plan);
  const settled =
    before === null
      ? read!.settled
      : read === null
        ? decodeStates(before.states)
        : mergeStates(decodeStates(before.states), read.settled, mergeColumns);
  const states = describable(settled);
  const total = read === null ? states : mergeStates(states, read.fresh, mergeColumns);
  const known = decodeContents(before?.contents);
  const rows = (before?.rows ?? 0) + (read?.settledRows ?? 0);
  const run: ProfileRun = {
    kind: plan.kind,
    rowsRead: read === null ? 0 : read.settledRows + read.freshRows,
    reason: plan.kind === 'full' ? plan.reason : null,
  };
  return {
    profile: describeProfile(
      {
        columns: total,
        before: known,
        latest: read === null ? NO_CONTENTS : mergeContents(read.contents.settled, read.contents.fresh),
      },
      ...([asked, run, rows + (read?.freshRows ?? 0)] as const),
    ),
    keep:
      plan.kind === 'unchanged'
        ? null
        : {
            ...{ basis: { ...now, fingerprint: added(before, read!.fingerprint) }, rows, states: encodeStates(states) },
            contents: encodeContents(mergeContents(known, read!.contents.settled)),
          },
  };
}

interface Content extends Pick<PresentContent, 'contentId' | 'parts'> {
  readonly event: SourceColumn | null;
  /** Rows that may still become visible are read anew each time; what is kept covers the time up to this one. */
  readonly upToMs: number;
  readonly hashedBy: string | undefined;
}

async function presentContent(
  { contentId, parts, event, upToMs, hashedBy }: Content,
  columns: readonly SourceColumn[],
  session: Session,
): Promise<PresentContent> {
  const [{ version }] = await session.rows('SELECT version() AS version');
  const by = event?.kind === 'time' && hashedBy !== undefined ? hashedBy : String(version);
  return {
    ...{ contentId, parts },
    upToMs: event === null ? null : upToMs,
    columns: Object.fromEntries(columns.map(({ name, type }) => [name, type])),
    event: event === null ? null : { name: event.name, type: event.type },
    engine: `${by}, states ${PROFILE_STATE_VERSION}.${VECTOR_STATE_VERSION}.${TEXT_STATE_VERSION}, texts up to ${TEXT_MAX}`,
  };
}

/** The source's own sums, where its event times are times. */
function ownFingerprint({ open, eventColumn }: DatasetScope) {
  return eventColumn?.kind === 'time' ? open.fingerprint : undefined;
}

/** Where the plan is to prove that what is covered is still there: whether it is. */
async function proved(
  { at, session, columns }: Profiling,
  plan: ProfilePlan,
  kept: KeptProfile | null,
): Promise<SettledPlan> {
  if (plan.kind !== 'prove') return plan;
  const event = at.eventColumn!;
  const own = ownFingerprint(at);
  const until = new Date(plan.afterMs).toISOString();
  const range = { afterMs: null, upToMs: plan.afterMs };
  let sum: bigint;
  if (own !== undefined) sum = await own.sum(columns, event, range);
  else {
    const scan = await at.open.scan(scanNeed({ ...at, asOfMs: plan.afterMs }, columns, [], false));
    const [row] = await session.rows(
      `SELECT coalesce(sum(${hashSql(columns)}), 0) AS sum FROM ${scan} WHERE ${arrivedSql({ ...at, asOfMs: plan.afterMs })}`,
    );
    sum = row.sum as bigint;
  }
  return String(sum) === kept!.basis.fingerprint
    ? { kind: 'new-rows', afterMs: plan.afterMs }
    : { kind: 'full', reason: `rows with an event time up to ${until} changed` };
}

/** A hash of one row over the columns, of which sums are compared. */
function hashSql(columns: readonly SourceColumn[]): string {
  return `hash(${['0', ...columns.map(cellSql)].join(', ')})::HUGEINT`;
}

/** A cell as it is profiled. */
function cellSql({ kind, type, alias }: SourceColumn): string {
  if (kind !== 'string' || type === 'UUID') return alias;
  const text = `CAST(${alias} AS VARCHAR)`;
  return `CASE WHEN length(${text}) > ${TEXT_MAX} THEN left(${text}, ${TEXT_MAX}) || md5(${text}) ELSE ${text} END`;
}

function added(before: KeptProfile | null, sum: bigint | null): string | null {
  return sum === null ? null : String(BigInt(before?.basis.fingerprint ?? 0) + sum);
}

interface NewRows {
  readonly settled: Readonly<Record<string, ColumnState>>;
  readonly fresh: Readonly<Record<string, ColumnState>>;
  readonly contents: Readonly<Record<'settled' | 'fresh', ContentStates>>;
  readonly settledRows: number;
  readonly freshRows: number;
  readonly fingerprint: bigint | null;
}

/** Measures the rows that a plan names: those that are settled, and those that may still be joined by late ones. */
async function readNew(profiling: Profiling, plan: SettledPlan): Promise<NewRows> {
  const { at, session, columns, now } = profiling;
  const event = at.eventColumn;
  const afterMs = plan.kind === 'full' ? null : plan.kind === 'unchanged' ? now.upToMs : plan.afterMs;
  const files = plan.kind === 'new-files' ? plan.files : null;
  const after = event === null || afterMs === null || files !== null ? [] : [[arrivedAfter(event.name, afterMs)]];
  const scan = await at.open.scan({ ...scanNeed(at, columns, after, false), part: files !== null });
  const settled = event === null ? 'TRUE' : `(${eventTimeSql(event)} <= ${instant(now.upToMs!)}) IS NOT FALSE`;
  const cells = columns.flatMap((column) => [
    `${cellSql(column)} AS ${column.alias}`,
    ...(isText(column) ? [`${lengthSql(column)} AS ${column.alias}_length`] : []),
  ]);
  await session.run(
    `CREATE OR REPLACE TEMP TABLE profiled AS SELECT ${[...cells, `${hashSql(columns)} AS row_hash`, `${settled} AS settled`].join(', ')} FROM ${scan}
     WHERE ${arrivedSql(at)} AND ${newSql(event, afterMs, files)}`,
  );
  const [counts] = await session.rows(
    `SELECT count(*) AS n, count(*) FILTER (settled) AS s, coalesce(sum(row_hash) FILTER (settled), 0) AS sum FROM profiled`,
  );
  const states = { settled: {} as Record<string, ColumnState>, fresh: {} as Record<string, ColumnState> };
  for (const column of columns.filter(({ kind }) => kind !== 'other')) {
    const measured = await measureNew(column, session);
    if (measured !== null) [states.settled[column.name], states.fresh[column.name]] = measured;
  }
  const own = ownFingerprint(at);
  const range = { afterMs, upToMs: now.upToMs ?? 0 };
  const settledRows = Number(counts.s);
  return {
    ...states,
    contents: await measureContents(columns, TEXT_MAX, session),
    settledRows,
    freshRows: Number(counts.n) - settledRows,
    fingerprint:
      event === null ? null : own === undefined ? (counts.sum as bigint) : await own.sum(columns, event, range),
  };
}

/** Which of the rows that have arrived are not covered yet. */
function newSql(event: SourceColumn | null, afterMs: number | null, files: readonly string[] | null): string {
  const later = event === null || afterMs === null ? 'FALSE' : `${eventTimeSql(event)} > ${instant(afterMs)}`;
  if (files === null) return afterMs === null ? 'TRUE' : later;
  return `(part IN (${files.map(quoteText).join(', ')}) OR ${later})`;
}

function instant(ms: number): string {
  return `make_timestamp_ms(${wholeMs(ms)})`;
}

/** The states of one column's settled and fresh rows; null where its values are too many to be worth it. */
async function measureNew(column: SourceColumn, session: Session): Promise<[ColumnState, ColumnState] | null> {
  const limit = Math.ceil(DISTINCT_MAX * SURELY);
  const pieces = await session.pieces(
    `SELECT coalesce(CAST(${column.alias} AS VARCHAR), '') AS text, settled, count(*)::DOUBLE AS n FROM profiled GROUP BY ALL LIMIT ${limit + 1}`,
  );
  if (pieces.rows > limit) return null;
  const states: [ColumnState, ColumnState] = [emptyColumn(), emptyColumn()];
  const counts = [new Map<string, number>(), new Map<string, number>()];
  // The state of a column is the same however its values are parted.
  const measure = (): void =>
    counts.forEach((some, at) => {
      if (some.size > 0) states[at] = mergeColumns(states[at], measureCounts(some));
      some.clear();
    });
  for (let piece = await pieces.next(); piece !== null; piece = await pieces.next()) {
    const [texts, settled, rows] = piece;
    texts.forEach((text, at) => counts[settled[at] === true ? 0 : 1].set(String(text), Number(rows[at])));
    if (counts[0].size + counts[1].size >= PIECE_ROWS) measure();
  }
  measure();
  return states;
}

/** The columns that describe rows rather than name them. */
function describable(states: Readonly<Record<string, ColumnState>>): Record<string, ColumnState> {
  return Object.fromEntries(
    Object.entries(states).filter(([, { registers }]) => estimateDistinct(registers) <= DISTINCT_MAX),
  );
}
