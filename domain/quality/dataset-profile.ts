/**
 * The profile of a dataset over its versions: the merged states of its columns, and what they were measured on, so that
 * the next version costs what is new in it wherever it can be proved to be an extension of the one before.
 */
import { describeTexts, describeVectors, type ProfiledText, type ProfiledVectors } from './content-profile.js';
import { decodeColumnState, encodeColumnState, summarizeState, type ColumnState } from './profile-state.js';
import { decodeTexts, encodeTexts, mergeTexts, EMPTY_TEXTS, type TextState } from './text-state.js';
import { decodeVectors, EMPTY_VECTORS, encodeVectors, mergeVectors, type VectorState } from './vector-state.js';

/** What the kept states cover. Plain JSON. */
export interface ProfileBasis {
  readonly contentId: string;
  /** Rows with an event time up to this one are covered, and those without any; null: all rows, by no time. */
  readonly upToMs: number | null;
  /** The files that the content consisted of; empty where there are none. */
  readonly parts: Readonly<Record<string, string>>;
  /** Sum of a hash of every covered row (a decimal); null where nothing is covered by time. */
  readonly fingerprint: string | null;
  /** Engine types by column: a column of another type has other texts. */
  readonly columns: Readonly<Record<string, string>>;
  /** The column that tells when a row has arrived: by another one, other rows are covered. Null: there is none. */
  readonly event: { readonly name: string; readonly type: string } | null;
  /** What hashed the rows and measured the states, with its version. */
  readonly engine: string;
}

/** What is kept of a dataset for the next version. */
export interface KeptProfile {
  readonly basis: ProfileBasis;
  readonly rows: number;
  /** Encoded column states. A column with too many distinct values has none. */
  readonly states: Readonly<Record<string, string>>;
  /** Encoded states of the columns of vectors, and of the texts of text columns. */
  readonly contents?: {
    readonly vectors: Readonly<Record<string, string>>;
    readonly texts: Readonly<Record<string, string>>;
  };
}

/** What was measured of vectors and texts, by column. */
export interface ContentStates {
  readonly vectors: Readonly<Record<string, VectorState>>;
  readonly texts: Readonly<Record<string, TextState>>;
}

export const NO_CONTENTS: ContentStates = { vectors: {}, texts: {} };

/** How a profile came about. */
export interface ProfileRun {
  readonly kind: 'unchanged' | 'new-rows' | 'new-files' | 'full';
  /** Rows that were read for it. */
  readonly rowsRead: number;
  /** Why everything was read; null where only what is new was. */
  readonly reason: string | null;
}

/** What a profile says of one column. */
export interface ProfiledColumn {
  readonly rows: number;
  readonly blank: number;
  readonly implicitMissing: number;
  readonly distinct: number;
  readonly inferredType: string;
  /** Share of the present values that fit `inferredType`; 1 for text. */
  readonly typed: number;
  readonly min: number | null;
  readonly median: number | null;
  readonly max: number | null;
  readonly mean: number | null;
}

/** The part of a profile that the analyzers see and the record keeps. */
export interface DatasetProfile {
  readonly rows: number;
  readonly columns: Readonly<Record<string, ProfiledColumn>>;
  /** Columns of vectors, and what the texts of columns of free text are; absent: there are none. */
  readonly vectors?: Readonly<Record<string, ProfiledVectors>>;
  readonly texts?: Readonly<Record<string, ProfiledText>>;
  /** Columns that were not profiled: too many distinct values. */
  readonly omitted: readonly string[];
  readonly run: ProfileRun;
}

/** From so many distinct values on, a column names its rows rather than describing them, and its values cost more than they tell. */
export const DISTINCT_MAX = 500_000;

/** The content as it is now. */
export type PresentContent = Omit<ProfileBasis, 'fingerprint'>;

/** What has to be read, given what is kept. `prove`: an extension if the covered rows still have the kept fingerprint. */
export type ProfilePlan =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'new-rows'; readonly afterMs: number }
  | { readonly kind: 'prove'; readonly afterMs: number }
  | { readonly kind: 'new-files'; readonly files: readonly string[]; readonly afterMs: number | null }
  | { readonly kind: 'full'; readonly reason: string };

/**
 * Plans a profile.
 *
 * @param now the content, its columns, and up to which event time it is to be covered (null: the dataset has none)
 */
export function planProfile(kept: ProfileBasis | null, now: PresentContent): ProfilePlan {
  const full = (reason: string): ProfilePlan => ({ kind: 'full', reason });
  if (kept === null) return full('it is the first profile');
  if (kept.engine !== now.engine) return full('it was measured by another version before');
  const changed = [...new Set([...Object.keys(kept.columns), ...Object.keys(now.columns)])]
    .filter((name) => kept.columns[name] !== now.columns[name])
    .sort();
  if (changed.length > 0) return full(`columns were not profiled so before: ${changed.join(', ')}`);
  const [before, after] = [kept, now].map(({ event }) => (event == null ? 'none' : `${event.name} (${event.type})`));
  if (before !== after) return full(`its event time was ${before} before, and is ${after} now`);
  const { upToMs } = kept;
  if (upToMs !== null && upToMs > now.upToMs!) return full('what is kept covers a later time');
  if (kept.contentId === now.contentId) {
    return upToMs === null || upToMs === now.upToMs ? { kind: 'unchanged' } : { kind: 'new-rows', afterMs: upToMs };
  }
  const files = Object.keys(now.parts)
    .filter((name) => !Object.hasOwn(kept.parts, name))
    .sort();
  const known = Object.keys(kept.parts);
  if (files.length > 0 && known.length > 0 && known.every((name) => now.parts[name] === kept.parts[name]))
    return { kind: 'new-files', files, afterMs: upToMs };
  if (upToMs === null) return full('its content changed, and no event time tells what is new');
  return { kind: 'prove', afterMs: upToMs };
}

/** The states of both, by column: a column that either lacks has none. */
export function mergeStates(
  a: Readonly<Record<string, ColumnState>>,
  b: Readonly<Record<string, ColumnState>>,
  merge: (left: ColumnState, right: ColumnState) => ColumnState,
): Record<string, ColumnState> {
  const names = Object.keys(a).filter((name) => Object.hasOwn(b, name));
  return Object.fromEntries(names.map((name) => [name, merge(a[name], b[name])]));
}

export function encodeStates(states: Readonly<Record<string, ColumnState>>): Record<string, string> {
  return Object.fromEntries(Object.keys(states).map((name) => [name, encodeColumnState(states[name])]));
}

/** @throws BalanceError `CorruptState` for what another version wrote */
export function decodeStates(states: Readonly<Record<string, string>>): Record<string, ColumnState> {
  return Object.fromEntries(Object.keys(states).map((name) => [name, decodeColumnState(states[name])]));
}

export function mergeContents(a: ContentStates, b: ContentStates): ContentStates {
  const both = <State>(
    left: Readonly<Record<string, State>>,
    right: Readonly<Record<string, State>>,
    merge: (x: State, y: State) => State,
  ): Record<string, State> => {
    const all = { ...left };
    for (const name of Object.keys(right))
      all[name] = Object.hasOwn(left, name) ? merge(left[name], right[name]) : right[name];
    return all;
  };
  return { vectors: both(a.vectors, b.vectors, mergeVectors), texts: both(a.texts, b.texts, mergeTexts) };
}

export function encodeContents({ vectors, texts }: ContentStates): NonNullable<KeptProfile['contents']> {
  return {
    vectors: Object.fromEntries(Object.keys(vectors).map((name) => [name, encodeVectors(vectors[name])])),
    texts: Object.fromEntries(Object.keys(texts).map((name) => [name, encodeTexts(texts[name])])),
  };
}

/** @throws BalanceError `CorruptState` for what another version wrote */
export function decodeContents(contents: KeptProfile['contents']): ContentStates {
  const { vectors, texts } = contents ?? { vectors: {}, texts: {} };
  return {
    vectors: Object.fromEntries(Object.keys(vectors).map((name) => [name, decodeVectors(vectors[name])])),
    texts: Object.fromEntries(Object.keys(texts).map((name) => [name, decodeTexts(texts[name])])),
  };
}

/** The states of all rows; of vectors and texts also those of the rows before, and of the rows read now. */
export interface ProfiledStates {
  readonly columns: Readonly<Record<string, ColumnState>>;
  readonly before: ContentStates;
  readonly latest: ContentStates;
}

/** Reads the states of all asked columns. */
export function describeProfile(
  { columns: states, before, latest }: ProfiledStates,
  names: readonly string[],
  run: ProfileRun,
  rows: number,
): DatasetProfile {
  const profiled = names.filter((name) => Object.hasOwn(states, name)).sort();
  const all = mergeContents(before, latest);
  const isParted = run.kind !== 'full';
  const described = <State, Facts>(
    of: Readonly<Record<string, State>>,
    describe: (name: string, state: State) => Facts | null,
  ): Record<string, Facts> =>
    Object.fromEntries(
      names.flatMap((name) => {
        const facts = Object.hasOwn(of, name) ? describe(name, of[name]) : null;
        return facts === null ? [] : [[name, facts]];
      }),
    );
  const vectors = described(all.vectors, (name, state) =>
    describeVectors(
      state,
      isParted
        ? { before: before.vectors[name] ?? EMPTY_VECTORS, latest: latest.vectors[name] ?? EMPTY_VECTORS }
        : null,
    ),
  );
  const texts = described(all.texts, (name, state) =>
    describeTexts(
      state,
      isParted ? { before: before.texts[name] ?? EMPTY_TEXTS, latest: latest.texts[name] ?? EMPTY_TEXTS } : null,
    ),
  );
  return {
    rows,
    columns: Object.fromEntries(profiled.map((name) => [name, describeColumn(states[name])])),
    ...(Object.keys(vectors).length === 0 ? {} : { vectors }),
    ...(Object.keys(texts).length === 0 ? {} : { texts }),
    omitted: names.filter((name) => ![states, vectors, texts].some((of) => Object.hasOwn(of, name))).sort(),
    run,
  };
}

function describeColumn(state: ColumnState): ProfiledColumn {
  const { rows, distinct, inferredType, typedRows, min, max, mean, quantiles } = summarizeState(state);
  const present = rows - state.blank - state.implicitMissing;
  return {
    rows,
    blank: state.blank,
    implicitMissing: state.implicitMissing,
    distinct,
    inferredType,
    typed: present === 0 ? 1 : typedRows / present,
    ...{ min, median: quantiles.p50, max, mean },
  };
}
