/** What a cycle makes of the patterns that are known: who follows whom, which seasons to try, whose behaviour changed. */
import type { Leader } from '../../prediction/led-run.js';
import type { BehaviourShift, Relation } from '../../prediction/pattern-watch.js';
import { SEASON_STEPS_MAX } from '../../prediction/series-memory.js';
import type { OpenWarning, Warning } from './shortage.js';

/** Correlation from which a leader is tried as a regressor: it explains a tenth of what the follower's own past leaves. */
const LEADER_CORRELATION_MIN = 0.3;
/** Share of held-out variance from which a period is tried as a season. */
const SEASON_STRENGTH_MIN = 0.1;
/** What was new a week ago is usual now. */
const SHIFT_TOLD_MS = 7 * 86_400_000;

export interface PatternInputs {
  /** Series that were looked at in this cycle. */
  readonly looked: readonly string[];
  /** Pairs of demand series of which at most 5 % are chance, the strongest first. */
  readonly relations: readonly (Relation & { readonly qValue: number })[];
  /** Periods found, by series. */
  readonly seasons: Readonly<Record<string, readonly { readonly steps: number; readonly strength: number }[]>>;
  /** Behaviour that has changed since the look before. */
  readonly shifts: readonly (BehaviourShift & { readonly series: string })[];
}

/** The strongest leader of each series that follows one by at least a step. */
export function leadersOf({ relations }: Pick<PatternInputs, 'relations'>): ReadonlyMap<string, Leader> {
  const leaders = new Map<string, Leader>();
  for (const { leader, follower, lagSteps, correlation } of relations) {
    if (lagSteps < 1 || Math.abs(correlation) < LEADER_CORRELATION_MIN || leaders.has(follower)) continue;
    leaders.set(follower, { series: leader, lagSteps });
  }
  return leaders;
}

/** Seasons worth a try beside those of the calendar; undefined: the calendar says all that was found. */
export function seasonsToTry(
  found: PatternInputs['seasons'][string] | undefined,
  calendar: readonly number[],
): readonly number[] | undefined {
  const strong = (found ?? [])
    .filter(({ steps, strength }) => steps <= SEASON_STEPS_MAX && strength >= SEASON_STRENGTH_MIN)
    .map(({ steps }) => steps);
  if (strong.every((steps) => calendar.includes(steps))) return undefined;
  return [...new Set(strong)].sort((a, b) => a - b);
}

/** A change of behaviour is told once, and closed when a week of event time has made it the usual one. */
export function warnShifts(
  shifts: PatternInputs['shifts'],
  open: readonly OpenWarning[],
  asOfMs: number,
): readonly Warning[] {
  const before = open.filter(({ kind }) => kind === 'behaviour');
  const raised = shifts
    .filter(({ series }, index) => shifts.findLastIndex((one) => one.series === series) === index)
    .filter(({ series }) => !before.some(({ subject }) => subject === series))
    .map(({ series, atMs, magnitude, timing, meanRatio }): Warning => {
      const what = magnitude >= timing ? 'how much is asked' : 'when it is asked';
      const mean = meanRatio === null ? '' : `, ${meanRatio.toFixed(2)} times as much on average`;
      return {
        ...{ kind: 'behaviour', subject: series, raisedMs: asOfMs, state: 'raised' },
        severity: Math.max(magnitude, timing) > 0.5 ? 'medium' : 'low',
        message: `${series} behaves otherwise in the week to ${new Date(atMs).toISOString()}: ${what} changed most (size ${magnitude.toFixed(2)}, timing ${timing.toFixed(2)} of 1${mean})`,
        action: 'confirm that this is meant, and re-plan its share and its limits',
      };
    });
  const goneOn = before.map((one): Warning => {
    const over = asOfMs - one.raisedMs >= SHIFT_TOLD_MS;
    const message = over
      ? `${one.subject}: the new behaviour is the usual one`
      : `${one.subject}: the behaviour is new`;
    return { ...one, state: over ? 'cleared' : 'still', severity: 'low', message, action: 'none' };
  });
  return [...raised, ...goneOn].sort((a, b) => (a.subject < b.subject ? -1 : 1));
}
