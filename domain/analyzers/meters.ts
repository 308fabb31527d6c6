/** Column meters: completeness, class counts and freshness, each with a state that merges. Patterns for further ones. */
import { BalanceError } from '../types/errors.js';
import type { ClassCounts, ColumnMeter } from './analyzer.js';
import { countOf, pielouEvenness, sortedKeys, totalOf } from './balance.js';

/** Parses a state's text and checks it. */
function decodeState<State>(text: string, meter: string, isState: (value: unknown) => value is State): State {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Falls through: null is no state.
  }
  if (isState(value)) return value;
  throw new BalanceError('usage', {
    type: 'CorruptState',
    message: `not a state of the meter ${meter}`,
    expected: `text that its encode wrote`,
    got: text.slice(0, 80),
  });
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface CompletenessState {
  readonly rows: number;
  readonly present: number;
}

/** Present values / rows, with the standard error sqrt(p (1 - p) / n). */
export const completenessMeter: ColumnMeter<CompletenessState> = {
  id: 'completeness',
  version: 1,
  appliesTo: () => true,
  empty: () => ({ rows: 0, present: 0 }),
  update: (state, values) => ({
    rows: state.rows + values.length,
    present: state.present + values.filter((value) => value !== null && value !== undefined).length,
  }),
  merge: (left, right) => ({ rows: left.rows + right.rows, present: left.present + right.present }),
  encode: ({ rows, present }) => JSON.stringify({ rows, present }),
  decode: (text) =>
    decodeState(
      text,
      'completeness',
      (value): value is CompletenessState =>
        isRecord(value) && isCount(value.rows) && isCount(value.present) && value.present <= value.rows,
    ),
  metric({ rows, present }) {
    if (rows === 0) return { ok: false, type: 'NoRows', message: 'completeness of no rows' };
    const share = present / rows;
    return { ok: true, value: share, n: rows, standardError: Math.sqrt((share * (1 - share)) / rows) };
  },
};

export interface ClassState {
  readonly counts: ClassCounts;
}

/** Rows by class (text form); the metric is Pielou's evenness. */
export const classMeter: ColumnMeter<ClassState> = {
  id: 'classes',
  version: 1,
  appliesTo: (column, need) =>
    need?.classColumn === column.name || column.kind === 'string' || column.kind === 'boolean',
  empty: () => ({ counts: {} }),
  update(state, values) {
    const counts = new Map(Object.entries(state.counts));
    for (const value of values) {
      if (value === null || value === undefined) continue;
      const name = typeof value === 'string' ? value : JSON.stringify(value);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return { counts: Object.fromEntries(counts) };
  },
  merge: (left, right) => ({
    counts: Object.fromEntries(
      sortedKeys({ ...left.counts, ...right.counts }).map((name) => [
        name,
        countOf(left.counts, name) + countOf(right.counts, name),
      ]),
    ),
  }),
  // Pairs in key order: equal counts have equal text, and no class name is special.
  encode: ({ counts }) => JSON.stringify(sortedKeys(counts).map((name) => [name, counts[name]])),
  decode(text) {
    const pairs = decodeState(
      text,
      'classes',
      (value): value is [string, number][] =>
        Array.isArray(value) &&
        value.every((pair: unknown) => Array.isArray(pair) && typeof pair[0] === 'string' && isCount(pair[1])),
    );
    return { counts: Object.fromEntries(pairs) };
  },
  metric({ counts }) {
    const n = totalOf(counts);
    if (n === 0) return { ok: false, type: 'NoRows', message: 'evenness of no rows' };
    return { ok: true, value: pielouEvenness(counts), n, standardError: null };
  },
};

export interface FreshnessState {
  readonly rows: number;
  /** Newest time in milliseconds since 1970; null before the first. */
  readonly newestMs: number | null;
}

/** Newest time of a column of times (milliseconds since 1970). */
export const freshnessMeter: ColumnMeter<FreshnessState> = {
  id: 'freshness',
  version: 1,
  appliesTo: (column) => column.kind === 'time',
  empty: () => ({ rows: 0, newestMs: null }),
  update(state, values) {
    const times = values.filter((value): value is number => typeof value === 'number' && Number.isFinite(value));
    const newest = times.reduce((most, time) => Math.max(most, time), state.newestMs ?? -Infinity);
    return { rows: state.rows + times.length, newestMs: newest === -Infinity ? null : newest };
  },
  merge: (left, right) => ({
    rows: left.rows + right.rows,
    newestMs:
      left.newestMs === null || right.newestMs === null
        ? (left.newestMs ?? right.newestMs)
        : Math.max(left.newestMs, right.newestMs),
  }),
  encode: ({ rows, newestMs }) => JSON.stringify({ rows, newestMs }),
  decode: (text) =>
    decodeState(
      text,
      'freshness',
      (value): value is FreshnessState =>
        isRecord(value) && isCount(value.rows) && (value.newestMs === null || Number.isFinite(value.newestMs)),
    ),
  metric({ rows, newestMs }) {
    if (newestMs === null) return { ok: false, type: 'NoRows', message: 'no time to be fresh' };
    return { ok: true, value: newestMs, n: rows, standardError: 0 };
  },
};
