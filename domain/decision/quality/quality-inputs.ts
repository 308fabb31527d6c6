/** What the quality check reads and says: plain JSON, stored with the decision so that it can be replayed. */
import type { Finding } from '../../analyzers/analyzer.js';
import type { Correction } from '../../quality/correction.js';
import type { GateVerdict } from '../../quality/gate.js';
import type { Recount, Sample } from '../../quality/sample.js';
import type { StrategyState } from '../../quality/strategy.js';
import type { MetricName, Usual } from '../../quality/usual.js';
import type { DatasetDefinition } from '../../types/pool.js';
import type { Circuit } from './circuit.js';
import type { Cost, ForeseenCost, ForeseenGain } from './correction-cost.js';
import type { OrphanCount } from './orphans.js';
import type { ReadPrediction } from '../batch/read-cost.js';
import type { NeedReference } from './reference.js';
import type { Draw } from './top-up.js';
import type { WorkItem } from '../work.js';

/** What came of one granted item: the slice's metrics, or why there is none. */
export interface Result {
  readonly itemId: string;
  readonly served: 'read' | 'merged' | 'cache';
  readonly asOfMs: number;
  readonly slice: SliceMetrics | null;
  /** `resource`: the read or stage that left nothing behind; absent: what failed is its dataset. */
  readonly failure: { readonly type: string; readonly reason: string; readonly resource?: string } | null;
}
/** What the gate wants to know of a slice's file. */
export interface SliceMetrics {
  /** sha256 of the Parquet file, its name in the cache. */
  readonly digest: string;
  readonly rows: number;
  readonly newestEventMs: number | null;
  readonly completeness: Readonly<Record<string, number>>;
  /** Share of non-null values that break the dataset's column contract (values, min, max), by column. */
  readonly invalid: Readonly<Record<string, number>>;
  /** Rows whose declared key occurred before; 0 without a key. */
  readonly duplicateRows: number;
  readonly classCounts: Readonly<Record<string, number>> | null;
  /** Share of rows that break each rule of the dataset whose columns the slice has, by the rule's text. */
  readonly ruleBreaches?: Readonly<Record<string, number>>;
}
export interface LastGood {
  readonly needId: string;
  readonly asOfMs: number;
  readonly digest: string;
}
export interface QualityInputs {
  /** Version of the rules that they were judged by (`QUALITY_RULES`); absent: of before it was kept. */
  readonly rules?: number;
  readonly asOfMs: number;
  readonly items: readonly WorkItem[];
  readonly results: readonly Result[];
  /** Rows that a delivery should have, by item: fewer degrade it. */
  readonly granted: Readonly<Record<string, number>>;
  /** Rows below which it is kept back, by item. */
  readonly minRows: Readonly<Record<string, number>>;
  readonly datasets: Readonly<
    Record<
      string,
      Pick<
        DatasetDefinition,
        'columns' | 'maxDuplicateFraction' | 'maxInconsistentFraction' | 'eventTime' | 'key' | 'dependencies'
      >
    >
  >;
  readonly lastGood: readonly LastGood[];
  /** Wanted class shares, by item drawn by class: they name the classes that have no row left, too. */
  readonly shares?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Rows that match, by item, where they were counted. */
  readonly available?: Readonly<Record<string, number>>;
  /** What each need's model was trained on, if that is declared, else last given in good order, by need. */
  readonly references?: Readonly<Record<string, NeedReference>>;
  /** Why a declared reference is not known, by need. */
  readonly unreferenced?: Readonly<Record<string, string>>;
  /** What the slices of needs look like, by item; drawn by class they are not compared. */
  readonly samples?: Readonly<Record<string, ItemSample>>;
  /** What is usual of the figures of needs' slices, by item. */
  readonly usual?: Readonly<Record<string, readonly UsualMetric[]>>;
  /** Rows that refer to what another dataset does not have, by item; absent: no reference is declared of its columns. */
  readonly orphans?: Readonly<Record<string, readonly OrphanCount[]>>;
  /** What is found of the vectors and texts that items read, by item; absent: nothing. */
  readonly contents?: Readonly<Record<string, readonly Finding[]>>;
  /** Wall time, and the seed of this decision's draws of an action. */
  readonly nowMs?: number;
  readonly seed?: string;
  /** What is known of corrections; absent: none are tried. */
  readonly strategy?: StrategyState;
  /** What each action on each dataset's slices is foreseen to take, by `costKey`; absent in records of before it was kept. */
  readonly costs?: Readonly<Record<string, ForeseenCost>>;
  /** What each action on each issue of a dataset is foreseen to bring, by `gainKey`; absent likewise. */
  readonly gains?: Readonly<Record<string, ForeseenGain>>;
  /** Treated copies of the slices that `planRound` names, by item. */
  readonly treated?: Readonly<Record<string, TreatedSteps<Treated>>>;
  /** Further tries at items whose slice would be kept back, in order, by item; absent: none was made. */
  readonly rerouted?: Readonly<Record<string, readonly Reroute[]>>;
  /** Why an item that would be kept back was not tried again, or not once more; absent: nothing more could be tried. */
  readonly untried?: Readonly<Record<string, string>>;
  /** What could be done about rows of each dataset beyond their file; absent in records of before impact was kept. */
  readonly ways?: Readonly<Record<string, DatasetWays>>;
  /** Datasets of this cycle that have a stand-in; absent: none, and in a repeat of the past. */
  readonly circuits?: Readonly<Record<string, KnownCircuit>>;
}
/** Where else a dataset's rows could come from, and who is asked for better ones. */
export interface DatasetWays {
  readonly fallback: string | null;
  readonly owner: string | null;
  /** False in a repeat of the past: that asks nobody. */
  readonly mayAsk: boolean;
}
/** What is known of a dataset with a stand-in before a cycle. */
export interface KnownCircuit extends Pick<Circuit, 'of' | 'standIn'> {
  /** Null before the first failure. */
  readonly before: Circuit | null;
  /** Why the stand-in was read in its place in this cycle; null: it was not. */
  readonly rests: string | null;
  /** Items that could not be read: the dataset does not answer; where it rests, its stand-in, or not as the dataset would. */
  readonly unread: number;
}
export interface ItemVerdict {
  readonly itemId: string;
  readonly verdict: 'pass' | 'degrade' | 'quarantine';
  readonly score: number;
  readonly dimensions: GateVerdict['dimensions'];
  readonly findings: GateVerdict['findings'];
  /** What is handed out: the fresh slice, the last good delivery of the need, or nothing. */
  readonly use: 'slice' | 'last-good' | 'none';
  readonly reason: string;
  /** What was done about the findings first; absent: nothing was. */
  readonly correction?: CorrectionRecord;
  /** What was done after that, each on what the one before it left, in order; absent: nothing was. */
  readonly furtherCorrections?: readonly CorrectionRecord[];
  /** Why allowed corrections that fit what was found were not tried: they rest; absent: none does. */
  readonly notCorrected?: readonly string[];
  /** Where the slice came from, if it is not the one that was read first. */
  readonly routed?: Routed;
  /** Why further tries did not help, or were not made. */
  readonly notRouted?: readonly string[];
  /** The verdict on what was read first, where something was done about it; absent: this is it, or the record is older. */
  readonly asRead?: Pick<GateVerdict, 'verdict' | 'score' | 'findings'>;
}
export interface QualityOutcome {
  readonly verdicts: readonly ItemVerdict[];
  /** What is known of corrections after this decision's; absent: nothing new. */
  readonly strategy?: StrategyState;
  /** Circuits that this decision changes, by dataset; absent: none. */
  readonly circuits?: Readonly<Record<string, Circuit>>;
}

/** Another try at what an item asks for, after what was read for it turned out to be no good. */
export interface Reroute {
  /** The same dataset read again, or the one that is declared to stand in for it. */
  readonly kind: 'refetch' | 'fallback';
  readonly dataset: string;
  readonly slice: SliceMetrics | null;
  /** Why there is no slice; null where there is one. */
  readonly failure: string | null;
  readonly cost?: ReadCost;
  /** Rows of an arrival window: a try with fewer would lose the rest of them for good. Absent: fewer are better than none. */
  readonly leastRows?: number;
  /** The rest of what it is judged by, as the first slice was; absent in records of before tries were judged for it. */
  readonly evidence?: {
    /** Null where slices of the item are not compared. */
    readonly sample: ItemSample | null;
    readonly orphans: readonly OrphanCount[];
    readonly usual: readonly UsualMetric[];
  };
}
/** What a further read was foreseen to take, and took. */
export interface ReadCost {
  /** From what the dataset's planned reads took; null before the first of them. */
  readonly foreseen: Pick<ReadPrediction, 'ms' | 'msTail'> | null;
  /** Null where it failed. */
  readonly took: Cost | null;
}
/** Where a delivery came from instead, and why. */
export interface Routed extends Pick<Reroute, 'kind' | 'dataset' | 'cost'> {
  /** Which of the item's tries it is; null: it was read first, because the dataset rests. */
  readonly attempt: number | null;
  readonly rows: number;
  /** What was wrong with what was read first. */
  readonly reason: string;
}

/** One figure of one delivery. */
export interface DeliveryMetric {
  readonly metric: MetricName;
  readonly column: string | null;
  readonly value: number;
  /** Values that it was counted for; absent: it speaks for itself. */
  readonly examples?: readonly string[];
}
/** What is usual of one figure. */
export interface UsualMetric extends Pick<DeliveryMetric, 'metric' | 'column'> {
  readonly usual: Usual;
}
/** A slice looked at for drift: what it is, and the same over its reference's values and bins. */
export interface ItemSample {
  readonly own: Sample;
  readonly current: Recount | null;
}

export type Judged = Omit<ItemVerdict, 'use'>;

/** A treated copy of a slice, as it was made. */
export interface Treated {
  readonly slice: SliceMetrics;
  readonly sample: ItemSample | null;
  /** Rows as far as statistics go: fewer than there are when their weights differ (Kish 1965: (sum w)^2 / sum w^2). */
  readonly effectiveRows: number;
  readonly changedCells: number;
  readonly cost?: Cost;
  /** What came in the place of dropped rows; absent: none was dropped, or none was looked for. */
  readonly topUp?: TopUp;
  /** Its rows that refer to what is not there; absent: nothing of it refers, or the record is older than these counts. */
  readonly orphans?: readonly OrphanCount[];
}
/** Rows of the same draw in the place of those that were dropped. */
export interface TopUp {
  readonly replaced: number;
  /** The draw that the copy was made of. */
  readonly draw: Draw;
  /** Why some are missing; null where none is. */
  readonly why: string | null;
}
/** The copies of one slice, one for each correction in order, null where it could not be made; in older records the only one. */
export type TreatedSteps<T extends Treated> = T | readonly (T | null)[];
/** What an action will do to the model, as far as it can be told before it is done. */
export interface PredictedEffect {
  /** Rows of the slice that will be left, whatever comes in the place of the others: fewest where no two faults are in one row, most where all of them are. */
  readonly rows: { readonly least: number; readonly most: number };
  /** Distance to the class target, and what losing rows whatever their class may add; null without a target. */
  readonly classGap: { readonly mean: number; readonly uncertainty: number } | null;
  /** Age of the newest row, and the chance that it is among the rows that go; null without an event time. */
  readonly ageMs: { readonly least: number; readonly chanceOlder: number } | null;
  /** What earlier cases brought; null: there is none yet. Absent in records of before it was kept. */
  readonly gain?: ForeseenGain | null;
}
/** What was done with a slice, as the record and the model see it. */
export interface CorrectionRecord extends Pick<Correction, 'action' | 'issue' | 'columns' | 'rules'> {
  /** False: rolled back (or it could not be done), the plain slice is handed out. */
  readonly applied: boolean;
  readonly verdict: 'keep' | 'undecided' | 'roll-back' | 'failed';
  readonly predictedDelta: number;
  readonly measuredDelta: number | null;
  readonly standardError: number | null;
  readonly reason: string;
  readonly chosen: string;
  /** What it does to the model: rows, share at fault, class gap with what chance gives, changed cells. */
  readonly effect: {
    readonly rows: { readonly before: number; readonly after: number } & Partial<Pick<TopUp, 'replaced' | 'why'>>;
    readonly fault: { readonly before: number; readonly after: number };
    readonly classGap: { readonly before: number; readonly after: number; readonly uncertainty: number } | null;
    readonly changedCells: number;
    /** Age of the newest row; absent without an event time. */
    readonly ageMs?: { readonly before: number; readonly after: number };
  } | null;
  /** The same before it was done; absent with `cost`. */
  readonly predictedEffect?: PredictedEffect;
  /** What it was foreseen to take (null: no history yet) and took (null: it could not be done); absent in old records. */
  readonly cost?: { readonly foreseen: ForeseenCost | null; readonly took: Cost | null };
}
