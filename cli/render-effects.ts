/** What a decision's findings mean for each model, and what was and was not done about them, in lines of text. */
import {
  nameOf,
  NOT_ALLOWED,
  type FaultImpact,
  type IssueWays,
  type Reader,
  type Way,
} from '../domain/decision/coordinate/effect-record.js';
import type { Fault } from '../domain/decision/quality/faults.js';
import type { NeedEffect } from '../domain/decision/quality/need-effect.js';
import type { Range } from '../domain/quality/impact.js';
import type { Explanation } from '../db/decision-store.js';
import { formatDuration } from '../domain/types/units.js';

type Effects = NonNullable<Explanation['effects']>;

/** Needs and classes named in one line; the record has all. */
const NAMED_MAX = 4;

/** For each reader that a fault hits: how many of its rows, and what was done; then whom it does not hit. */
export function effectLines(effects: Effects | null): string[] {
  if (effects === null) return [];
  return effects.faults.flatMap((fault) => [
    ...(fault.readers.length === 0
      ? [`nobody: ${fault.message}, and no model that asks of ${fault.dataset} uses it`]
      : []),
    ...fault.readers.map((reader) => `${nameOf(reader)}: ${hitText(reader, fault)}${doneText(effects, reader, fault)}`),
    ...untouchedLine(fault),
    ...(fault.omitted === undefined
      ? []
      : [`and ${fault.omitted.readers} more that it hits, ${fault.omitted.untouched} more that it does not`]),
  ]);
}

function doneText({ ways, shared }: Effects, { needId }: Reader, fault: FaultImpact): string {
  if (needId === null) return '';
  const done = ways
    .filter((one) => one.needId === needId && concerns(one, fault))
    .flatMap((one) => one.ways.filter(({ taken, action }) => taken && action !== 'nothing').map(wayDone));
  const asked = shared.filter(
    ({ action, taken, dataset, readers: [first] }) =>
      action === 'ask' && taken && ASKED.includes(fault.kind) && dataset === fault.dataset && first.needId === needId,
  );
  return [...new Set(done), ...asked.map(({ why: told }) => told)].map((told) => `; ${told}`).join('');
}
/** Faults that new rows mend. */
const ASKED: readonly string[] = ['volume', 'class-shortfall', 'coverage', 'untimed'];

/** What was done once and concerns all who use a dataset. */
export function sharedLines(effects: Effects | null): string[] {
  return (effects?.shared ?? []).flatMap(({ action, dataset, taken, why: told, readers, omitted = 0 }) => {
    const others = readers.map((reader) => {
      const rows = action === 'ask' && reader.rows.high > 0 ? ` (${range(reader.rows)} rows)` : '';
      return `${nameOf(reader)} ${reader.what}${rows}`;
    });
    const left = omitted + others.length - NAMED_MAX;
    const more = left > 0 ? `; ${left} more` : '';
    return [
      `${action} ${dataset}${taken ? '' : ' (not done)'}: ${told}: ${others.slice(0, NAMED_MAX).join('; ')}${more}`,
    ];
  });
}

/** Every way of dealing with each issue of each need of which something is known, the one that was taken first. */
export function wayLines(effects: Effects | null): string[][] {
  const rows = (effects?.ways ?? []).flatMap((issue) =>
    issue.ways
      .filter(isTold)
      .map((way, at) => [
        ...(at === 0
          ? [whoseWays(issue), `${issue.issue}${issue.columns.length === 0 ? '' : ` of ${issue.columns.join(', ')}`}`]
          : ['', '']),
        ...[way.taken ? `${way.action} (done)` : way.action, ...effectCells(way.effect)],
        ...[way.ms === null ? '-' : range(way.ms, (ms) => formatDuration(ms)), why(way)],
      ]),
  );
  return rows.length === 0
    ? []
    : [['NEED', 'ISSUE', 'ACTION', 'ROWS', 'AT FAULT', 'SCORE', 'VERDICT', 'TAKES', 'WHY'], ...rows];
}

/** What is not allowed, and would do nobody knows what, is no way. */
const isTold = ({ taken, effect, why: told }: Way): boolean => taken || effect !== null || told !== NOT_ALLOWED;

const whoseWays = (issue: IssueWays): string =>
  issue.request === undefined ? nameOf(issue) : `${issue.request} of ${nameOf(issue)}`;

const why = ({ why: told, heldBack }: Way): string =>
  heldBack.length === 0 ? told : `${told}; holds back ${named(heldBack)}`;

function effectCells(effect: NeedEffect | null): string[] {
  if (effect === null) return ['-', '-', '-', '-'];
  const { rows, hit, score, verdict } = effect;
  return [
    range(rows),
    hit === null ? '?' : range(hit),
    score === null ? '-' : range(score, (value) => value.toFixed(3)),
    verdict ?? '-',
  ];
}

function concerns({ issue, columns }: IssueWays, { kind, column, rule }: FaultImpact): boolean {
  if (issue !== kind) return issue === 'kept back';
  const of = column ?? rule;
  return of === undefined || columns.length === 0 || columns.includes(of);
}

function wayDone({ action, effect }: Way): string {
  if (effect === null) return action;
  const { rows, hit } = effect;
  return `${action}: ${range(rows)} rows, ${hit === null ? 'not known how many' : hit.high === 0 ? 'none' : range(hit)} at fault`;
}

/** Of kinds that are not here the finding itself tells. */
const FAULTS: Partial<Readonly<Record<Fault['kind'], (of: string) => string>>> = {
  missing: (of) => `lack ${of}`,
  invalid: (of) => `break the contract of ${of}`,
  duplicates: () => 'repeat an earlier row',
  rule: (of) => `break the rule ${of}`,
  orphans: (of) => `refer to what is not there (${of})`,
  stale: () => 'come too late: the newest row is too old',
  'class-mix': (of) => `are too many of their ${of}`,
  drift: (of) => `have a ${of} that was rarer before`,
  misspelt: (of) => `have a value of ${of} that nobody had before and that looks like a known one`,
  'unusual-age': () => 'come later than usual',
};

/** Rows that are hit, of those that it gets; where none are expected, how many there may be. */
function hitOf(hit: Range, rows: Range): string {
  if (hit.low === 0 && hit.expected < 0.5 && hit.high >= 1)
    return `at most ${Math.round(hit.high)} of ${range(rows)} rows`;
  return `${range(hit)} of ${range(rows)} rows (${share(hit.expected, rows.expected)})`;
}

function hitText(reader: FaultImpact['readers'][number], { kind, column, rule, message }: FaultImpact): string {
  const { effect, chosenBy } = reader;
  const { rows, hit, lost, ageMs } = effect;
  const name = column ?? rule ?? '';
  if (chosenBy)
    return `its rows are chosen by ${name}: which rows it gets is in doubt, of how many is not known (${message})`;
  if (hit === null) return `${message}; of how many of its ${range(rows)} rows is not known`;
  const of = hitOf(hit, rows);
  switch (kind) {
    case 'class-shortfall':
      return `lacks ${lostText(effect)}`;
    case 'coverage':
      return `lacks ${range(lost)} rows for thin segments of ${name}`;
    case 'untimed':
      return `never gets ${range(lost)} rows, which have no event time`;
    case 'freshness':
      return `all of its rows are old: the newest is ${ageMs === null ? 'of unknown age' : `${formatDuration(ageMs.expected)} old`}`;
    case 'completeness':
      return `${of} will lack ${name}`;
    case 'unusual-volume':
      return `gets ${range(rows)} rows: ${message}`;
    case 'hidden-missing':
      return `${of} lack ${name}, though it is not NULL`;
    case 'volume':
      return `lacks ${range(lost)} of ${range({ ...lost, low: lost.low + rows.low, expected: lost.expected + rows.expected, high: lost.high + rows.high })} rows`;
    default:
      return `${of} ${FAULTS[kind as Fault['kind']]?.(name) ?? message}${classText(effect)}${scoreText(reader)}`;
  }
}

function lostText({ classes }: NeedEffect): string {
  const lost = Object.entries(classes ?? {}).slice(0, NAMED_MAX);
  return lost.map(([name, one]) => `${range(one.lost!)} rows of ${name} (${range(one.rows)} there)`).join(', ');
}

function classText({ classes }: NeedEffect): string {
  const hit = Object.entries(classes ?? {}).filter(([, one]) => one.hit.high > 0);
  if (hit.length === 0) return '';
  const worst = hit.sort(([, a], [, b]) => b.hit.expected - a.hit.expected).slice(0, NAMED_MAX);
  return `: ${worst.map(([name, one]) => `${range(one.hit)} of the ${range(one.rows)} of ${name}`).join(', ')}${hit.length > NAMED_MAX ? ', …' : ''}`;
}

function scoreText({ effect: { score }, sound }: FaultImpact['readers'][number]): string {
  if (score === null || sound === null) return '';
  const lost = sound.score - score.expected;
  return lost < 0.0005 ? '' : `; score ${score.expected.toFixed(3)} instead of ${sound.score.toFixed(3)}`;
}

function untouchedLine({ untouched, dataset }: FaultImpact): string[] {
  if (untouched.length === 0) return [];
  const reasons = [...new Set(untouched.map(({ why: told }) => told))].sort();
  return reasons.map((reason) => {
    const names = untouched.filter(({ why: told }) => told === reason).map(nameOf);
    return `${named(names)}: not hit (${dataset}): ${reason}`;
  });
}

function named(names: readonly string[]): string {
  return (
    names.slice(0, NAMED_MAX).join(', ') + (names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : '')
  );
}

function range({ low, expected, high }: Range, format = (value: number): string => String(Math.round(value))): string {
  return format(low) === format(high)
    ? format(expected)
    : `about ${format(expected)} (${format(low)} to ${format(high)})`;
}

const share = (part: number, whole: number): string =>
  `${whole === 0 ? 0 : Number(((100 * part) / whole).toPrecision(2))} %`;
