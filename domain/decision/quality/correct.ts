/**
 * Corrections inside a decision, in rounds: each slice at fault gets at most one a round, and every one is measured and kept
 * or rolled back before the next is planned on what is left. Pure: the same inputs and treated copies give the same.
 */
import { classGap, classGapNoise, targetShares } from '../../analyzers/balance.js';
import { DROPPED_MAX, measureAction, type Arm, type ArmPair, type Turnover } from '../../quality/correction.js';
import { pairSamples } from '../../quality/sample.js';
import { learnIdle, learnOutcome, restOf, withoutIdle } from '../../quality/strategy.js';
import { costKey } from './correction-cost.js';
import { faultShare } from './fault-share.js';
import { attemptOf, describeIdle } from './idle-actions.js';
import { judgeAll } from './judge-slice.js';
import { planCorrection, tryOf, type PlannedCorrection } from './plan-correction.js';
import { predictEffect } from './predicted-effect.js';
import type {
  CorrectionRecord,
  ItemVerdict,
  Judged,
  QualityInputs,
  SliceMetrics,
  Treated,
  TreatedSteps,
} from './quality-inputs.js';
import type { WorkItem } from '../work.js';

/** Slices treated in one decision at most: each is a file read and written again. */
export const CORRECTIONS_MAX = 100;
/** Corrections of one slice at most: one for each kind of issue. */
export const STEPS_MAX = 6;

/** Where the corrections of a decision stand. */
export interface Corrections {
  /** The inputs with what is kept so far in the place of the plain slices, and with what was learned so far. */
  readonly inputs: QualityInputs;
  readonly judged: ReadonlyMap<string, Judged>;
  /** What was done, in order, by item. */
  readonly records: ReadonlyMap<string, readonly CorrectionRecord[]>;
  /** The first round looks at every slice; later ones at those that the round before treated. */
  readonly open: ReadonlySet<string>;
  readonly plain: QualityInputs;
  /** The verdicts on the plain slices. */
  readonly first: ReadonlyMap<string, Judged>;
}

export function startCorrections(plain: QualityInputs): Corrections {
  const open = new Set(plain.results.map(({ itemId }) => itemId));
  const first = judgeAll(plain);
  return { inputs: plain, judged: first, records: new Map(), open, plain, first };
}

/** The slices to treat in the next round; none: it is over. */
export function planRound({ inputs, judged, records, open }: Corrections): PlannedCorrection[] {
  if (inputs.strategy === undefined) return [];
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const spent = [...records.values()].reduce((sum, { length }) => sum + length, 0);
  const planned: PlannedCorrection[] = [];
  for (const { itemId, slice } of inputs.results) {
    if (spent + planned.length === CORRECTIONS_MAX) break;
    const item = items.get(itemId)!;
    const { verdict, findings } = judged.get(itemId)!;
    const done = records.get(itemId) ?? [];
    if (slice === null || slice.rows === 0 || verdict === 'pass' || !open.has(itemId)) continue;
    // Weights are of the rows that there are: nothing changes them after that.
    const weighted = done.some(({ action, applied }) => applied && action === 'reweight');
    if ((item.corrections ?? []).length === 0 || weighted || done.length === STEPS_MAX) continue;
    const one = planCorrection(item, slice, findings, inputs, new Set(done.map(tryOf)));
    if (one !== null) planned.push(one);
  }
  return planned;
}

/** All rounds, with the copies that were made when the decision was taken. */
export function correctAll(inputs: QualityInputs): Corrections {
  let state = startCorrections(inputs);
  for (;;) {
    const made = new Map(
      planRound(state).flatMap((plan) => {
        const round = state.records.get(plan.itemId)?.length ?? 0;
        const steps = treatedSteps(inputs.treated, plan.itemId);
        // A record of before there were sequences ends after its first step.
        return round > 0 && round >= steps.length ? [] : [[plan, steps[round] ?? null] as const];
      }),
    );
    if (made.size === 0) return state;
    state = settleRound(state, made);
  }
}

/** The copies made of one slice, in order; null for one that could not be made. */
export function treatedSteps<T extends Treated>(
  treated: Readonly<Record<string, TreatedSteps<T>>> | undefined,
  itemId: string,
): readonly (T | null)[] {
  if (treated === undefined || !Object.hasOwn(treated, itemId)) return [];
  const steps = treated[itemId];
  return isOnly(steps) ? [steps] : steps;
}

const isOnly = <T extends Treated>(steps: TreatedSteps<T>): steps is T => !Array.isArray(steps);

/** What was done about a slice, in order. */
export function correctionsOf({
  correction,
  furtherCorrections = [],
}: Pick<ItemVerdict, 'correction' | 'furtherCorrections'>): readonly CorrectionRecord[] {
  return correction === undefined ? [] : [correction, ...furtherCorrections];
}

/** The copy that is handed out: the last that was kept; null where none was. */
export function keptCopy<T extends Treated>(
  treated: Readonly<Record<string, TreatedSteps<T>>> | undefined,
  verdict: Pick<ItemVerdict, 'itemId' | 'correction' | 'furtherCorrections'>,
): T | null {
  const last = correctionsOf(verdict).findLastIndex(({ applied }) => applied);
  return last < 0 ? null : treatedSteps(treated, verdict.itemId)[last]!;
}

/** The inputs with other slices in the place of these items': what would be judged if they were handed out. */
function withTreated(inputs: QualityInputs, treated: ReadonlyMap<string, Treated>): QualityInputs {
  const samples = [...treated].flatMap(([id, { sample }]) => (sample === null ? [] : [[id, sample] as const]));
  const orphans = [...treated].flatMap(([id, one]) => (one.orphans === undefined ? [] : [[id, one.orphans] as const]));
  return {
    ...inputs,
    results: inputs.results.map((result) => {
      const slice = treated.get(result.itemId)?.slice;
      return slice === undefined ? result : { ...result, slice };
    }),
    samples: { ...inputs.samples, ...Object.fromEntries(samples) },
    orphans: { ...inputs.orphans, ...Object.fromEntries(orphans) },
  };
}

/** Keeps or rolls back each correction of a round, and learns from it. */
export function settleRound(state: Corrections, made: ReadonlyMap<PlannedCorrection, Treated | null>): Corrections {
  const { inputs, judged: before } = state;
  const copies = new Map([...made].flatMap(([{ itemId }, copy]) => (copy === null ? [] : [[itemId, copy] as const])));
  const after = judgeAll(withTreated(inputs, copies));
  const records = new Map(state.records);
  const kept = new Map<string, Treated>();
  const itemOf = new Map(inputs.items.map((item) => [item.id, item]));
  const nowMs = inputs.nowMs ?? inputs.asOfMs;
  let strategy = inputs.strategy!;
  for (const [plan, treated] of made) {
    const { itemId } = plan;
    const told = toldBefore(plan, inputs, treated);
    const done = records.get(itemId) ?? [];
    const attempt = attemptOf(plan, itemOf.get(itemId)!.dataset, sliceOf(inputs, itemId), inputs);
    if (treated === null) {
      strategy = learnIdle(strategy, attempt, nowMs);
      const nothing = { measuredDelta: null, standardError: null, effect: null };
      const reason = describeIdle(plan, restOf(strategy, attempt, nowMs)!);
      records.set(itemId, [...done, { ...told, ...nothing, applied: false, verdict: 'failed', reason }]);
      continue;
    }
    const measured = measure(state, plan, treated, [before.get(itemId)!.verdict, after.get(itemId)!.verdict]);
    const learned = learnOutcome(strategy, measured.outcome, nowMs);
    strategy = withoutIdle(learned.state, attempt);
    const { verdict, reason } = learned.verdict;
    const applied = verdict !== 'roll-back';
    const { measuredDelta, standardError } = measured.outcome;
    if (applied) kept.set(itemId, treated);
    records.set(itemId, [
      ...done,
      { ...told, applied, verdict, measuredDelta, standardError, reason, effect: measured.effect },
    ]);
  }
  const judged = new Map([...before].map(([itemId, one]) => [itemId, kept.has(itemId) ? after.get(itemId)! : one]));
  const open = new Set([...made.keys()].map(({ itemId }) => itemId));
  return { ...state, inputs: { ...withTreated(inputs, kept), strategy }, judged, records, open };
}

/** What the record says of an action whatever came of it. */
function toldBefore(plan: PlannedCorrection, inputs: QualityInputs, treated: Treated | null) {
  const { action, issue, columns, rules, predictedDelta, reason: chosen } = plan;
  const told = { action, issue, columns, ...(rules === undefined ? {} : { rules }), predictedDelta, chosen };
  const { costs } = inputs;
  // A record of before costs were kept replays without them.
  if (costs === undefined) return told;
  const item = inputs.items.find(({ id }) => id === plan.itemId)!;
  const predictedEffect = predictEffect(plan, item, sliceOf(inputs, item.id), inputs);
  return {
    ...told,
    predictedEffect,
    cost: { foreseen: costs[costKey(item.dataset, action)] ?? null, took: treated?.cost ?? null },
  };
}

function sliceOf({ results }: QualityInputs, itemId: string): SliceMetrics {
  return results.find((result) => result.itemId === itemId)!.slice!;
}

const RANK = ['pass', 'degrade', 'quarantine'];

/** What one action did: beside the slice that it was done to, and beside the plain one, so that small harms do not add up. */
function measure(
  { inputs, plain, records }: Corrections,
  plan: PlannedCorrection,
  treated: Treated,
  verdicts: readonly string[],
) {
  const item = inputs.items.find(({ id }) => id === plan.itemId)!;
  const [slice, first] = [sliceOf(inputs, item.id), sliceOf(plain, item.id)];
  const gap = gapsOf(inputs, item, slice, treated.slice);
  const shares = plan.issue === 'class-mix' && gap !== null ? gap : null;
  const fault = shares ?? { before: plan.fault, after: faultShare(plan, treated.slice) };
  const least = inputs.minRows[item.id] ?? item.minRows;
  const half = Math.ceil(first.rows * (1 - DROPPED_MAX));
  const replaced = treated.topUp?.replaced ?? 0;
  const applied = (records.get(item.id) ?? []).filter((one) => one.applied);
  // Of the rows that were read, what this and every step before it left.
  const stay = (treated.effectiveRows - replaced) / Math.max(1, slice.rows);
  const stayedBefore = applied.reduce((share, { effect }) => share * stayOf(effect!.rows), 1);
  const left = stayedBefore * stayOf({ before: slice.rows, after: treated.slice.rows, replaced });
  const figures = [
    { name: 'verdict', before: RANK.indexOf(verdicts[0]), after: RANK.indexOf(verdicts[1]) },
    { name: 'rows below the minimum', before: 0, after: Math.max(0, least - treated.slice.rows) },
    // What was planned knows the share of each column or rule alone: together they may be in many more rows.
    {
      name: 'rows of the half that must be left',
      before: 0,
      after: Math.max(0, half - Math.round(left * first.rows)),
    },
  ];
  const earlier = applied.reduce((sum, { effect }) => sum + (effect!.rows.replaced ?? 0), 0);
  const arm = (from: QualityInputs, share: number, rows: number, came: number): Arm => ({
    pairs: pairsOf(from, item, treated),
    turnover: turnoverOf(share, came === 0 ? 0 : treated.slice.rows / Math.max(1, rows)),
  });
  const step = arm(inputs, stay, slice.rows, replaced);
  const whole = applied.length > 0 ? arm(plain, stay * stayedBefore, first.rows, replaced + earlier) : null;
  return {
    outcome: measureAction(plan, plan.issue === 'class-mix' ? { ...step, pairs: [] } : step, whole, fault, figures),
    effect: {
      rows: {
        before: slice.rows,
        after: treated.slice.rows,
        ...(treated.topUp === undefined ? {} : { replaced, why: treated.topUp.why }),
      },
      fault: { before: fault.before, after: fault.after },
      classGap: gap,
      changedCells: treated.changedCells,
      ...ageOf(inputs.asOfMs, slice, treated.slice),
    },
  };
}

/** Share of the rows before a step that it left. */
function stayOf({ before, after, replaced = 0 }: NonNullable<CorrectionRecord['effect']>['rows']): number {
  return (after - replaced) / Math.max(1, before);
}

/** @param whole rows there are, over those there were, where others came in the place of some; else 0 */
function turnoverOf(stay: number, whole: number): Turnover {
  return { lost: Math.min(0.999, Math.max(0, 1 - stay)), gained: Math.max(0, whole - stay) };
}

/** The columns of an untreated slice and of the treated one, each beside the reference; none without a reference. */
function pairsOf({ references, samples }: QualityInputs, item: WorkItem, treated: Treated): ArmPair[] {
  const reference = references?.[item.needId ?? '']?.sample ?? null;
  const [plain, changed] = [samples?.[item.id]?.current ?? null, treated.sample?.current ?? null];
  if (reference === null || plain === null || changed === null) return [];
  const after = pairSamples(reference, changed);
  return pairSamples(reference, plain)
    .map((untreated, i) => ({ untreated, treated: after[i] }))
    .filter(({ untreated, treated: other }) => untreated.absentFrom === undefined && other.absentFrom === undefined);
}

/** Ages of the newest rows; nothing without an event time. */
function ageOf(asOfMs: number, before: SliceMetrics, after: SliceMetrics) {
  const [was, is] = [before.newestEventMs, after.newestEventMs];
  if (was === null || is === null) return {};
  return { ageMs: { before: Math.max(0, asOfMs - was), after: Math.max(0, asOfMs - is) } };
}

/** Distance to the class target of both slices; null without a target. */
function gapsOf(inputs: QualityInputs, item: WorkItem, before: SliceMetrics, after: SliceMetrics) {
  if (item.target === null || before.classCounts === null || after.classCounts === null) return null;
  const shares = inputs.shares?.[item.id] ?? targetShares(item.target, before.classCounts);
  return {
    before: classGap(shares, before.classCounts),
    after: classGap(shares, after.classCounts),
    uncertainty: classGapNoise(shares, after.rows),
  };
}
