/** What a decision's findings mean for each model, and what was and was not done about them, in lines of text. */
import { nameOf, type FaultImpact, type IssueWays, type Way } from '../domain/decision/coordinate/effects.js';
import type { NeedEffect } from '../domain/decision/quality/need-effect.js';
import { isExact, type Range } from '../domain/quality/impact.js';
import type { Explanation } from '../db/decision-store.js';
import { formatDuration } from '../domain/types/units.js';

type Effects = NonNullable<Explanation['effects']>;

/** Needs and classes named in one line; the record has all. */
const NAMED_MAX = 4;

/** For each reader that a fault hits: how many of its rows, and what was done; then whom it does not hit. */
export function effectLines(effects: Effects | null): string[] {
  if (effects === null) return [];
  return effects.faults.flatMap((fault) => [
    ...(fault.readers.length === 0 ? [`${faultName(fault)}: no model that reads it is hit`] : []),
    ...fault.readers.map((reader) => {
      const done = effects.ways
        .filter((ways) => ways.needId !== null && ways.needId === reader.needId && concerns(ways, fault))
        .flatMap(({ ways }) => ways.filter(({ taken, action }) => taken && action !== 'nothing'));
      const then = done.map((way) => `; ${wayDone(way)}`).join('');
      return `${nameOf(reader)}: ${hitText(reader.effect)} ${faultText(fault)}${classText(reader.effect)}${scoreText(reader)}${then}`;
    }),
    ...untouchedLine(fault),
  ]);
}

/** Every way of dealing with each issue of each need, the one that was taken first. */
export function wayLines(effects: Effects | null): string[][] {
  const rows = (effects?.ways ?? []).flatMap((issue) =>
    issue.ways.map((way, at) => [
      ...(at === 0
        ? [nameOf(issue), `${issue.issue}${issue.columns.length === 0 ? '' : ` of ${issue.columns.join(', ')}`}`]
        : ['', '']),
      ...[way.taken ? `${way.action} (done)` : way.action, ...effectCells(way.effect)],
      ...[way.ms === null ? '-' : range(way.ms, (ms) => formatDuration(ms)), why(way)],
    ]),
  );
  return rows.length === 0
    ? []
    : [['NEED', 'ISSUE', 'ACTION', 'ROWS', 'AT FAULT', 'SCORE', 'VERDICT', 'TAKES', 'WHY'], ...rows];
}

const why = ({ why: told, heldBack }: Way): string =>
  heldBack.length === 0 ? told : `${told}; holds back ${named(heldBack)}`;

function effectCells(effect: NeedEffect | null): string[] {
  if (effect === null) return ['-', '-', '-', '-'];
  const { rows, hit, score, verdict } = effect;
  return [range(rows), range(hit), score === null ? '-' : range(score, (value) => value.toFixed(3)), verdict ?? '-'];
}

function concerns({ issue, columns }: IssueWays, { kind, column, rule }: FaultImpact): boolean {
  if (issue !== kind) return issue === 'kept back';
  const of = column ?? rule;
  return of === undefined || columns.length === 0 || columns.includes(of);
}

function wayDone({ action, effect }: Way): string {
  if (effect === null) return action;
  return `${action}: ${range(effect.rows)} rows, ${isExact(effect.hit) && effect.hit.high === 0 ? 'none' : range(effect.hit)} at fault`;
}

const FAULTS: Readonly<Record<FaultImpact['kind'], (of: string) => string>> = {
  missing: (of) => `lack ${of}`,
  invalid: (of) => `have a ${of} that breaks its contract`,
  duplicates: () => 'repeat an earlier row',
  rule: (of) => `break the rule ${of}`,
  orphans: (of) => `refer to what is not there (${of})`,
  stale: () => 'come too late: the newest row is too old',
  'class-mix': (of) => `are of a class of ${of} of which it has too many`,
  drift: (of) => `are where ${of} had fewer before`,
  volume: () => 'fewer than were granted',
};
const faultText = ({ kind, column, rule }: FaultImpact): string => FAULTS[kind](column ?? rule ?? '');
const faultName = (fault: FaultImpact): string => `${fault.dataset}: ${fault.message}`;

function hitText({ rows, hit, lost }: NeedEffect): string {
  const of = `of ${range(rows)} rows`;
  if (hit.high === 0 && lost.high > 0) return `${range(lost)} rows`;
  return `${range(hit)} ${of} (${share(hit.expected, rows.expected)})`;
}

function classText({ classes }: NeedEffect): string {
  const hit = Object.entries(classes ?? {}).filter(([, one]) => one.hit.high > 0);
  if (hit.length === 0) return '';
  const worst = hit.sort(([, a], [, b]) => b.hit.expected - a.hit.expected).slice(0, NAMED_MAX);
  return `: ${worst.map(([name, one]) => `${range(one.hit)} of ${range(one.rows)} ${name}`).join(', ')}${hit.length > NAMED_MAX ? ', …' : ''}`;
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
