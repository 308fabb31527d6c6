/**
 * Which corrective action to take on a kind of issue, learned from what the actions achieved.
 *
 * Each (issue, action) has a Beta belief in "it improves the held-out metric"; Thompson sampling (Thompson 1933;
 * Chapelle & Li 2011, NIPS 24) draws from the beliefs and takes the best. Harmful actions cool down, and a choice
 * changes only when another action is clearly better, so that the loop does not swing between two.
 */
import { usageError } from '../types/errors.js';
import { drawBeta, randomFrom } from './strategy-random.js';

/** What is known of one (issue, action). Plain JSON. */
export interface ActionRecord {
  readonly issue: string;
  readonly action: string;
  /** Outcomes that improved the metric, and those that did not. Old ones fade (`FADE`). */
  readonly improved: number;
  readonly failed: number;
  /** Mean measured improvement of the metric, in its unit, over the same faded outcomes. */
  readonly meanDelta: number;
  /** Until then the action rests after a regression. */
  readonly restUntilMs: number;
  /** Regressions in a row: each doubles the rest. */
  readonly regressions: number;
  readonly lastUsedMs: number | null;
}

export interface StrategyState {
  readonly version: 1;
  readonly records: readonly ActionRecord[];
  /** The action in force by issue. */
  readonly current: Readonly<Record<string, string>>;
  /** Actions that found nothing to do; absent: none did. */
  readonly idle?: readonly IdleAction[];
}

/** What an action was tried on, or may be. */
export interface Attempt {
  readonly issue: string;
  readonly action: string;
  /** Columns or rules, and what is declared of them: of others, or declared otherwise, a try says nothing. */
  readonly of: string;
  /** Share at fault of so many rows. */
  readonly fault: number;
  readonly rows: number;
}
/** An action that found nothing to do: it rests for what it was tried on until then, or until that is another. */
export interface IdleAction extends Attempt {
  /** Tries in a row. */
  readonly times: number;
  readonly restUntilMs: number;
}

export interface StrategyChoice {
  /** Null when no action may be taken now. */
  readonly action: string | null;
  /** What the record says that it will bring, in the metric's unit; 0 without a record. */
  readonly predictedDelta: number;
  /** Believed chance that it improves the metric. */
  readonly chance: number;
  readonly reason: string;
}

/** What came of one action: the triggering metric and the guards on the treated rows and on the held-out arm. */
export interface ActionOutcome {
  readonly issue: string;
  readonly action: string;
  readonly predictedDelta: number;
  /** Improvement (positive is better) against the held-out arm, with its standard error. */
  readonly measuredDelta: number;
  readonly standardError: number;
  /** Improvement of each guard metric; a significant loss of any rolls back. */
  readonly guards: readonly { readonly name: string; readonly delta: number; readonly standardError: number }[];
}

export interface OutcomeVerdict {
  readonly verdict: 'keep' | 'undecided' | 'roll-back';
  readonly reason: string;
}

/** Weight that older outcomes keep when one is added: a memory of about 1 / (1 - FADE) = 20 outcomes. */
export const FADE = 0.95;
/** Another action takes over only when its draw is this much more likely to help. */
export const SWITCH_MARGIN = 0.1;
/** Rest after the first regression; each further one in a row doubles it. */
export const REST_MS = 3_600_000;
/** Longest rest: a week. */
export const REST_MS_MAX = 7 * 24 * 3_600_000;
/** One-sided 5 %: a difference of so many standard errors is a fact. */
export const DECISION_Z = 1.645;

/** Standard errors beyond which a share at fault is another one, and worth another try: one in 370 by chance. */
const NEWS_Z = 3;
/** Idle actions that are remembered, the last tried: more than a pool has columns at fault at a time. */
const IDLE_MAX = 200;

export const EMPTY_STRATEGY: StrategyState = { version: 1, records: [], current: {} };

function recordOf(state: StrategyState, issue: string, action: string): ActionRecord {
  const found = state.records.find((record) => record.issue === issue && record.action === action);
  return (
    found ?? { issue, action, improved: 0, failed: 0, meanDelta: 0, restUntilMs: 0, regressions: 0, lastUsedMs: null }
  );
}

/** Mean of the belief, Beta(1 + improved, 1 + failed): uniform before the first outcome. */
function chanceOf(record: ActionRecord): number {
  return (1 + record.improved) / (2 + record.improved + record.failed);
}

/**
 * Chooses an action for an issue.
 *
 * @param actions allowed actions in any order; ids
 * @param seed of this decision: the same state, time and seed give the same choice
 * @returns the action with its predicted delta and the reason; null when all rest or there is none
 */
export function chooseAction(
  state: StrategyState,
  issue: string,
  actions: readonly string[],
  nowMs: number,
  seed: number,
): StrategyChoice {
  const awake = [...new Set(actions)]
    .sort((a, b) => (a < b ? -1 : 1))
    .map((action) => recordOf(state, issue, action))
    .filter((record) => record.restUntilMs <= nowMs);
  if (awake.length === 0) {
    const reason = actions.length === 0 ? 'no action is allowed' : 'every action rests after a regression';
    return { action: null, predictedDelta: 0, chance: 0, reason };
  }
  const random = randomFrom(seed);
  const draws = awake.map((record) => ({
    record,
    draw: drawBeta(random, 1 + record.improved, 1 + record.failed),
  }));
  const best = draws.reduce((a, b) => (b.draw > a.draw ? b : a));
  const inForce = draws.find(({ record }) => record.action === state.current[issue]);
  const stays = inForce !== undefined && best.draw - inForce.draw < SWITCH_MARGIN;
  const { record } = stays ? inForce : best;
  const tried = record.improved + record.failed;
  const past =
    tried === 0 ? 'not tried before' : `helped ${record.improved.toFixed(1)} of ${tried.toFixed(1)} remembered times`;
  const because = stays && inForce !== best ? 'in force, and none is clearly better' : 'best draw';
  return {
    action: record.action,
    predictedDelta: record.meanDelta,
    chance: chanceOf(record),
    reason: `${because}: ${past}`,
  };
}

/**
 * Keep, wait or roll back: rolls back when the metric or a guard is worse than the held-out arm by more than chance,
 * or when the measurement is not a number; keeps when the metric is better by more than chance; else undecided.
 */
export function judgeOutcome(outcome: ActionOutcome): OutcomeVerdict {
  const measures = [
    { name: 'metric', delta: outcome.measuredDelta, standardError: outcome.standardError },
    ...[...outcome.guards].sort((a, b) => (a.name < b.name ? -1 : 1)),
  ];
  for (const { name, delta, standardError } of measures) {
    if (!Number.isFinite(delta) || !(standardError >= 0)) {
      return { verdict: 'roll-back', reason: `${name} could not be measured` };
    }
    if (delta < 0 && -delta > DECISION_Z * standardError) {
      return {
        verdict: 'roll-back',
        reason: `${name}: worse by ${short(-delta)} (standard error ${short(standardError)})`,
      };
    }
  }
  const { measuredDelta, standardError, predictedDelta } = outcome;
  const reason = `metric changed by ${short(measuredDelta)} (standard error ${short(standardError)}), predicted ${short(predictedDelta)}`;
  return { verdict: measuredDelta > DECISION_Z * standardError ? 'keep' : 'undecided', reason };
}

/** A figure as a sentence tells it; the record has it in full. */
const short = (value: number): string => String(Number(value.toPrecision(3)));

/**
 * Learns from an outcome. A rolled-back action rests, twice as long after each regression in a row, and is no longer
 * in force; an undecided one counts half for and half against.
 */
export function learnOutcome(
  state: StrategyState,
  outcome: ActionOutcome,
  nowMs: number,
): { readonly state: StrategyState; readonly verdict: OutcomeVerdict } {
  if (outcome.issue === '' || outcome.action === '' || !Number.isFinite(nowMs)) {
    throw usageError({
      type: 'InvalidOutcome',
      message: 'an outcome needs an issue, an action and a time',
      expected: 'ids and milliseconds',
      got: JSON.stringify({ issue: outcome.issue, action: outcome.action, nowMs }),
    });
  }
  const verdict = judgeOutcome(outcome);
  const before = recordOf(state, outcome.issue, outcome.action);
  const gain = verdict.verdict === 'keep' ? 1 : verdict.verdict === 'undecided' ? 0.5 : 0;
  const weight = FADE * (before.improved + before.failed);
  const delta = Number.isFinite(outcome.measuredDelta) ? outcome.measuredDelta : 0;
  const regressions = verdict.verdict === 'roll-back' ? before.regressions + 1 : 0;
  const record: ActionRecord = {
    issue: outcome.issue,
    action: outcome.action,
    improved: FADE * before.improved + gain,
    failed: FADE * before.failed + (1 - gain),
    meanDelta: (weight * before.meanDelta + delta) / (weight + 1),
    restUntilMs: regressions > 0 ? nowMs + restMsAfter(regressions) : before.restUntilMs,
    regressions,
    lastUsedMs: nowMs,
  };
  const others = state.records.filter((entry) => entry.issue !== record.issue || entry.action !== record.action);
  const records = [...others, record].sort((a, b) => compare(a.issue, b.issue) || compare(a.action, b.action));
  const rest = Object.entries(state.current).filter(([issue]) => issue !== outcome.issue);
  const kept = verdict.verdict === 'roll-back' ? [] : [[outcome.issue, outcome.action]];
  const current = Object.fromEntries([...rest, ...kept].sort((a, b) => compare(a[0], b[0]))) as Record<string, string>;
  return { state: { ...state, version: 1, records, current }, verdict };
}

/** Rest after so many failures in a row. */
function restMsAfter(times: number): number {
  return Math.min(REST_MS_MAX, REST_MS * 2 ** Math.min(times - 1, 20));
}

/** Until when an action rests after a regression; null: it does not. */
export function restingUntilMs(state: StrategyState, issue: string, action: string, nowMs: number): number | null {
  const { restUntilMs } = recordOf(state, issue, action);
  return restUntilMs > nowMs ? restUntilMs : null;
}

const isSame = (a: Attempt, b: Attempt): boolean => a.issue === b.issue && a.action === b.action && a.of === b.of;

/** The rest of an action that found nothing to do the last time; null: it may be tried, there is something new or time went by. */
export function restOf({ idle = [] }: StrategyState, attempt: Attempt, nowMs: number): IdleAction | null {
  const known = idle.find((one) => isSame(one, attempt));
  if (known === undefined || known.restUntilMs <= nowMs) return null;
  const pooled = (known.fault * known.rows + attempt.fault * attempt.rows) / Math.max(1, known.rows + attempt.rows);
  const variance = pooled * (1 - pooled) * (1 / Math.max(1, known.rows) + 1 / Math.max(1, attempt.rows));
  return Math.abs(attempt.fault - known.fault) > NEWS_Z * Math.sqrt(variance) ? null : known;
}

/** Learns that an action found nothing to do: it rests, twice as long each time in a row. */
export function learnIdle(state: StrategyState, attempt: Attempt, nowMs: number): StrategyState {
  const known = (state.idle ?? []).find((one) => isSame(one, attempt));
  const times = (known?.times ?? 0) + 1;
  const others = withoutIdle(state, attempt).idle ?? [];
  return {
    ...state,
    idle: [...others, { ...attempt, times, restUntilMs: nowMs + restMsAfter(times) }].slice(-IDLE_MAX),
  };
}

/** Learns that an action found something to do. */
export function withoutIdle(state: StrategyState, attempt: Attempt): StrategyState {
  const { idle = [], ...rest } = state;
  const others = idle.filter((one) => !isSame(one, attempt));
  return others.length === 0 ? rest : { ...rest, idle: others };
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
