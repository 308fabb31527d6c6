/** Stage 5, coordinate: who is handed what, in which order, who is held back by whom, and how the decision ends. */
import { analyzeImpact, type ModelImpact, type Risk } from '../../analyzers/impact.js';
import type { AnalysisSnapshot } from '../../analyzers/analyzer.js';
import type { Grant } from '../batch/grants.js';
import { correctionsOf } from '../quality/correct.js';
import type { CorrectionRecord, ItemVerdict } from '../quality/quality-inputs.js';
import type { DecisionEffects } from './effect-record.js';
import { decisionEffects, type EffectInputs } from './effects.js';
import { gangsOf, waitTogether } from '../gangs.js';
import type { Outcome } from '../stages.js';
import type { Refusal, WaitReason, WorkItem } from '../work.js';

export interface CoordinateInputs {
  readonly items: readonly WorkItem[];
  readonly snapshot: AnalysisSnapshot;
  readonly grants: readonly Grant[];
  readonly verdicts: readonly ItemVerdict[];
  readonly refusals: readonly Refusal[];
  readonly waiting: readonly WaitReason[];
  readonly nowMs: number;
  /** Failures of reads, by item: kept apart from data that was read and is bad. */
  readonly failed: readonly {
    readonly itemId: string;
    readonly type: string;
    readonly reason: string;
    /** `read:ID` or `stage:NAME` that left nothing behind; absent: its dataset. */
    readonly resource?: string;
  }[];
  /** What the stages before knew and found; absent in records of before effects were kept. */
  readonly found?: Omit<EffectInputs, 'snapshot' | 'verdicts'>;
}
export interface HandOut {
  readonly itemId: string;
  readonly use: 'slice' | 'last-good';
  readonly verdict: 'pass' | 'degrade';
  readonly score: number;
}
/** A source that failed while it was read is tried again after this long. */
export const SOURCE_RETRY_MS = 15_000;

/** What ended without a delivery, and why. */
export interface Ended extends Refusal {
  readonly state: 'refused' | 'quarantined' | 'expired';
}

export interface CoordinateOutcome {
  /** In the order of delivery: dependencies first, then by score. */
  readonly deliver: readonly HandOut[];
  readonly ended: readonly Ended[];
  /** What goes on waiting: for its share, or for a source that failed. */
  readonly waiting: readonly WaitReason[];
  readonly outcome: Outcome;
  readonly risk: Risk;
  readonly summary: string;
  readonly impact: readonly DecidedImpact[];
  /** What the findings, and all that could be done about them, do to each model; absent in older records. */
  readonly effects?: DecisionEffects;
}

/** What the decision does to a model, with what each action on its data was foreseen to do to it and did. */
export interface DecidedImpact extends ModelImpact {
  /** Absent: no action was tried. */
  readonly actions?: readonly ActionImpact[];
}
/** One action on the data of one need: rows, classes, freshness, gain and cost, before and after it was taken. */
export interface ActionImpact extends Pick<
  CorrectionRecord,
  'action' | 'issue' | 'applied' | 'predictedEffect' | 'effect' | 'cost'
> {
  readonly needId: string;
}

export function coordinate(inputs: CoordinateInputs): CoordinateOutcome {
  const score = new Map(inputs.grants.map((grant) => [grant.itemId, grant.score]));
  const verdicts = new Map(inputs.verdicts.map((verdict) => [verdict.itemId, verdict]));
  const failed = new Map(inputs.failed.map((failure) => [failure.itemId, failure]));
  const granted = inputs.items.filter(({ id }) => score.has(id));
  const byNeed = new Map(granted.filter(({ needId }) => needId !== null).map((item) => [item.needId!, item]));
  const held = heldBack(inputs.items, byNeed, verdicts);
  const gangs = heldByGang(granted, verdicts, failed, inputs.nowMs);

  const deliver: HandOut[] = [];
  const waiting: WaitReason[] = [...inputs.waiting, ...gangs.waiting];
  const ended: Ended[] = inputs.refusals.map((refusal) => ({
    ...refusal,
    state: refusal.type === 'DeadlinePassed' ? 'expired' : 'refused',
  }));
  ended.push(...gangs.ended);
  const answered = new Set([...gangs.waiting, ...gangs.ended].map(({ itemId }) => itemId));
  for (const item of inDeliveryOrder(granted, byNeed, score)) {
    if (answered.has(item.id)) continue;
    const verdict = verdicts.get(item.id)!;
    const failure = failed.get(item.id);
    const blocker = held.get(item.id);
    if (blocker !== undefined)
      ended.push({
        itemId: item.id,
        state: 'refused',
        type: 'DependencyNotMet',
        reason: `held back: ${blocker.reason}`,
        hint: 'It is due again in the next cycle.',
        ...{ resource: `need:${blocker.needId}`, blockers: [blocker.needId] },
      });
    else if (verdict.use === 'slice')
      deliver.push({
        itemId: item.id,
        use: 'slice',
        verdict: verdict.verdict === 'pass' ? 'pass' : 'degrade',
        score: verdict.score,
      });
    else if (verdict.use === 'last-good')
      deliver.push({ itemId: item.id, use: 'last-good', verdict: 'degrade', score: verdict.score });
    else if (failure !== undefined && isTriedAgain(failure)) waiting.push(waitForRead(item, failure, inputs.nowMs));
    else ended.push(endOf(item, failure, verdict));
  }
  const impact = impactOf(inputs, granted, deliver);
  const needs = new Set(inputs.items.flatMap(({ id, kind }) => (kind === 'need' ? [id] : [])));
  return {
    deliver,
    ended: ended.map((one) => ({ ...one, ...earliestOf(one, needs) })),
    waiting,
    outcome: outcomeOf(inputs.items.length, deliver.length, waiting.length),
    risk: worst(impact),
    summary: summarise(inputs, deliver, ended, waiting.length),
    impact,
    ...effectsOf(inputs),
  };
}

/** A record of before effects were kept has none. */
function effectsOf({ found, snapshot, verdicts }: CoordinateInputs): Pick<CoordinateOutcome, 'effects'> {
  return found === undefined ? {} : { effects: decisionEffects({ ...found, snapshot, verdicts }) };
}

/** What the next cycle may find mended, when a standing need is due again. */
const PASSING: ReadonlySet<string> = new Set(['DependencyNotMet', 'Quarantined']);

/** What was asked once and has ended is not looked at again, and what is wrong with the question itself does not pass. */
function earliestOf({ itemId, type }: Ended, needs: ReadonlySet<string>): Pick<Ended, 'earliestMs'> {
  return needs.has(itemId) && PASSING.has(type) ? {} : { earliestMs: null };
}

/** How an item ends whose read failed, or whose rows are not good enough. */
function endOf(
  { id, dataset }: WorkItem,
  failure: CoordinateInputs['failed'][number] | undefined,
  { reason }: ItemVerdict,
): Ended {
  if (failure !== undefined)
    return {
      ...{ itemId: id, state: 'refused', type: failure.type, reason: failure.reason },
      hint: 'Mend what the reason names, then ask again.',
      resource: `dataset:${dataset}`,
    };
  return {
    ...{ itemId: id, state: 'quarantined', type: 'Quarantined', reason },
    hint: 'Mend the data, or ask for less of it, then ask again; `balance explain` shows every finding.',
    resource: `quality:${dataset}`,
  };
}

/** What the decision does to each model's standing needs, measured by what is really handed out. */
function impactOf(
  inputs: CoordinateInputs,
  granted: readonly WorkItem[],
  deliver: readonly HandOut[],
): readonly DecidedImpact[] {
  const handed = new Set(deliver.map(({ itemId }) => itemId));
  const needOf = new Map(granted.map((item) => [item.id, item.needId]));
  // A correction may have dropped rows of what was granted.
  const dropped = new Map(
    inputs.verdicts.flatMap((judged) => {
      const applied = judged.routed?.attempt == null ? correctionsOf(judged).filter((one) => one.applied) : [];
      const rows = applied.flatMap(({ effect }) => (effect === null ? [] : [effect.rows.before - effect.rows.after]));
      return rows.length === 0 ? [] : [[judged.itemId, rows.reduce((sum, less) => sum + less, 0)] as const];
    }),
  );
  const routed = new Map(
    inputs.verdicts.flatMap((one) => (one.routed === undefined ? [] : [[one.itemId, one.routed]])),
  );
  const left = (itemId: string, rows: number): number =>
    Math.min(routed.get(itemId)?.rows ?? Infinity, Math.max(0, rows - (dropped.get(itemId) ?? 0)));
  const impact = analyzeImpact(
    inputs.snapshot,
    inputs.grants.flatMap(({ itemId, rows, quotas, bytes }) => {
      const needId = needOf.get(itemId) ?? null;
      return needId === null
        ? []
        : [
            {
              needId,
              rows: handed.has(itemId) ? left(itemId, rows) : 0,
              classRows: handed.has(itemId) ? quotas : null,
              bytes,
            },
          ];
    }),
  );
  const actions = actionsOf(inputs, needOf);
  return impact.map((one) => {
    const own = actions.filter(({ needId }) => one.needs.some((need) => need.needId === needId));
    return own.length === 0 ? one : { ...one, actions: own };
  });
}

/** The actions of the decision by need, in the order in which they were taken; of one-off requests there is no impact. */
function actionsOf({ verdicts }: CoordinateInputs, needOf: ReadonlyMap<string, string | null>): ActionImpact[] {
  return verdicts
    .flatMap((judged) => {
      const needId = needOf.get(judged.itemId) ?? null;
      if (needId === null) return [];
      return correctionsOf(judged).map(({ action, issue, applied, predictedEffect, effect, cost }) => ({
        ...{ needId, action, issue, applied, effect },
        ...(predictedEffect === undefined ? {} : { predictedEffect }),
        ...(cost === undefined ? {} : { cost }),
      }));
    })
    .sort((a, b) => (a.needId < b.needId ? -1 : a.needId > b.needId ? 1 : 0));
}

/** Why an item must not be handed out: a need that it comes after was not delivered well in this cycle. Follows chains. */
function heldBack(
  items: readonly WorkItem[],
  byNeed: ReadonlyMap<string, WorkItem>,
  verdicts: ReadonlyMap<string, ItemVerdict>,
): ReadonlyMap<string, { readonly needId: string; readonly reason: string }> {
  const held = new Map<string, { readonly needId: string; readonly reason: string }>();
  for (let changed = true; changed;) {
    changed = false;
    for (const item of items) {
      if (held.has(item.id)) continue;
      for (const needId of item.after) {
        const before = byNeed.get(needId);
        const verdict = before === undefined ? undefined : verdicts.get(before.id);
        const bad =
          before === undefined
            ? 'was not served in this cycle'
            : held.has(before.id)
              ? 'is held back itself'
              : verdict?.use === 'slice'
                ? null
                : 'was not good in this cycle';
        if (bad === null) continue;
        held.set(item.id, { needId, reason: `it comes after ${needId}, which ${bad}` });
        changed = true;
        break;
      }
    }
  }
  return held;
}

/**
 * Gangs are handed out whole: when a member's source failed, all wait; when a member was kept back for good, the others
 * are answered with it.
 */
function heldByGang(
  granted: readonly WorkItem[],
  verdicts: ReadonlyMap<string, ItemVerdict>,
  failed: ReadonlyMap<string, CoordinateInputs['failed'][number]>,
  nowMs: number,
): Pick<CoordinateOutcome, 'ended' | 'waiting'> {
  const ended: Ended[] = [];
  const waiting: WaitReason[] = [];
  for (const gang of gangsOf(granted)) {
    const bad = gang.members.filter(({ id }) => !['slice', 'last-good'].includes(verdicts.get(id)!.use));
    if (bad.length === 0) continue;
    const lost = bad.find(({ id }) => !isTriedAgain(failed.get(id)));
    if (lost === undefined) {
      waiting.push(
        ...waitTogether(
          gang,
          bad.map((item) => waitForRead(item, failed.get(item.id)!, nowMs)),
        ),
      );
      continue;
    }
    const why = failed.get(lost.id)?.reason ?? verdicts.get(lost.id)!.reason;
    for (const { id } of gang.members)
      if (!bad.some((item) => item.id === id && !isTriedAgain(failed.get(id))))
        ended.push({
          ...{ itemId: id, state: 'refused', type: 'GangBroken' },
          reason: `gang ${gang.name}: its request ${lost.id} cannot be handed out: ${why}`,
          hint: 'Mend what the reason names, then send the whole gang again.',
          ...{ resource: `gang:${gang.name}`, shortfall: 1, blockers: [lost.id] },
        });
  }
  return { ended, waiting };
}

/** Depth-first over `after`, by score: a dependency is handed out before what needs it. Cycles are refused when a pool is applied. */
function inDeliveryOrder(
  granted: readonly WorkItem[],
  byNeed: ReadonlyMap<string, WorkItem>,
  score: ReadonlyMap<string, number>,
): WorkItem[] {
  const sorted = [...granted].sort((a, b) => score.get(b.id)! - score.get(a.id)! || (a.id < b.id ? -1 : 1));
  const seen = new Set<string>();
  const order: WorkItem[] = [];
  const visit = (item: WorkItem): void => {
    if (seen.has(item.id)) return;
    seen.add(item.id);
    for (const needId of item.after) {
      const before = byNeed.get(needId);
      if (before !== undefined) visit(before);
    }
    order.push(item);
  };
  for (const item of sorted) visit(item);
  return order;
}

function outcomeOf(items: number, delivered: number, waiting: number): Outcome {
  if (items === 0) return 'empty';
  if (delivered === items) return 'delivered';
  // Waiting is not failing: what waits is served by a later cycle.
  return delivered > 0 || waiting > 0 ? 'partial' : 'rejected';
}

/** The request is as good as before: it waits for the source. */
export function waitForSource(item: WorkItem, reason: string, nowMs: number): WaitReason {
  return {
    itemId: item.id,
    tier: 'waiting',
    resource: `dataset:${item.dataset}`,
    blockers: [],
    shortfall: 0,
    earliestMs: nowMs + SOURCE_RETRY_MS,
    reason: `dataset ${item.dataset} cannot be read now: ${reason}`,
  };
}

/** A source that failed, and a read that left nothing behind, are no fault of the question. */
function isTriedAgain(failure: CoordinateInputs['failed'][number] | undefined): boolean {
  return failure?.type === 'SourceFailed' || failure?.type === 'NotRead';
}

function waitForRead(item: WorkItem, { reason, resource }: CoordinateInputs['failed'][number], nowMs: number) {
  const wait = waitForSource(item, reason, nowMs);
  return resource === undefined ? wait : { ...wait, resource, reason };
}

function worst(impact: readonly ModelImpact[]): Risk {
  if (impact.some(({ risk }) => risk === 'high')) return 'high';
  return impact.some(({ risk }) => risk === 'medium') ? 'medium' : 'low';
}

function summarise(
  inputs: CoordinateInputs,
  deliver: readonly HandOut[],
  ended: readonly { state: string }[],
  waiting: number,
): string {
  if (inputs.items.length === 0) return 'nothing was due and nothing was asked for';
  const degraded = deliver.filter(({ verdict }) => verdict === 'degrade').length;
  const parts = [
    `${deliver.length} of ${inputs.items.length} delivered${degraded === 0 ? '' : ` (${degraded} degraded)`}`,
  ];
  for (const state of ['refused', 'quarantined', 'expired']) {
    const count = ended.filter((one) => one.state === state).length;
    if (count > 0) parts.push(`${count} ${state}`);
  }
  if (waiting > 0) parts.push(`${waiting} waiting`);
  return parts.join(', ');
}
