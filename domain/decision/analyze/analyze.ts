/** Stage 1, analyze: what does each need ask, how far is the data from it, what matters most, what cannot be served at all? */
import type { Analyzer, AnalysisSnapshot, NeedView } from '../../analyzers/analyzer.js';
import { classGap, targetShares } from '../../analyzers/balance.js';
import { segmentTables } from '../../analyzers/coverage.js';
import { runAnalyzers, type Analysis } from '../../analyzers/registry.js';
import type { DatasetProfile } from '../../quality/dataset-profile.js';
import { predicateColumns } from '../../types/predicate.js';
import { waitForSource } from '../coordinate/coordinate.js';
import { refuseTogether, waitingTogether } from '../gangs.js';
import type { ForecastUse } from '../forecast-use.js';
import { forecastNeeds, supplyForecasts, type Supply } from './future-supply.js';
import type { DatasetFacts, ItemFacts, Refusal, WaitReason, WorkItem } from '../work.js';

export interface AnalyzeInputs {
  /** Version of the rules that needs are ranked by (`ANALYSIS_RULES`); absent: of before it was kept, 1. */
  readonly rules?: number;
  readonly nowMs: number;
  readonly asOfMs: number;
  readonly items: readonly WorkItem[];
  readonly weights: Readonly<Record<string, number>>;
  readonly datasets: readonly DatasetFacts[];
  /** Class counts of whole datasets, by dataset and column. */
  readonly classCounts: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>;
  /** Datasets that could not be described or measured. */
  readonly failures: readonly DatasetFailure[];
  readonly facts: readonly ItemFacts[];
  /** Items whose predicate the source refused, with its message. */
  readonly rejected: readonly Refusal[];
  /** Rows by class that matched when each need's model was last given data in good order, by need. */
  readonly referenceClassCounts?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What became of declared references, in a sentence each; absent: none is declared. */
  readonly references?: readonly string[];
  /** Why a declared reference is not known, by need. */
  readonly unreferenced?: Readonly<Record<string, string>>;
  /** What the datasets of this cycle's needs hold, by dataset; and why one could not be profiled. */
  readonly profiles?: Readonly<Record<string, DatasetProfile>>;
  readonly unprofiled?: Readonly<Record<string, string>>;
  /** Datasets with a stand-in that rest, are tried again, or cannot rest now, in a sentence each; absent: none. */
  readonly rests?: readonly string[];
  /** Datasets whose new rows are held while they rest, by item; absent: none. */
  readonly held?: Readonly<Record<string, string>>;
  /** What is known of the rows to come; absent in records of older versions. */
  readonly supply?: Supply;
  /** Restricted columns by dataset, and by model the `dataset.column` that it may read. */
  readonly restricted: Readonly<Record<string, readonly string[]>>;
  readonly mayRead: Readonly<Record<string, readonly string[]>>;
}
/** Why a dataset could not be looked at; `transient`: its items wait for the source instead of being refused. */
export interface DatasetFailure {
  readonly dataset: string;
  readonly type: string;
  readonly reason: string;
  /** What to do; absent: nothing is known beyond the reason. */
  readonly hint?: string;
  readonly transient: boolean;
}
export interface AnalyzeOutcome {
  /** Items of sources that do not answer now. */
  readonly waiting: readonly WaitReason[];
  readonly analysis: Analysis;
  readonly refusals: readonly Refusal[];
  /** Target shares of the needs whose natural mix is further from the target than they tolerate: these are drawn by class. */
  readonly resample: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** 0 to 1 by item: how much it matters now. */
  readonly criticality: Readonly<Record<string, number>>;
  /** The forecasts that findings of rows to come rest on; absent in records of older versions. */
  readonly forecastsUsed?: readonly ForecastUse[];
}

export function analyze(inputs: AnalyzeInputs, analyzers: readonly Analyzer[]): AnalyzeOutcome {
  const refusals = refuseTogether(inputs.items, refuse(inputs));
  const refused = new Set(refusals.map(({ itemId }) => itemId));
  const down = new Map(
    inputs.failures.filter(({ transient }) => transient).map((failure) => [failure.dataset, failure]),
  );
  const waiting = waitingTogether(
    inputs.items,
    inputs.items
      .filter((item) => down.has(item.dataset) && !refused.has(item.id))
      .map((item) => waitForSource(item, down.get(item.dataset)!.reason, inputs.nowMs))
      .concat(heldBack(inputs, (item) => !down.has(item.dataset) && !refused.has(item.id))),
  );
  const shut = new Set([...refused, ...waiting.map(({ itemId }) => itemId)]);
  const open = inputs.items.filter((item) => !shut.has(item.id));
  const snapshot = snapshotOf(inputs, open);
  const analysis = runAnalyzers(analyzers, snapshot, inputs.rules ?? 1);
  const recordedAs = inputs.supply?.recordedAs;
  const facts = new Map(inputs.facts.map((fact) => [fact.itemId, fact]));
  const resample: Record<string, Readonly<Record<string, number>>> = {};
  // A draw by class corrects what the distribution analyzer finds; without that finding the natural mix is good enough.
  const mixFound = new Set(
    analysis.findings
      .filter(({ kind }) => kind === 'class-mix' || kind === 'class-shortfall')
      .map(({ needId }) => needId),
  );
  for (const item of open) {
    const found = facts.get(item.id)?.classCounts;
    if (item.target === null || found == null || item.needId === null || !mixFound.has(item.needId)) continue;
    // A class that was there before and is gone is still wanted.
    const known = Object.keys(inputs.referenceClassCounts?.[item.needId] ?? {});
    const counts = { ...Object.fromEntries(known.map((name) => [name, 0])), ...found };
    const shares = targetShares(item.target, counts);
    if (classGap(shares, counts) > item.maxClassGap) resample[item.id] = shares;
  }
  const urgency = new Map(analysis.criticalNeeds.map((need) => [need.needId, need.urgency]));
  const criticality = Object.fromEntries(
    open.map((item) => [
      item.id,
      Math.max(item.critical / 2, (item.needId === null ? 0 : urgency.get(item.needId)) ?? 0),
    ]),
  );
  const used =
    recordedAs === undefined
      ? {}
      : { forecastsUsed: supplyForecasts(analysis.findings, snapshot.forecasts ?? [], recordedAs) };
  return { analysis, refusals, waiting, resample, criticality, ...used };
}

/** Items that wait for new rows of a dataset that rests: their window stays open, and the next one begins where it does. */
function heldBack({ items, held = {}, nowMs }: AnalyzeInputs, isOpen: (item: WorkItem) => boolean): WaitReason[] {
  return items
    .filter((item) => Object.hasOwn(held, item.id) && isOpen(item))
    .map((item) => ({
      ...waitForSource(item, '', nowMs),
      reason: `dataset ${item.dataset} rests: its new rows are held, and handed out once it is good again: ${held[item.id]}`,
    }));
}

/** Standing needs as the analyzers see them. One-off requests state what they want; there is no balance to judge. */
export function snapshotOf(inputs: AnalyzeInputs, open: readonly WorkItem[]): AnalysisSnapshot {
  const facts = new Map(inputs.facts.map((fact) => [fact.itemId, fact]));
  const needs = open.filter(({ kind }) => kind === 'need');
  return {
    asOfMs: inputs.asOfMs,
    needs: needs.map((item): NeedView => ({
      id: item.needId!,
      model: item.model,
      dataset: item.dataset,
      fields: item.fields,
      rowsPerCycle: item.rows ?? 0,
      classColumn: item.classColumn,
      classTarget: item.target,
      maxAgeMs: item.maxAgeMs,
      minCompleteness: item.minCompleteness,
      critical: item.critical,
      weight: inputs.weights[item.model] ?? 1,
    })),
    datasets: inputs.datasets.map(({ id, version, rows, newestEventMs, completeness }) => ({
      id,
      version,
      rows,
      newestEventMs,
      asOfMs: inputs.asOfMs,
      completeness,
      classCounts: inputs.classCounts[id] ?? {},
      ...(inputs.profiles?.[id] === undefined ? {} : { profile: inputs.profiles[id] }),
    })),
    ...(inputs.supply === undefined
      ? {}
      : { forecasts: forecastNeeds(needs, inputs.facts, inputs.supply, inputs.asOfMs) }),
    measurements: needs.flatMap((item) => {
      const fact = facts.get(item.id);
      return fact === undefined
        ? []
        : [
            {
              needId: item.needId!,
              rowsAvailable: fact.rows,
              classCounts: fact.classCounts,
              ...(Object.hasOwn(inputs.referenceClassCounts ?? {}, item.needId!)
                ? { referenceClassCounts: inputs.referenceClassCounts![item.needId!] }
                : {}),
              completeness: fact.completeness,
              newestEventMs: fact.newestEventMs,
              ...(fact.segments == null ? {} : { segments: segmentTables(item.segments ?? [], fact.segments) }),
              ...(fact.untimedRows === undefined ? {} : { untimedRows: fact.untimedRows }),
            },
          ];
    }),
  };
}

function refuse(inputs: AnalyzeInputs): Refusal[] {
  const datasets = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset]));
  const failures = new Map(inputs.failures.map((failure) => [failure.dataset, failure]));
  const rejected = new Map(inputs.rejected.map((refusal) => [refusal.itemId, refusal]));
  return inputs.items.flatMap((item): Refusal[] => {
    const known = rejected.get(item.id);
    if (known !== undefined) return [known];
    if (item.deadlineMs !== null && item.deadlineMs <= inputs.nowMs) {
      return [
        {
          itemId: item.id,
          type: 'DeadlinePassed',
          reason:
            `its deadline ${new Date(item.deadlineMs).toISOString()} passed before it could be served` +
            (item.waited === undefined ? '' : `; when it was looked at before, it waited: ${item.waited}`),
          hint: 'Ask again with a later deadline, or with none.',
          ...{ resource: 'deadline', shortfall: inputs.nowMs - item.deadlineMs },
        },
      ];
    }
    const failure = failures.get(item.dataset);
    if (failure?.transient === true) return [];
    if (failure !== undefined)
      return [
        {
          itemId: item.id,
          type: failure.type,
          reason: `dataset ${item.dataset}: ${failure.reason}`,
          hint: failure.hint ?? 'Check the source; `balance doctor` names what is wrong.',
          resource: `dataset:${item.dataset}`,
        },
      ];
    const dataset = datasets.get(item.dataset);
    if (dataset === undefined)
      return [
        {
          ...{ itemId: item.id, type: 'UnknownDataset', resource: `dataset:${item.dataset}` },
          reason: `dataset ${item.dataset} is not declared any more`,
          hint: `Declare it again, or ask for one of ${inputs.datasets.map(({ id }) => id).join(', ')}.`,
        },
      ];
    return refuseColumns(item, dataset, inputs) ?? refuseVersion(item, dataset) ?? [];
  });
}

function refuseColumns(item: WorkItem, dataset: DatasetFacts, inputs: AnalyzeInputs): Refusal[] | null {
  const used = [
    ...new Set([
      ...item.fields,
      ...predicateColumns(item.where),
      ...(item.classColumn === null ? [] : [item.classColumn]),
      ...(item.segments ?? []),
    ]),
  ].sort();
  const unknown = used.filter((column) => !Object.hasOwn(dataset.bytesPerValue, column));
  if (unknown.length > 0) {
    const columns = Object.keys(dataset.bytesPerValue).join(', ');
    return [
      {
        itemId: item.id,
        type: 'UnknownColumn',
        reason: `dataset ${item.dataset} has no column ${unknown.join(', ')}; it has ${columns}`,
        hint: 'Ask for columns that it has.',
        ...{ resource: `column:${item.dataset}.${unknown[0]}`, shortfall: unknown.length },
      },
    ];
  }
  const restricted = inputs.restricted[item.dataset] ?? [];
  const allowed = inputs.mayRead[item.model] ?? [];
  const forbidden = used.filter(
    (column) => restricted.includes(column) && !allowed.includes(`${item.dataset}.${column}`),
  );
  if (forbidden.length === 0) return null;
  return [
    {
      itemId: item.id,
      type: 'RestrictedField',
      reason: `model ${item.model} may not read ${forbidden.join(', ')} of ${item.dataset}`,
      hint: `List ${forbidden.map((column) => `${item.dataset}.${column}`).join(', ')} under the model's mayRead, or leave the column out.`,
      ...{ resource: `column:${item.dataset}.${forbidden[0]}`, shortfall: forbidden.length },
    },
  ];
}

/** A pin names the content; rows that arrived after the pinned time are left out by the read. */
function refuseVersion(item: WorkItem, dataset: DatasetFacts): Refusal[] | null {
  if (item.datasetVersion === null) return null;
  const pinned = item.datasetVersion.split('@')[0];
  if (pinned === dataset.contentId) return null;
  return [
    {
      itemId: item.id,
      type: 'VersionGone',
      reason: `version ${item.datasetVersion} of ${item.dataset} is gone; the current one is ${dataset.version}`,
      hint: 'Ask for the current version, or leave the version out.',
      resource: `version:${item.dataset}`,
    },
  ];
}

/** Rows that nobody will get, because they came into a window that had been handed out: it must not go unsaid. */
function lateArrivals({ items, facts }: AnalyzeInputs): string[] {
  const itemOf = new Map(items.map((item) => [item.id, item]));
  return facts.flatMap(({ itemId, lateRows = 0 }) => {
    const item = itemOf.get(itemId);
    if (lateRows === 0 || item?.window == null) return [];
    const upTo = new Date(item.window.fromMs).toISOString();
    return [
      `${item.needId}: ${lateRows} rows with an event time up to ${upTo} came after that time had been handed out, and are not handed out: declare a longer \`lateness\` for ${item.dataset}`,
    ];
  });
}

/** A sentence for each finding, the worst first. */
export function analyzeReasons({ analysis, refusals, waiting }: AnalyzeOutcome, inputs: AnalyzeInputs): string[] {
  return [
    ...(inputs.rests ?? []),
    ...(inputs.references ?? []),
    ...lateArrivals(inputs),
    ...analysis.failed.map(
      ({ analyzer, message }) => `analyzer ${analyzer} failed, its findings are missing: ${message}`,
    ),
    ...waiting.slice(0, 1).map(({ reason }) => reason),
    ...analysis.findings.map(({ message }) => message),
    ...inputs.facts
      .filter(({ segments }) => segments === null)
      .map(({ itemId }) => `${itemId}: its segments are too many to be counted: declare fewer, or coarser columns`),
    ...refusals.slice(0, 20).map(({ itemId, reason }) => `request ${itemId} refused: ${reason}`),
  ];
}
