/**
 * Approximate functional dependencies: which columns decide which, measured by leave-one-out voting.
 *
 * The measure of `X -> Y`: each row asks the other rows of its X-group for Y and is answered by their most frequent
 * value. `confidence` is the fraction of answers that agree with the row. It is the g3 measure of Kivinen and Mannila
 * (1995) with the row's own vote left out, so that groups of one row neither support nor refute, and a key does not
 * trivially decide everything. `strength` corrects it for chance (Cohen's kappa against always answering Y's most
 * frequent value).
 */
import { isBlank, isMissingSpelling, type CellColumn, type CellTable } from './cell-table.js';

export interface Dependency {
  /** Column indices, ascending. */
  readonly from: readonly number[];
  readonly to: number;
  readonly confidence: number;
  readonly strength: number;
  /**
   * How far this looks like a rule with errors rather than a tendency: the fraction of groups (and of their rows,
   * whichever is less) in which one value leads by more than two to one, after Laplace's rule of succession.
   * Errors leave a clear lead in place; a mere tendency leaves many groups split.
   */
  readonly clarity: number;
  /** Rows that had an answer. */
  readonly covered: number;
  readonly declared: boolean;
}

/** Rows grouped by a key: rows of group g are `order[starts[g]..starts[g+1])`. Rows with a missing key are left out. */
export interface Groups {
  readonly groupOf: Int32Array;
  readonly starts: Int32Array;
  readonly order: Int32Array;
}

/** What `missingCodes` found, by dictionary: every rule that is measured asks again. */
const knownMissing = new WeakMap<readonly string[], Uint8Array>();

/** Whether a code stands for a missing value, per code. Missing values neither vote nor form groups. */
export function missingCodes({ values }: CellColumn): Uint8Array {
  const known = knownMissing.get(values);
  if (known !== undefined) return known;
  const missing = Uint8Array.from(values, (text) => (isBlank(text) || isMissingSpelling(text) ? 1 : 0));
  knownMissing.set(values, missing);
  return missing;
}

/** Groups by one column, by column: many detectors ask for them, and a column never changes. */
const knownGroups = new WeakMap<CellColumn, Groups>();

/** Groups rows by the combined value of some columns. Those by a single column are kept as long as it is. */
export function groupRows(table: CellTable, from: readonly number[]): Groups {
  if (from.length !== 1) return refineGroups(table, from);
  const column = table.columns[from[0]];
  const groups = knownGroups.get(column) ?? refineGroups(table, from);
  knownGroups.set(column, groups);
  return groups;
}

function refineGroups(table: CellTable, from: readonly number[]): Groups {
  let groupOf: Int32Array = new Int32Array(table.rows);
  let size = 1;
  for (const index of from) [groupOf, size] = refine(groupOf, size, table.columns[index]);
  const starts = new Int32Array(size + 1);
  for (const group of groupOf) if (group >= 0) starts[group + 1]++;
  for (let group = 0; group < size; group++) starts[group + 1] += starts[group];
  const next = starts.slice();
  const order = new Int32Array(starts[size]);
  for (let row = 0; row < groupOf.length; row++) {
    if (groupOf[row] >= 0) order[next[groupOf[row]]++] = row;
  }
  return { groupOf, starts, order };
}

/** Ids of the pairs (group, code) are looked up in an array where it has at most so many places per row. */
const PLACES_PER_ROW = 16;

/** Splits groups by a further column; new groups are numbered in order of their first row. */
function refine(groupOf: Int32Array, groups: number, column: CellColumn): [Int32Array, number] {
  const missing = missingCodes(column);
  const width = column.values.length;
  const refined = new Int32Array(groupOf.length);
  const places = groups * width;
  const dense = places <= PLACES_PER_ROW * groupOf.length ? new Int32Array(places).fill(-1) : undefined;
  const sparse = new Map<number, number>();
  let size = 0;
  for (let row = 0; row < groupOf.length; row++) {
    const code = column.codes[row];
    if (groupOf[row] < 0 || missing[code] === 1) {
      refined[row] = -1;
      continue;
    }
    const key = groupOf[row] * width + code;
    let id = dense === undefined ? (sparse.get(key) ?? -1) : dense[key];
    if (id < 0) {
      id = size++;
      if (dense === undefined) sparse.set(key, id);
      else dense[key] = id;
    }
    refined[row] = id;
  }
  return [refined, size];
}

/** Votes on one column within one group: how often each present value occurs. Reused between groups to save memory. */
export class Ballot {
  readonly counts: Int32Array;
  private readonly missing: Uint8Array;
  private readonly seen: number[] = [];
  top = -1;
  second = -1;
  voters = 0;

  constructor(private readonly column: CellColumn) {
    this.counts = new Int32Array(column.values.length);
    this.missing = missingCodes(column);
  }

  /** Counts the votes of one group; ties go to the value that appears first in the table. */
  count(groups: Groups, group: number): void {
    for (const code of this.seen) this.counts[code] = 0;
    this.seen.length = 0;
    this.voters = 0;
    for (let at = groups.starts[group]; at < groups.starts[group + 1]; at++) {
      const code = this.column.codes[groups.order[at]];
      if (this.missing[code] === 1) continue;
      if (this.counts[code]++ === 0) this.seen.push(code);
      this.voters++;
    }
    this.top = this.second = -1;
    for (const code of this.seen) {
      if (this.beats(code, this.top)) [this.top, this.second] = [code, this.top];
      else if (this.beats(code, this.second)) this.second = code;
    }
  }

  isMissing(code: number): boolean {
    return this.missing[code] === 1;
  }

  votesFor(code: number): number {
    return code < 0 ? 0 : this.counts[code];
  }

  /** The most frequent value among the other rows of the group, for a row that holds `code`. */
  rival(code: number): number {
    return code === this.top ? this.second : this.top;
  }

  /** Most votes for any value other than these two. */
  mostVotesBeside(a: number, b: number): number {
    return this.seen.reduce((most, code) => (code === a || code === b ? most : Math.max(most, this.counts[code])), 0);
  }

  private beats(code: number, other: number): boolean {
    if (other < 0) return true;
    return this.counts[code] > this.counts[other] || (this.counts[code] === this.counts[other] && code < other);
  }
}

/** A group speaks clearly when its first value has more than this many times the votes of its second. */
export const CLEAR_LEAD = 2;
/** A rule that is broken in the same way by this many rows of one group is no rule there. */
export const CUSTOM_VOTES = 10;
/** Where a group of this share of the table has a second value of its own, its first is a tendency (dry days are sunny). */
const LARGE_GROUP = 0.1;

/** Measures one dependency. `undefined` if no row has an answer, or it is not declared and too unclear to be mined. */
export function measureDependency(
  table: CellTable,
  groups: Groups,
  from: readonly number[],
  to: number,
  declared = false,
): Dependency | undefined {
  const column = table.columns[to];
  const ballot = new Ballot(column);
  let covered = 0;
  let agreed = 0;
  let judged = { rows: 0, groups: 0, clearRows: 0, clearGroups: 0 };
  const mostUnclear = declared ? Infinity : mostUnclearGroups(groups);
  for (let group = 0; group + 1 < groups.starts.length; group++) {
    if (groups.starts[group + 1] - groups.starts[group] < 2) continue;
    ballot.count(groups, group);
    if (ballot.voters < 2) continue;
    covered += ballot.voters;
    // Only the rows that hold the top value can agree with the others; a tie among the others is half an answer.
    const top = ballot.votesFor(ballot.top);
    const rival = ballot.votesFor(ballot.second);
    if (top - 1 > rival) agreed += top;
    else if (top - 1 === rival) agreed += top / 2;
    // A group of two that disagrees has no majority whatever the truth, so only larger ones are judged.
    if (ballot.voters < 3) continue;
    const isSplit = rival >= CUSTOM_VOTES && ballot.voters >= LARGE_GROUP * table.rows;
    const isClear = top > CLEAR_LEAD * rival && !isSplit;
    judged = {
      rows: judged.rows + ballot.voters,
      groups: judged.groups + 1,
      clearRows: judged.clearRows + (isClear ? ballot.voters : 0),
      clearGroups: judged.clearGroups + (isClear ? 1 : 0),
    };
    if (judged.groups - judged.clearGroups > mostUnclear) return undefined;
  }
  if (covered === 0) return undefined;
  const confidence = agreed / covered;
  const chance = commonestShare(column);
  return {
    from,
    to,
    confidence,
    strength: chance >= 1 ? 0 : (confidence - chance) / (1 - chance),
    clarity: Math.min((judged.clearRows + 1) / (judged.rows + 2), (judged.clearGroups + 1) / (judged.groups + 2)),
    covered,
    declared,
  };
}

/**
 * So many unclear groups a mined dependency may have at most, of all that could be judged: with u of them among g the
 * clarity is at most (g - u + 1) / (g + 2). Rounded up: what is near the bound is measured to the end.
 */
function mostUnclearGroups({ starts }: Groups): number {
  let judged = 0;
  for (let group = 0; group + 1 < starts.length; group++) if (starts[group + 1] - starts[group] > 2) judged++;
  return Math.ceil(judged + 1 - MIN_CLARITY * (judged + 2));
}

function commonestShare(column: CellColumn): number {
  const missing = missingCodes(column);
  let top = 0;
  let present = 0;
  column.counts.forEach((count, code) => {
    if (missing[code] === 1) return;
    top = Math.max(top, count);
    present += count;
  });
  return present === 0 ? 1 : top / present;
}

function compareDependencies(a: Dependency, b: Dependency): number {
  return (
    b.strength - a.strength || b.covered - a.covered || a.from.length - b.from.length || compareLists(a.from, b.from)
  );
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return a[at] - b[at];
  return 0;
}

/** Weakest chance-corrected agreement that counts as a dependency: "moderate" (Landis and Koch 1977). */
const MIN_STRENGTH = 0.4;
/** Least clarity of a mined dependency: at most one group in ten without a majority. */
const MIN_CLARITY = 0.9;

/**
 * Finds the dependencies of a table: every single column that decides another, and, where a second column removes
 * much of the disagreement, the pair of them.
 *
 * @param declared dependencies in column indices: kept whatever they measure, and trusted as genuine
 * @returns strongest first
 * Cost: O(columns^2 * rows) for single columns.
 */
export function mineDependencies(
  table: CellTable,
  declared: readonly { readonly from: readonly number[]; readonly to: number }[] = [],
): Dependency[] {
  const width = table.columns.length;
  const found: Dependency[] = [];
  for (const { from, to } of declared) {
    const measured = measureDependency(table, groupRows(table, from), from, to, true);
    if (measured !== undefined) found.push(measured);
  }
  const isDeclared = (from: readonly number[], to: number): boolean =>
    declared.some((other) => other.to === to && compareLists(other.from, from) === 0);
  for (let from = 0; from < width; from++) {
    const groups = groupRows(table, [from]);
    for (let to = 0; to < width; to++) {
      if (to === from || isDeclared([from], to)) continue;
      const measured = measureDependency(table, groups, [from], to);
      if (measured !== undefined && isGenuine(measured)) found.push(measured);
    }
  }
  const pairs = refineByPairs(
    table,
    found.filter(({ declared: told }) => !told),
  );
  const decided = new Set([...found, ...pairs].map(({ to }) => to));
  return [...found, ...pairs, ...minePairs(table, decided)].sort(compareDependencies);
}

/** Rows, and cell visits, that the search for pairs may take; about two seconds. */
const PAIR_ROWS = 5000;
const PAIR_VISITS = 5e7;
/** Of so many pairs some fit by chance or tendency: a rule of two columns must hold on this share of the rows. */
const PAIR_CONFIDENCE = 0.95;
/** A column can be half of a pair only if its values repeat this often on average. */
const REPEATS_IN_PAIR = 4;

/**
 * Pairs of columns that decide a third which no single column does (state and marital status decide an exemption).
 * Searched on rows spread over the table, measured on all.
 */
function minePairs(table: CellTable, decided: ReadonlySet<number>): Dependency[] {
  // What hardly repeats is decided by nothing.
  const open = table.columns
    .map((_, index) => index)
    .filter((index) => !decided.has(index) && table.columns[index].values.length * 2 <= table.rows);
  const halves = table.columns
    .map(({ values }, index) => ({ index, distinct: values.length }))
    .filter(({ distinct }) => distinct > 1 && distinct * REPEATS_IN_PAIR <= table.rows);
  const pairs = halves.flatMap((a, at) => halves.slice(at + 1).map((b) => [a.index, b.index]));
  const affordable = Math.floor(PAIR_VISITS / Math.max(1, pairs.length * (open.length + 2)));
  const sample = sampleRows(table, Math.min(PAIR_ROWS, affordable));
  const best = new Map<number, { from: number[]; confidence: number }>();
  for (const from of pairs) {
    const groups = groupRows(sample, from);
    // Groups of one row have nothing to compare.
    if ((groups.starts.length - 1) * 2 > sample.rows) continue;
    for (const to of open) {
      if (from.includes(to)) continue;
      const measured = measureDependency(sample, groups, from, to);
      if (measured === undefined || !isGenuine(measured) || measured.covered * 2 < sample.rows) continue;
      if (measured.confidence < PAIR_CONFIDENCE) continue;
      if (measured.confidence > (best.get(to)?.confidence ?? 0))
        best.set(to, { from, confidence: measured.confidence });
    }
  }
  return [...best].flatMap(([to, { from }]) => {
    const measured = measureDependency(table, groupRows(table, from), from, to);
    return measured !== undefined && isGenuine(measured) ? [measured] : [];
  });
}

/** Every so many rows of the table, at most `limit`; values keep their codes. */
function sampleRows(table: CellTable, limit: number): CellTable {
  if (table.rows <= limit) return table;
  const step = Math.ceil(table.rows / Math.max(1, limit));
  const columns = table.columns.map((column) => ({
    ...column,
    codes: column.codes.filter((_, row) => row % step === 0),
  }));
  return { rows: Math.ceil(table.rows / step), columns };
}

function isGenuine({ strength, clarity }: Dependency): boolean {
  return strength >= MIN_STRENGTH && clarity >= MIN_CLARITY;
}

/** Part of the disagreement that a second column must remove to be worth asking. */
const PAIR_GAIN = 0.2;

/**
 * For each dependency on one column the second column that removes most of its disagreement, if one removes enough.
 * Rows are grouped once for each pair of columns, whatever the pair may decide.
 */
function refineByPairs(table: CellTable, singles: readonly Dependency[]): Dependency[] {
  const best = new Map<Dependency, Dependency>();
  for (let a = 0; a < table.columns.length; a++) {
    for (let b = a + 1; b < table.columns.length; b++) {
      const open = singles.filter(
        (single) =>
          (single.from[0] === a || single.from[0] === b) &&
          single.to !== a &&
          single.to !== b &&
          best.get(single)?.confidence !== 1,
      );
      if (open.length === 0) continue;
      const groups = groupRows(table, [a, b]);
      const compared = comparedRows(groups);
      const measured = new Map<number, Dependency | undefined>();
      for (const single of open) {
        if (compared * 2 < single.covered) continue;
        if (!measured.has(single.to)) measured.set(single.to, measureDependency(table, groups, [a, b], single.to));
        const pair = measured.get(single.to);
        if (pair === undefined || !isGenuine(pair) || pair.covered * 2 < single.covered) continue;
        if (1 - pair.confidence > (1 - PAIR_GAIN) * (1 - single.confidence)) continue;
        if (pair.confidence > (best.get(single)?.confidence ?? -1)) best.set(single, pair);
      }
    }
  }
  return singles.flatMap((single) => best.get(single) ?? []);
}

/** Rows that share their group with another: at most so many can have an answer. */
function comparedRows({ starts }: Groups): number {
  let rows = 0;
  for (let group = 0; group + 1 < starts.length; group++) {
    const size = starts[group + 1] - starts[group];
    if (size > 1) rows += size;
  }
  return rows;
}
