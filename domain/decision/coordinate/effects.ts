/**
 * What a decision's findings, and everything that could be done about them, do to each model that uses the data: told of
 * what was done and of what was not, of the need that it was done for and of all others. Pure.
 */
import { actionsFor, FILE_ACTIONS, issueOf, type FileAction, type Issue } from '../../quality/correction.js';
import type { GateFinding } from '../../quality/gate.js';
import { exactly, type Range } from '../../quality/impact.js';
import { correctionsOf } from '../quality/correct.js';
import { costKey } from '../quality/correction-cost.js';
import { faultKey, hitRows, isOwnFault, usesFault, withoutFault, type Fault } from '../quality/faults.js';
import { gateOf } from '../quality/judge-slice.js';
import {
  effectAsIs,
  effectDone,
  effectIf,
  faultsFound,
  type NeedEffect,
  type ReadSlice,
} from '../quality/need-effect.js';
import { fitAction, whyResting } from '../quality/plan-correction.js';
import type { CorrectionRecord, ItemVerdict, QualityInputs } from '../quality/quality-inputs.js';
import type { WorkItem } from '../work.js';

/** Who gets a delivery: a standing need, or the one-off requests of a model together. */
export interface Reader {
  readonly needId: string | null;
  readonly model: string;
  /** One-off requests that are told together; absent of a need. */
  readonly requests?: number;
}

/** A fault, and what it does to each need that uses the data if nothing is done. */
export interface FaultImpact extends Fault {
  readonly message: string;
  /** Those whose rows it hits, the most rows first. */
  readonly readers: readonly (Reader & {
    readonly effect: NeedEffect;
    /** Without this fault; null of requests told together. */
    readonly sound: { readonly score: number } | null;
  })[];
  /** Those who read the dataset and are not hit, and why not. */
  readonly untouched: readonly (Reader & { readonly why: string })[];
}

/** Something that can be done about what a need got, and what it does; `nothing` is one of them. */
export interface Way {
  readonly action: 'nothing' | FileAction | 'refetch' | 'fallback' | 'last-good' | 'hold-back';
  readonly taken: boolean;
  /** Why it was taken, or why not. */
  readonly why: string;
  /** Null where it is not known before it is done. */
  readonly effect: NeedEffect | null;
  /** Time that the whole cycle waits for it; null where it takes none to speak of, or nothing is known of it yet. */
  readonly ms: Range | null;
  /** Others whom it gives less: what is handed out after this need, and now is not. */
  readonly heldBack: readonly string[];
}
export interface IssueWays extends Reader {
  readonly issue: Issue | 'kept back';
  readonly columns: readonly string[];
  readonly ways: readonly Way[];
}

export interface DecisionEffects {
  readonly faults: readonly FaultImpact[];
  readonly ways: readonly IssueWays[];
}

export interface EffectInputs {
  readonly quality: QualityInputs;
  readonly verdicts: readonly ItemVerdict[];
}

/** Needs and issues told of one decision: the record is to be read. */
const TOLD_MAX = 200;

export function decisionEffects(inputs: EffectInputs): DecisionEffects {
  const reads = slicesRead(inputs);
  return { faults: faultImpacts(reads, inputs.quality), ways: waysOf(reads, inputs).slice(0, TOLD_MAX) };
}

/** What was read first for each item, with what was found of it. */
function slicesRead({ quality, verdicts }: EffectInputs): ReadSlice[] {
  const items = new Map(quality.items.map((item) => [item.id, item]));
  const judged = new Map(verdicts.map((verdict) => [verdict.itemId, verdict]));
  return quality.results.flatMap(({ itemId, slice }) => {
    const [item, of] = [items.get(itemId)!, judged.get(itemId)!];
    if (slice === null || slice.rows === 0) return [];
    const { verdict, score, findings } = of.asRead ?? of;
    return [{ item, slice, verdict, score, findings }];
  });
}

/** Every fault that was found of anybody, and whom of all who read the dataset it hits. */
function faultImpacts(reads: readonly ReadSlice[], quality: QualityInputs): FaultImpact[] {
  const found = new Map<string, { readonly fault: Fault; readonly finding: GateFinding; readonly by: Set<string> }>();
  for (const read of reads)
    for (const finding of read.findings) {
      const [fault] = faultsFound({ item: read.item, findings: [finding] });
      if (fault === undefined) continue;
      const key = faultKey(fault);
      const known = found.get(key) ?? { fault, finding, by: new Set<string>() };
      known.by.add(read.item.id);
      found.set(key, known);
    }
  return [...found.keys()]
    .sort()
    .slice(0, TOLD_MAX)
    .map((key) => {
      const { fault, finding, by } = found.get(key)!;
      const concerned = reads.filter(
        ({ item }) => item.dataset === fault.dataset && (!isOwnFault(fault) || by.has(item.id)),
      );
      return { ...fault, message: finding.message, ...impactOn(concerned, fault, quality) };
    });
}

function impactOn(
  reads: readonly ReadSlice[],
  fault: Fault,
  quality: QualityInputs,
): Pick<FaultImpact, 'readers' | 'untouched'> {
  const readers: FaultImpact['readers'][number][] = [];
  const untouched: FaultImpact['untouched'][number][] = [];
  for (const read of reads.filter(({ item }) => item.needId !== null)) {
    const { item, slice } = read;
    const why = whyUntouched(read, fault, quality);
    if (why !== null) {
      untouched.push({ ...readerOf(item), why });
      continue;
    }
    const sound = gateOf(item, withoutFault(fault, item, slice, quality), quality).score;
    readers.push({ ...readerOf(item), effect: effectAsIs(read, [fault], quality), sound: { score: sound } });
  }
  readers.push(...requestsHit(reads, fault, quality));
  return {
    readers: readers.sort((a, b) => b.effect.hit.expected - a.effect.hit.expected || (nameOf(a) < nameOf(b) ? -1 : 1)),
    untouched: untouched.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)),
  };
}

/** Why a fault does nothing to a reader; null where it does. */
function whyUntouched({ item, slice }: ReadSlice, fault: Fault, quality: QualityInputs): string | null {
  if (!usesFault(fault, item)) return `it does not use ${fault.column!}`;
  const hit = hitRows(fault, item, slice, quality);
  if (hit === null) return isOwnFault(fault) ? null : 'it does not read what is at fault';
  return hit.high === 0 && !isOwnFault(fault) ? 'none of its rows is at fault' : null;
}

/** One-off requests, of each model together: there may be thousands. */
function requestsHit(
  reads: readonly ReadSlice[],
  fault: Fault,
  quality: QualityInputs,
): FaultImpact['readers'][number][] {
  const byModel = new Map<string, NeedEffect[]>();
  for (const read of reads) {
    if (read.item.needId !== null || whyUntouched(read, fault, quality) !== null) continue;
    const { model } = read.item;
    byModel.set(model, [...(byModel.get(model) ?? []), effectAsIs(read, [fault], quality)]);
  }
  return [...byModel].map(([model, effects]) => ({
    ...{ needId: null, model, requests: effects.length, sound: null },
    effect: {
      rows: sumOf(effects, 'rows'),
      lost: sumOf(effects, 'lost'),
      hit: sumOf(effects, 'hit'),
      ...{ classes: null, ageMs: null, score: null, verdict: null },
    },
  }));
}

function sumOf(effects: readonly NeedEffect[], figure: 'rows' | 'lost' | 'hit'): Range {
  return effects.reduce(
    (sum, { [figure]: one }) => ({
      low: sum.low + one.low,
      expected: sum.expected + one.expected,
      high: sum.high + one.high,
    }),
    exactly(0),
  );
}

export function nameOf({ needId, model, requests }: Reader): string {
  return needId ?? `${model} (${requests === 1 ? '1 request' : `${requests ?? 1} requests`})`;
}

function readerOf({ needId, model }: WorkItem): Reader {
  return { needId, model, ...(needId === null ? { requests: 1 } : {}) };
}

/** For each issue of each slice at fault: what was done, what else could have been, and what each does. */
function waysOf(reads: readonly ReadSlice[], inputs: EffectInputs): IssueWays[] {
  const verdicts = new Map(inputs.verdicts.map((verdict) => [verdict.itemId, verdict]));
  return reads
    .flatMap((read): IssueWays[] => {
      const faulty = read.findings.filter(({ severity }) => severity !== 'note');
      if (faulty.length === 0) return [];
      const verdict = verdicts.get(read.item.id)!;
      const issues = [...new Set(faulty.flatMap((finding) => issueOf(finding) ?? []))];
      return [
        ...issues.map((issue) => correctionWays(read, issue, faulty, verdict, inputs.quality)),
        ...(read.verdict === 'quarantine' ? [keptBackWays(read, verdict, inputs.quality)] : []),
      ];
    })
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : a.issue < b.issue ? -1 : 1));
}

function correctionWays(
  read: ReadSlice,
  issue: Issue,
  faulty: readonly GateFinding[],
  verdict: ItemVerdict,
  quality: QualityInputs,
): IssueWays {
  const { item } = read;
  const own = faulty.filter((finding) => issueOf(finding) === issue);
  const records = correctionsOf(verdict).filter((record) => record.issue === issue);
  const done = verdict.routed?.attempt == null && records.some(({ applied }) => applied);
  const ways = actionsFor(issue, FILE_ACTIONS).map((action): Way => {
    const record = records.find((one) => one.action === action);
    const fitted = fitAction(action, issue, faulty, item, read.slice, quality);
    const foreseen = quality.costs?.[costKey(item.dataset, action)]?.ms ?? null;
    const taken = record?.applied === true && verdict.routed?.attempt == null;
    return {
      ...{ action, taken, heldBack: [] },
      why: whyWay(action, record, fitted, read, done, quality),
      effect:
        (record === undefined ? null : effectDone(read, record, quality)) ??
        (typeof fitted === 'string' ? null : effectIf(read, fitted, quality)),
      ms: record?.cost?.took != null ? exactly(record.cost.took.ms) : foreseen === null ? null : spread(foreseen),
    };
  });
  const nothing: Way = {
    ...{ action: 'nothing', taken: !done && verdict.use === 'slice' && verdict.routed?.attempt == null },
    why: done ? 'something better was done' : 'nothing that may be done helps',
    effect: effectAsIs(read, faultsFound({ item, findings: own }), quality),
    ...{ ms: null, heldBack: [] },
  };
  const columns = [...new Set(own.flatMap(({ column, rule }) => column ?? rule ?? []))].sort();
  return { ...readerOf(item), issue, columns, ways: [...ways.sort((a, b) => +b.taken - +a.taken), nothing] };
}

function whyWay(
  action: FileAction,
  record: CorrectionRecord | undefined,
  fitted: ReturnType<typeof fitAction>,
  { item, slice }: ReadSlice,
  done: boolean,
  quality: QualityInputs,
): string {
  if (record !== undefined) return record.applied ? record.chosen : `rolled back: ${record.reason}`;
  if (item.corrections?.includes(action) !== true) return 'not among the corrections that the need allows';
  if (typeof fitted === 'string') return fitted;
  return (
    whyResting(fitted, item, slice, quality) ??
    (done ? 'another was drawn' : 'nothing was left to be mended when its turn came')
  );
}

function spread({ mean, standardError }: { readonly mean: number; readonly standardError: number | null }): Range {
  const reach = 2 * (standardError ?? 0);
  return { low: Math.max(0, mean - reach), expected: mean, high: mean + reach };
}

/** What stands in for a slice that is no good: the source read again, its stand-in, the last good delivery, or nothing. */
function keptBackWays(read: ReadSlice, verdict: ItemVerdict, quality: QualityInputs): IssueWays {
  const { item } = read;
  const heldBack = dependents(item, quality.items);
  const { routed, notRouted = [] } = verdict;
  const tries = quality.rerouted?.[item.id] ?? [];
  const { fallback = null } = quality.ways?.[item.dataset] ?? {};
  const ways = (['refetch', 'fallback'] as const).map((action): Way => {
    const taken = routed?.attempt != null && routed.kind === action;
    const tried = tries.find(({ kind }) => kind === action);
    const rows = taken ? exactly(routed.rows) : null;
    const told = notRouted.find((reason) => reason.startsWith(action === 'refetch' ? 'reading it again' : 'fallback '));
    const none = action === 'refetch' ? 'it would give the same again' : 'no stand-in is declared';
    return {
      ...{ action, taken, heldBack: [] },
      why: taken ? routed.reason : (told ?? (action === 'fallback' && fallback !== null ? 'it was not needed' : none)),
      effect:
        rows === null
          ? null
          : {
              ...{
                rows,
                lost: exactly(Math.max(0, (item.rows ?? rows.low) - rows.low)),
                hit: exactly(0),
                classes: null,
              },
              ...{ ageMs: null, score: exactly(verdict.score), verdict: verdict.verdict },
            },
      ms: tried?.cost?.took == null ? null : exactly(tried.cost.took.ms),
    };
  });
  const last = quality.lastGood.find(({ needId }) => needId === item.needId);
  const stands = verdict.use === 'last-good';
  const standIn: Way = {
    ...{ action: 'last-good', taken: stands, effect: null, ms: null, heldBack },
    why: stands
      ? 'it stands in'
      : last === undefined
        ? 'there is none'
        : 'something better was handed out, or it is too old',
  };
  const none = verdict.use === 'none';
  const nothing: NeedEffect = {
    ...{ rows: exactly(0), lost: exactly(item.rows ?? read.slice.rows), hit: exactly(0), classes: null, ageMs: null },
    ...{ score: null, verdict: 'quarantine' },
  };
  const hold: Way = {
    ...{ action: 'hold-back', taken: none, why: none ? verdict.reason : 'something was good enough', effect: nothing },
    ...{ ms: null, heldBack },
  };
  return { ...readerOf(item), issue: 'kept back', columns: [], ways: [...ways, standIn, hold] };
}

/** Needs that are handed out only after this one, directly or through others. */
function dependents({ needId }: WorkItem, items: readonly WorkItem[]): string[] {
  const held = new Set<string>();
  for (let more = needId === null ? [] : [needId]; more.length > 0;) {
    const next = items.flatMap((item) =>
      item.needId !== null && !held.has(item.needId) && item.after.some((id) => more.includes(id)) ? [item.needId] : [],
    );
    for (const id of next) held.add(id);
    more = next;
  }
  return [...held].sort();
}
