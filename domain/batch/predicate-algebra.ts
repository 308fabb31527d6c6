/**
 * The algebra of predicates: which rows two requests share, decided from their text alone.
 *
 * A predicate is normalised to one constraint per column (a box in the space of rows). Every answer is *sound*: what
 * cannot be proved for every column type is `overlapping`. A proof may use: numbers and booleans are ordered; ISO
 * dates of the same shape are ordered as text; equal literals are equal. It never assumes an order of other texts
 * (a collation decides that) nor that '5' and 5, or two dates of different shape, are different values.
 */
import type { Condition, Literal, Predicate } from '../types/predicate.js';
import { compareLiterals, differsFromAll, surelyDiffer } from './literal-proofs.js';

/** How the rows of one predicate relate to those of another: `contains` reads "a contains b". */
export type Relation = 'equal' | 'contains' | 'contained' | 'overlapping' | 'adjacent' | 'disjoint';

/** One end of an interval. */
export interface Bound {
  readonly value: Literal;
  readonly inclusive: boolean;
}

/** What a conjunction says about one column. `values: false` leaves no value, `nulls: false` leaves no NULL. */
export interface Constraint {
  readonly column: string;
  nulls: boolean;
  values: boolean;
  low: Bound | null;
  high: Bound | null;
  /** Finite set, sorted, or null for no such limit. */
  among: readonly Literal[] | null;
  /** Excluded values, sorted. */
  except: readonly Literal[];
  /** Conditions that could not be folded into the rest; they narrow it further. Canonical text, sorted. */
  opaque: readonly string[];
}

/** One constraint per constrained column, in column order; every other column is free. */
export type Box = readonly Readonly<Constraint>[];

/** What a box says of a column; undefined: nothing. */
export function constraintOn(box: Box, column: string): Readonly<Constraint> | undefined {
  for (const constraint of box) if (constraint.column === column) return constraint;
}

/** An order for storage and candidates only: types apart, then the language's own. Never a proof. */
export function storageOrder(a: Literal, b: Literal): number {
  if (typeof a !== typeof b) return typeof a < typeof b ? -1 : 1;
  return a === b ? 0 : a < b ? -1 : 1;
}

const NONE: readonly never[] = [];

const free = (column: string): Constraint => ({
  column,
  nulls: true,
  values: true,
  low: null,
  high: null,
  among: null,
  except: NONE,
  opaque: NONE,
});

/** What a column without a constraint admits; never changed. */
const FREE: Readonly<Constraint> = free('');

/** Negative if `a` admits fewer values than `b` as an upper bound, 0 if equal, null if unknown. */
function compareHigh(a: Bound, b: Bound): number | null {
  const order = compareLiterals(a.value, b.value);
  return order === 0 ? Number(a.inclusive) - Number(b.inclusive) : order;
}

/** Positive if `a` admits fewer values than `b` as a lower bound, 0 if equal, null if unknown. */
function compareLow(a: Bound, b: Bound): number | null {
  const order = compareLiterals(a.value, b.value);
  return order === 0 ? Number(b.inclusive) - Number(a.inclusive) : order;
}

/** Equal for equal conditions; orders the conditions of a predicate, so that their written order is irrelevant. */
function conditionKey(condition: Condition): string {
  const { column, op, ...rest } = condition;
  return `${column} ${op} ${JSON.stringify(Object.values(rest))}`;
}

function setOf(values: readonly Literal[]): Literal[] {
  const sorted = [...values].sort(storageOrder);
  return sorted.filter((value, index) => index === 0 || value !== sorted[index - 1]);
}

function tighten(c: Constraint, op: '<' | '<=' | '>' | '>=', value: Literal): void {
  const side = op === '<' || op === '<=' ? 'high' : 'low';
  const bound: Bound = { value, inclusive: op === '<=' || op === '>=' };
  const current = c[side];
  const order =
    current === null ? 1 : side === 'low' ? compareLow(bound, current) : -(compareHigh(bound, current) ?? NaN);
  if (order === null || Number.isNaN(order)) c.opaque = [...c.opaque, conditionKey({ column: c.column, op, value })];
  else if (order > 0) c[side] = bound;
}

function restrictTo(c: Constraint, values: readonly Literal[]): void {
  const incoming = setOf(values);
  if (c.among === null) {
    c.among = incoming;
    return;
  }
  const kept = new Set(incoming);
  const both = c.among.filter((value) => kept.has(value));
  const unsure = c.among.some((a) => !kept.has(a) && incoming.some((b) => a !== b && !surelyDiffer(a, b)));
  if (unsure) c.opaque = [...c.opaque, `in ${JSON.stringify(incoming)}`];
  else c.among = both;
}

function apply(c: Constraint, condition: Condition): void {
  if (condition.op === 'is-null') {
    c.values = false;
    return;
  }
  c.nulls = false; // a comparison with NULL is unknown, and unknown does not match
  switch (condition.op) {
    case '=':
      restrictTo(c, [condition.value]);
      return;
    case 'in':
      restrictTo(c, condition.values);
      return;
    case '!=':
      c.except = setOf([...c.except, condition.value]);
      return;
    case '<':
    case '<=':
    case '>':
    case '>=':
      tighten(c, condition.op, condition.value);
      return;
    case 'between':
      tighten(c, '>=', condition.low);
      tighten(c, '<=', condition.high);
  }
}

/** Whether `value` surely satisfies (`true`) or surely violates (`false`) the interval, or null. */
function within(value: Literal, low: Bound | null, high: Bound | null): boolean | null {
  const point: Bound = { value, inclusive: true };
  const above = low === null ? 1 : compareLow(point, low);
  const below = high === null ? -1 : compareHigh(point, high);
  if ((above !== null && above < 0) || (below !== null && below > 0)) return false;
  return above === null || below === null ? null : true;
}

/** Brings equal sets of values to equal form: points become sets, implied limits vanish, empty sets become `values: false`. */
function settle(c: Constraint): void {
  const { low, high } = c;
  if (low !== null && high !== null && c.among === null) {
    const width = compareLiterals(low.value, high.value);
    if (width !== null && (width > 0 || (width === 0 && !(low.inclusive && high.inclusive)))) c.values = false;
    else if (width === 0) c.among = [low.value];
  }
  if (c.among !== null) {
    c.among = c.among.filter((value) => within(value, low, high) !== false && !c.except.includes(value));
    if (c.among.length === 0) c.values = false;
    if (c.among.every((value) => within(value, low, high) === true)) [c.low, c.high] = [null, null];
    c.except = c.except.filter((value) => !c.among!.every((kept) => surelyDiffer(kept, value)));
  } else if (c.except.length > 0) c.except = c.except.filter((value) => within(value, low, high) !== false);
  if (!c.values) Object.assign(c, { ...free(c.column), nulls: c.nulls, values: false });
  if (c.opaque.length > 1) c.opaque = [...new Set(c.opaque)].sort();
}

/** The conditions, those on one column in an order of their own; columns are independent of each other. */
function inOrder(predicate: Predicate): Predicate {
  const columns = new Set(predicate.map(({ column }) => column));
  if (columns.size === predicate.length) return predicate;
  const keyed = predicate.map((condition) => ({ condition, key: conditionKey(condition) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ condition }) => condition);
}

/** Normalises a predicate: one settled constraint per constrained column. `[]` gives an empty box: every row. */
export function normalise(predicate: Predicate): Box {
  const box: Constraint[] = [];
  for (const condition of predicate.length < 2 ? predicate : inOrder(predicate)) {
    let side = box.find(({ column }) => column === condition.column);
    if (side === undefined) box.push((side = free(condition.column)));
    apply(side, condition);
  }
  for (const side of box) settle(side);
  return box.length < 2 ? box : box.sort((a, b) => (a.column < b.column ? -1 : 1));
}

/** Text that is equal for predicates that normalise alike (hence select the same rows); for grouping. */
export function boxKey(box: Box): string {
  if (boxIsEmpty(box)) return 'none';
  let key = '';
  for (const { column, nulls, values, low, high, among, except, opaque } of box) {
    key += `${JSON.stringify(column)}${nulls ? 'n' : ''}${values ? 'v' : ''}`;
    if (low !== null) key += `${low.inclusive ? '[' : '('}${JSON.stringify(low.value)}`;
    if (high !== null) key += `;${JSON.stringify(high.value)}${high.inclusive ? ']' : ')'}`;
    if (among !== null) key += `=${JSON.stringify(among)}`;
    if (except.length > 0) key += `!${JSON.stringify(except)}`;
    if (opaque.length > 0) key += `?${JSON.stringify(opaque)}`;
  }
  return key;
}

/** True when a box surely holds no row. */
export function boxIsEmpty(box: Box): boolean {
  for (const { nulls, values } of box) if (!nulls && !values) return true;
  return false;
}

/** True when the predicate surely matches no row, whatever the data: `a > 2 AND a < 1`. */
export function isUnsatisfiable(predicate: Predicate): boolean {
  return boxIsEmpty(normalise(predicate));
}

/** Whether all values of a finite set lie within the bounds; false for a set that is not known to be finite. */
function allWithin(among: readonly Literal[] | null, low: Bound | null, high: Bound | null): boolean {
  if (among === null) return false;
  for (const value of among) if (within(value, low, high) !== true) return false;
  return true;
}

/** Whether `inner` surely does not admit this value. */
function excludes({ except, among, low, high }: Constraint, value: Literal): boolean {
  return (
    except.includes(value) || (among !== null && differsFromAll(value, among)) || within(value, low, high) === false
  );
}

/** Every value that `inner` admits is surely admitted by `outer`. */
function implies(inner: Constraint, outer: Constraint): boolean {
  if (inner.nulls && !outer.nulls) return false;
  if (!inner.values) return true;
  if (!outer.values) return false;
  const { among } = inner;
  if (outer.low !== null && !allWithin(among, outer.low, null)) {
    const order = inner.low === null ? null : compareLow(inner.low, outer.low);
    if (order === null || order < 0) return false;
  }
  if (outer.high !== null && !allWithin(among, null, outer.high)) {
    const order = inner.high === null ? null : compareHigh(inner.high, outer.high);
    if (order === null || order > 0) return false;
  }
  if (outer.among !== null) {
    if (among === null) return false;
    const allowed = outer.among.length > 8 ? new Set(outer.among) : null;
    for (const value of among) if (!(allowed === null ? outer.among.includes(value) : allowed.has(value))) return false;
  }
  for (const value of outer.except) if (!excludes(inner, value)) return false;
  for (const text of outer.opaque) if (!inner.opaque.includes(text)) return false;
  return true;
}

/** Every row of `inner` is surely a row of `outer`. */
export function boxContains(outer: Box, inner: Box): boolean {
  if (boxIsEmpty(inner)) return true;
  for (const side of outer) if (!implies(constraintOn(inner, side.column) ?? FREE, side)) return false;
  return true;
}

/** `high` ends exactly where `low` begins: at the same value, or at two consecutive whole numbers. */
function touches(high: Bound | null, low: Bound | null): boolean {
  if (high === null || low === null) return false;
  if (high.value === low.value) return high.inclusive !== low.inclusive;
  const whole = Number.isSafeInteger(high.value) && Number.isSafeInteger(low.value);
  return whole && high.inclusive && low.inclusive && (low.value as number) - (high.value as number) === 1;
}

/** The interval that spans a constraint's values; for a finite set its extremes, where the order of its values is known. */
function span(c: Constraint): readonly [Bound | null, Bound | null] {
  const { among } = c;
  if (among === null) return [c.low, c.high];
  for (let i = 1; i < among.length; i++) if (compareLiterals(among[i - 1], among[i]) !== -1) return [c.low, c.high];
  return [
    { value: among[0], inclusive: true },
    { value: among[among.length - 1], inclusive: true },
  ];
}

/** All values up to `high` surely come before all from `low` on. */
function endsBefore(high: Bound | null, low: Bound | null): boolean {
  if (high === null || low === null) return false;
  const order = compareLiterals(high.value, low.value);
  return order !== null && (order < 0 || (order === 0 && !(high.inclusive && low.inclusive)));
}

/** No value of a finite set is surely admitted by another constraint; false for a set that is not known to be finite. */
function noneAdmitted({ among }: Constraint, other: Constraint): boolean {
  if (among === null) return false;
  for (const value of among) {
    if (other.among !== null && differsFromAll(value, other.among)) continue;
    if (within(value, other.low, other.high) !== false && !other.except.includes(value)) return false;
  }
  return true;
}

/** Whether two constraints surely share no value, and if so whether they touch. */
function apart(a: Constraint, b: Constraint): 'no' | 'adjacent' | 'disjoint' {
  if (a.nulls && b.nulls) return 'no';
  if (!a.values || !b.values) return 'disjoint';
  const [aLow, aHigh] = span(a);
  const [bLow, bHigh] = span(b);
  if (touches(aHigh, bLow) || touches(bHigh, aLow)) return 'adjacent';
  if (endsBefore(aHigh, bLow) || endsBefore(bHigh, aLow)) return 'disjoint';
  return noneAdmitted(a, b) || noneAdmitted(b, a) ? 'disjoint' : 'no';
}

/** Relation of two normalised predicates; see `relate`. */
export function relateBoxes(a: Box, b: Box): Relation {
  const contains = boxContains(a, b);
  const contained = boxContains(b, a);
  if (contains) return contained ? 'equal' : 'contains';
  if (contained) return 'contained';
  let touching = '';
  for (const side of a) {
    const other = constraintOn(b, side.column);
    const gap = other === undefined ? 'no' : apart(side, other);
    if (gap === 'disjoint' || (gap === 'adjacent' && touching !== '')) return 'disjoint';
    if (gap === 'adjacent') touching = side.column;
  }
  if (touching === '') return 'overlapping';
  // Adjacent only when together they are one box: alike in every other column.
  const rest = (box: Box) => boxKey(box.filter(({ column }) => column !== touching));
  return rest(a) === rest(b) ? 'adjacent' : 'disjoint';
}

/**
 * How the rows of `a` relate to those of `b`, for every table that has the columns. Sound: `equal`, `contains`,
 * `contained` and `disjoint` are proofs; without one the answer is `overlapping`. `adjacent` is disjoint with nothing
 * between (a shared bound, or consecutive whole numbers) and alike in all other columns. A predicate that matches no
 * row is contained in every other.
 */
export function relate(a: Predicate, b: Predicate): Relation {
  return relateBoxes(normalise(a), normalise(b));
}

/** A cell as a predicate sees it. */
export type Row = Readonly<Record<string, Literal | null | undefined>>;

function holds(condition: Condition, cell: Literal | null | undefined): boolean {
  const missing = cell === null || cell === undefined;
  if (condition.op === 'is-null') return missing;
  if (missing) return false;
  const compare = (value: Literal, test: (order: number) => boolean) =>
    typeof value === typeof cell && test(cell === value ? 0 : cell < value ? -1 : 1);
  switch (condition.op) {
    case 'is-not-null':
      return true;
    case 'in':
      return condition.values.includes(cell);
    case 'between':
      return compare(condition.low, (order) => order >= 0) && compare(condition.high, (order) => order <= 0);
    case '=':
      return cell === condition.value;
    case '!=':
      return compare(condition.value, (order) => order !== 0);
    case '<':
      return compare(condition.value, (order) => order < 0);
    case '<=':
      return compare(condition.value, (order) => order <= 0);
    case '>':
      return compare(condition.value, (order) => order > 0);
    case '>=':
      return compare(condition.value, (order) => order >= 0);
  }
}

/**
 * Whether a row in memory matches, by SQL's rules: a comparison with NULL (or an absent column) never matches. A value
 * of another type than the literal's does not match either; text is compared by code unit.
 */
export function evaluate(predicate: Predicate, row: Row): boolean {
  return predicate.every((condition) =>
    holds(condition, Object.hasOwn(row, condition.column) ? row[condition.column] : null),
  );
}
