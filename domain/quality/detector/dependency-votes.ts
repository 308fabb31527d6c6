/**
 * Cells that break a functional dependency, by weighted votes of the rows that agree on the left side.
 *
 * Every dependency gives log-odds for "the group's value" against "the cell's own value":
 * ln((votes for it + 1/2) / (votes for its rival + 1/2)), the cell's own vote left out, never more than the log-odds
 * that the dependency is genuine. The log-odds of all dependencies on the column are added, so several weak groups
 * outvote one, and a cell that one dependency accuses and stronger ones confirm stays clean.
 */
import type { CellColumn, CellTable } from '../cell-table.js';
import {
  Ballot,
  CLEAR_LEAD,
  CUSTOM_VOTES,
  groupRows,
  missingCodes,
  type Dependency,
  type Groups,
} from '../dependency.js';
import type { Signal } from './signal.js';

/** Half a vote for what was never seen (Krichevsky and Trofimov 1981). */
const UNSEEN_VOTES = 0.5;
/** Log-odds that a declared dependency is genuine: one exception in a thousand. */
const DECLARED_LOG_ODDS = Math.log(999);
/** Log-odds against an error before any vote: among cells that differ from their group, errors and exceptions are about even, and one lone vote must not convict. */
const PRIOR_LOG_ODDS = -1;
/** Of two cells of which one is wrong, each is so with this probability. */
const EVEN = 0.5;
/** Signals below this probability say nothing that labels could build on. */
const LEAST_SCORE = 0.1;
/** A row must differ in this many columns at least to be a stranger to its group. */
const STRANGER_COLUMNS = 2;
/** One wrong cell in twenty: published error benchmarks have 3 to 30 %. */
const RIGHT_PER_ERROR = 20;
/** ln(1 / e), e the share of wrong cells. */
const ERROR_SURPRISE = Math.log(RIGHT_PER_ERROR);
/** Share of rows in which one column's text contains another's for the one to be a part of the other. */
const EMBEDDED_SHARE = 0.9;

/** What one dependency says against a cell. */
interface Accusation {
  readonly rule: Dependency;
  readonly logOdds: number;
  /** Code of the value that it names. */
  readonly rival: number;
  /** Whether that value leads all third ones clearly, so that it may be suggested. */
  readonly isClear: boolean;
}

/** Running sums for one column. */
interface Tally {
  readonly logOdds: Float64Array;
  readonly accusations: Map<number, Accusation[]>;
  /** Rows whose own value a stronger dependency confirms. */
  readonly confirmed: Uint8Array;
}

export interface DependencyVerdict {
  readonly signals: readonly Signal[];
  /** Whether rows that agree on some left side also hold this cell's value, and no accusation outweighs them. */
  readonly isConfirmed: (row: number, column: number) => boolean;
}

/** Judges every cell of every column that some dependency decides. Dependencies come strongest first. */
export function dependencySignals(table: CellTable, dependencies: readonly Dependency[]): DependencyVerdict {
  const groupsOf = new Map<string, Groups>();
  for (const { from } of dependencies) {
    if (!groupsOf.has(from.join())) groupsOf.set(from.join(), groupRows(table, from));
  }
  const strangers = findStrangers(table, dependencies, groupsOf);
  const tallies = table.columns.map((_, to) => {
    const rules = dependencies.filter((dependency) => dependency.to === to);
    return rules.length === 0 ? undefined : tallyColumn(table, to, rules, groupsOf, strangers);
  });
  const blame = shareBlame(tallies);
  return {
    signals: tallies.flatMap((tally, to) =>
      tally === undefined ? [] : signalsOf(table, to, tally, blame, strangers.get(String(to))),
    ),
    isConfirmed: (row, column) => {
      const tally = tallies[column];
      return tally !== undefined && tally.confirmed[row] === 1 && tally.logOdds[row] < 0;
    },
  };
}

/**
 * Rows that are strangers to their group: what differs is not several errors but a key of the same name (two breweries
 * called "Blackrock"), or one error in the key itself. The group's votes do not concern them.
 *
 * A row that differs in d of the columns that its group decides is either d errors, or one cause and as many agreements
 * by chance as there are columns in which it agrees: it is a stranger if
 * (d - 1) ln(1 / e) > sum over those columns of ln(1 / c), e the share of wrong cells, c the chance that two rows agree.
 * A value that no other row has speaks for an error: there ln(1 / u) is added, u the share of such rows of its column.
 */
function findStrangers(
  table: CellTable,
  dependencies: readonly Dependency[],
  groupsOf: ReadonlyMap<string, Groups>,
): ReadonlyMap<string, Uint8Array> {
  const surprise = table.columns.map((column) => -Math.log(Math.max(1 / table.rows, collisionShare(column))));
  const rarity = table.columns.map(({ counts }) =>
    Math.log(table.rows / Math.max(1, counts.filter((n) => n === 1).length)),
  );
  const strangers = new Map<string, Uint8Array>();
  for (const [key, groups] of groupsOf) {
    const decided = new Set(dependencies.filter((rule) => rule.from.join() === key).map(({ to }) => to));
    const agreement = new Float64Array(table.rows);
    const differs = new Uint8Array(table.rows);
    for (const to of decided) {
      const ballot = new Ballot(table.columns[to]);
      const { codes } = table.columns[to];
      for (let group = 0; group + 1 < groups.starts.length; group++) {
        ballot.count(groups, group);
        if (ballot.voters < 2) continue;
        for (let at = groups.starts[group]; at < groups.starts[group + 1]; at++) {
          const row = groups.order[at];
          if (ballot.isMissing(codes[row])) continue;
          if (codes[row] === ballot.top) {
            agreement[row] += surprise[to];
            continue;
          }
          differs[row]++;
          if (table.columns[to].counts[codes[row]] === 1) agreement[row] += rarity[to];
        }
      }
    }
    strangers.set(
      key,
      differs.map((count, row) => (count >= STRANGER_COLUMNS && (count - 1) * ERROR_SURPRISE > agreement[row] ? 1 : 0)),
    );
  }
  return strangers;
}

/** Chance that two present rows of a column agree. */
function collisionShare(column: CellColumn): number {
  const missing = missingCodes(column);
  let [present, squares] = [0, 0];
  column.counts.forEach((count, code) => {
    if (missing[code] === 1) return;
    present += count;
    squares += count * count;
  });
  return present === 0 ? 1 : squares / present ** 2;
}

function tallyColumn(
  table: CellTable,
  to: number,
  rules: readonly Dependency[],
  groupsOf: ReadonlyMap<string, Groups>,
  strangers: ReadonlyMap<string, Uint8Array>,
): Tally {
  const column = table.columns[to];
  const tally: Tally = {
    logOdds: new Float64Array(table.rows),
    accusations: new Map(),
    confirmed: new Uint8Array(table.rows),
  };
  const ballot = new Ballot(column);
  for (const rule of rules) {
    const key = rule.from.join();
    const groups = groupsOf.get(key);
    const exempt = strangers.get(key);
    if (groups === undefined || exempt === undefined) continue;
    for (let group = 0; group + 1 < groups.starts.length; group++) {
      if (groups.starts[group + 1] - groups.starts[group] < 2) continue;
      ballot.count(groups, group);
      if (ballot.voters > 0) voteInGroup(column.codes, rule, groups, group, exempt, ballot, tally);
    }
  }
  return tally;
}

/** Probability that an accused cell is wrong, before the blame is shared. */
function guilt(logOdds: number): number {
  return 1 / (1 + Math.exp(-(logOdds + PRIOR_LOG_ODDS)));
}

type Blame = 'own' | 'shared' | 'explained';

/**
 * Where columns decide each other, one wrong cell accuses its neighbours, and they it. A cell that a sound cell accuses
 * is to blame itself (`own`), and explains what it says against others (`explained`). Cells that only accuse one another
 * share the blame: one of them is wrong, nobody knows which, nor what was meant.
 */
function shareBlame(tallies: readonly (Tally | undefined)[]): (row: number, column: number) => Blame {
  const accused = new Map<number, number[]>();
  tallies.forEach((tally, column) => {
    for (const row of tally?.accusations.keys() ?? []) {
      if (guilt(tally!.logOdds[row]) < EVEN) continue;
      const columns = accused.get(row);
      if (columns === undefined) accused.set(row, [column]);
      else columns.push(column);
    }
  });
  return (row, column) => {
    const fellows = accused.get(row) ?? [];
    const sources = (of: number): (readonly number[])[] =>
      (tallies[of]?.accusations.get(row) ?? []).map(({ rule }) => rule.from);
    const isOwn = (of: number): boolean => sources(of).some((from) => !from.some((index) => fellows.includes(index)));
    if (fellows.length < 2 || !fellows.includes(column) || isOwn(column)) return 'own';
    return sources(column).every((from) => from.some((index) => fellows.includes(index) && isOwn(index)))
      ? 'explained'
      : 'shared';
  };
}

function signalsOf(
  table: CellTable,
  to: number,
  tally: Tally,
  blame: (row: number, column: number) => Blame,
  /** Rows whose value of this column is of a group that they are strangers to: then it is this value that is wrong. */
  strangers: Uint8Array | undefined,
): Signal[] {
  const column = table.columns[to];
  const parts = embeddedColumns(table, to);
  const isDisputed = disputes(table, to);
  const signals: Signal[] = [];
  for (const [row, accusations] of tally.accusations) {
    const isEven =
      strangers?.[row] !== 1 &&
      // Where the owner says which column decides the other, the other is the one to be mended.
      accusations.every(({ rule }) => !rule.declared && rule.from.some((from) => isDisputed(row, from)));
    const share = blame(row, to) === 'own' && isEven ? 'shared' : blame(row, to);
    const probability = guilt(tally.logOdds[row]);
    const score = share === 'shared' ? Math.min(EVEN, probability) : probability;
    if (score < LEAST_SCORE || share === 'explained') continue;
    const { rule, rival, isClear } = accusations.reduce((a, b) => (b.logOdds > a.logOdds ? b : a));
    const suggested = column.values[rival];
    const current = column.values[column.codes[row]];
    if (parts.some((part) => isPartOf(cellText(part, row), current, suggested))) continue;
    const names = rule.from.map((from) => table.columns[from].name).join(', ');
    const evidence = `rows with the same ${names} say "${suggested}"`;
    const isCertain = isClear && share === 'own';
    signals.push({ row, column: to, kind: 'dependency', score, evidence, ...(isCertain ? { suggested } : {}) });
  }
  return signals;
}

/**
 * Whether the rows that share a row's value of `to` dispute its value of `from`, as those that share `from` dispute `to`:
 * they have another clear leader, and the row's own value no oftener than errors. Then either cell may be the wrong one,
 * whether or not `to` decides `from` in general (of few kinds of schooling each has its years, but some share them).
 */
function disputes(table: CellTable, to: number): (row: number, from: number) => boolean {
  const byColumn = new Map<number, Uint8Array>();
  let groups: Groups | undefined;
  return (row, from) => {
    let disputed = byColumn.get(from);
    if (disputed === undefined) {
      groups ??= groupRows(table, [to]);
      disputed = disputedRows(table.columns[from], groups);
      byColumn.set(from, disputed);
    }
    return disputed[row] === 1;
  };
}

function disputedRows(column: CellColumn, groups: Groups): Uint8Array {
  const disputed = new Uint8Array(column.codes.length);
  const ballot = new Ballot(column);
  for (let group = 0; group + 1 < groups.starts.length; group++) {
    ballot.count(groups, group);
    const lead = ballot.votesFor(ballot.top);
    if (ballot.voters < 3 || lead <= CLEAR_LEAD * ballot.votesFor(ballot.second)) continue;
    for (const row of groups.order.subarray(groups.starts[group], groups.starts[group + 1])) {
      const own = ballot.votesFor(column.codes[row]) - 1;
      if (column.codes[row] !== ballot.top && own * RIGHT_PER_ERROR <= lead) disputed[row] = 1;
    }
  }
  return disputed;
}

function cellText(column: CellColumn, row: number): string {
  return column.values[column.codes[row]];
}

/** Columns whose value is written inside this column's value in nearly all rows (`state` in `state_average`). */
function embeddedColumns(table: CellTable, to: number): CellColumn[] {
  const whole = table.columns[to];
  return table.columns.filter((part, index) => {
    if (index === to) return false;
    let within = table.rows;
    for (let row = 0; row < table.rows && within >= EMBEDDED_SHARE * table.rows; row++) {
      if (!isWithin(cellText(part, row), cellText(whole, row))) within--;
    }
    return within >= EMBEDDED_SHARE * table.rows;
  });
}

/** One letter occurs in anything, so a part has two at least; a whole that is no longer than its part is a copy. */
function isWithin(part: string, whole: string): boolean {
  return part.length >= 2 && part.length < whole.length && whole.includes(part);
}

/** Whether the row's own part explains why its value differs from the group's. */
function isPartOf(part: string, current: string, suggested: string): boolean {
  return isWithin(part, current) && !suggested.includes(part);
}

function voteInGroup(
  codes: Int32Array,
  rule: Dependency,
  groups: Groups,
  group: number,
  exempt: Uint8Array,
  ballot: Ballot,
  tally: Tally,
): void {
  const limit = rule.declared ? DECLARED_LOG_ODDS : Math.log(rule.clarity / (1 - rule.clarity));
  const members = groups.order.subarray(groups.starts[group], groups.starts[group + 1]);
  const established = new Set<number>();
  for (const row of members) if (tally.confirmed[row] === 1) established.add(codes[row]);
  for (const row of members) {
    const code = codes[row];
    const isMissing = ballot.isMissing(code);
    const rival = isMissing ? ballot.top : ballot.rival(code);
    // A blank cell is wrong whichever value is right, so all present values stand against it.
    const against = isMissing ? ballot.voters : ballot.votesFor(rival);
    const own = isMissing ? 0 : ballot.votesFor(code) - 1;
    // One voice against one voice says that something is wrong, not which.
    if (!isMissing && against === own + 1) continue;
    const odds = Math.log((against + UNSEEN_VOTES) / (own + UNSEEN_VOTES));
    const bounded = Math.max(-limit, Math.min(limit, odds));
    const isAccused = bounded > 0;
    const isExempt = established.has(code) || exempt[row] === 1 || own >= CUSTOM_VOTES;
    if (isAccused && !rule.declared && isExempt) continue;
    tally.logOdds[row] += bounded;
    if (!isAccused && own > 0) tally.confirmed[row] = 1;
    if (!isAccused) continue;
    const isClear = ballot.votesFor(rival) > CLEAR_LEAD * ballot.mostVotesBeside(rival, code);
    const accusation = { rule, logOdds: bounded, rival, isClear };
    const known = tally.accusations.get(row);
    if (known === undefined) tally.accusations.set(row, [accusation]);
    else known.push(accusation);
  }
}
