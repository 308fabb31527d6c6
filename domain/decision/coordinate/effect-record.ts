/** What a decision says of its findings and of what could be done about them: one record for both. Plain JSON. */
import type { FileAction, Issue } from '../../quality/correction.js';
import type { FindingKind } from '../../analyzers/analyzer.js';
import type { Range } from '../../quality/impact.js';
import type { Fault } from '../quality/faults.js';
import type { NeedEffect } from '../quality/need-effect.js';
import type { WorkItem } from '../work.js';

/** Who gets a delivery: a standing need, or the one-off requests of a model together. */
export interface Reader {
  readonly needId: string | null;
  readonly model: string;
  /** One-off requests that are told together; absent of a need. */
  readonly requests?: number;
}

/** A fault, and what it does to each need that uses the data if nothing is done. */
export interface FaultImpact extends Omit<Fault, 'kind'> {
  /** Of faults that rows have, what was counted of the slices; of others, what the analyze stage found to come. */
  readonly kind: Fault['kind'] | FindingKind;
  readonly message: string;
  /** Those whose rows it hits, the most rows first. */
  readonly readers: readonly (Reader & {
    readonly effect: NeedEffect;
    /** It does not get the column at fault: its rows are chosen or judged by it. Absent: it gets it. */
    readonly chosenBy?: true;
    /** Without this fault; null where it is not known, as of requests told together. */
    readonly sound: { readonly score: number } | null;
  })[];
  /** Those who read the dataset and are not hit, and why not. */
  readonly untouched: readonly (Reader & { readonly why: string })[];
  /** How many more there are that are not told of here; absent: none. */
  readonly omitted?: { readonly readers: number; readonly untouched: number };
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
/** Why a correction was not taken that the need does not allow. */
export const NOT_ALLOWED = 'not among the corrections that the need allows';

export interface IssueWays extends Reader {
  /** The one-off request that is told of, the first by id of those of its model with the issue; absent of a need. */
  readonly request?: string;
  readonly issue: Issue | 'kept back';
  readonly columns: readonly string[];
  readonly ways: readonly Way[];
}

/** What is done once and concerns all who use a dataset. */
export interface SharedAction {
  readonly action: 'rest' | 'ask';
  readonly dataset: string;
  readonly taken: boolean;
  readonly why: string;
  /** Everybody whom it concerns, and what it does to each: the one for whom it is done first. */
  readonly readers: readonly (Reader & { readonly what: string; readonly rows: Range })[];
  /** How many more there are that are not told of here; absent: none. */
  readonly omitted?: number;
}

export interface DecisionEffects {
  readonly faults: readonly FaultImpact[];
  readonly ways: readonly IssueWays[];
  readonly shared: readonly SharedAction[];
  /** How many more of each there are that are not told of here; absent: none. */
  readonly omitted?: Readonly<Record<'faults' | 'ways' | 'shared', number>>;
}

export function nameOf({ needId, model, requests = 1 }: Reader): string {
  return needId ?? `${model} (${requests === 1 ? '1 request' : `${requests} requests`})`;
}

/** An item as a reader; a one-off request stands for itself. */
export function readerOf({ needId, model }: WorkItem): Reader {
  return { needId, model, ...(needId === null ? { requests: 1 } : {}) };
}
