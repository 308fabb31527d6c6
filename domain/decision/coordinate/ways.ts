/** For each issue of each slice at fault: what was done, what else could have been, and what each does to the need. */
import { actionsFor, FILE_ACTIONS, issueOf, type FileAction, type Issue } from '../../quality/correction.js';
import type { GateFinding } from '../../quality/gate.js';
import { exactly, type Range } from '../../quality/impact.js';
import { correctionsOf } from '../quality/correct.js';
import { costKey } from '../quality/correction-cost.js';
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
import { NOT_ALLOWED, readerOf, type IssueWays, type Way } from './effect-record.js';

export interface WaysInputs {
  readonly quality: QualityInputs;
  readonly verdicts: readonly ItemVerdict[];
}

/** One issue of one slice; `kept back`: what stands in for it. */
interface Candidate {
  readonly read: ReadSlice;
  readonly issue: IssueWays['issue'];
  /** One-off requests of the model with the same issue. */
  requests: number;
}

/**
 * By need and issue, one-off requests last, one of each model; the ways of each with that first which was taken.
 *
 * @param reads by item id
 */
export function waysOf(
  reads: readonly ReadSlice[],
  { verdicts: judged, quality }: WaysInputs,
  max: number,
): { readonly ways: IssueWays[]; readonly omitted: number } {
  const candidates = candidatesOf(reads);
  const told = candidates.slice(0, max);
  if (told.length === 0) return { ways: [], omitted: 0 };
  const verdicts = new Map(judged.map((verdict) => [verdict.itemId, verdict]));
  const ways = told.map(({ read, issue, requests }): IssueWays => {
    const { item } = read;
    const verdict = verdicts.get(item.id)!;
    const of =
      issue === 'kept back' ? keptBackWays(read, verdict, quality) : correctionWays(read, issue, verdict, quality);
    return item.needId === null ? { ...of, requests, request: item.id } : of;
  });
  return { ways, omitted: candidates.length - told.length };
}

function candidatesOf(reads: readonly ReadSlice[]): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const read of reads) {
    const { needId, model } = read.item;
    const issues = new Set<IssueWays['issue']>();
    for (const finding of read.findings) {
      const issue = finding.severity === 'note' ? null : issueOf(finding);
      if (issue !== null) issues.add(issue);
    }
    if (read.verdict === 'quarantine') issues.add('kept back');
    for (const issue of issues) {
      const key = needId === null ? `1\n${model}\n${issue}` : `0\n${needId}\n${issue}`;
      const known = found.get(key);
      if (known === undefined) found.set(key, { read, issue, requests: 1 });
      else known.requests += 1;
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

function faultyOf({ findings }: ReadSlice): GateFinding[] {
  return findings.filter(({ severity }) => severity !== 'note');
}

function correctionWays(read: ReadSlice, issue: Issue, verdict: ItemVerdict, quality: QualityInputs): IssueWays {
  const { item } = read;
  const faulty = faultyOf(read);
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
        (record === undefined ? null : handedOut(effectDone(read, record, quality), record, verdict)) ??
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

/** The last that was kept is what was judged and handed out. */
function handedOut(effect: NeedEffect | null, record: CorrectionRecord, judged: ItemVerdict): NeedEffect | null {
  const last = correctionsOf(judged).findLast(({ applied }) => applied);
  if (effect === null || record !== last || judged.routed?.attempt != null) return effect;
  return { ...effect, score: exactly(judged.score), verdict: judged.verdict };
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
  if (item.corrections?.includes(action) !== true) return NOT_ALLOWED;
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
    const told = notRouted.find((reason) => reason.startsWith(action === 'refetch' ? 'reading it again' : 'fallback '));
    const none = action === 'refetch' ? 'it would give the same again' : 'no stand-in is declared';
    return {
      ...{ action, taken, heldBack: [] },
      why: taken ? routed.reason : (told ?? (action === 'fallback' && fallback !== null ? 'it was not needed' : none)),
      effect: taken ? routedEffect(item, verdict, quality) : null,
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

/** What was read in the place of a slice that was no good, with what is wrong with it. */
function routedEffect(item: WorkItem, judged: ItemVerdict, quality: QualityInputs): NeedEffect | null {
  const { slice = null, evidence } = quality.rerouted?.[item.id]?.[judged.routed!.attempt!] ?? {};
  if (slice === null) return null;
  const samples = evidence?.sample == null ? {} : { [item.id]: evidence.sample };
  const known = { ...quality, samples, orphans: { [item.id]: evidence?.orphans ?? [] } };
  return effectAsIs({ item, slice, ...judged }, faultsFound({ item, findings: judged.findings }), known);
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
