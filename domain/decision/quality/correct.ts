/** Corrections inside a decision: which slice is treated how, and whether the treated one is handed out or the plain one. */
import { classGap, classGapNoise, countOf, targetShares } from '../../analyzers/balance.js';
import {
  actionsFor,
  DROPPED_MAX,
  issueOf,
  measureAction,
  shareWeights,
  type ArmPair,
  type Correction,
  type Issue,
} from '../../quality/correction.js';
import { pairSamples } from '../../quality/sample.js';
import type { GateFinding } from '../../quality/gate.js';
import { chooseAction, learnOutcome, type StrategyState } from '../../quality/strategy.js';
import { costKey } from './correction-cost.js';
import type {
  CorrectionRecord,
  Judged,
  PredictedEffect,
  QualityInputs,
  SliceMetrics,
  Treated,
} from './quality-inputs.js';
import type { WorkItem } from '../work.js';

/** One slice to treat: what, why, and what is expected of it. */
export interface PlannedCorrection extends Correction {
  readonly itemId: string;
  /** What the strategy learns under: the dataset and the issue. */
  readonly key: string;
  /** How much nearer to the reference the columns at fault should come, as a share of rows. */
  readonly predictedDelta: number;
  readonly chance: number;
  readonly reason: string;
  /** Share of rows or cells at fault. */
  readonly fault: number;
}
/** Slices treated in one decision at most: each is a file read and written again. */
export const CORRECTIONS_MAX = 100;
/** Columns that corrections add to a file. */
export const WEIGHT_COLUMN = 'balance_weight';
export const imputedColumn = (column: string): string => `${column}_imputed`;
export const repairedColumn = (column: string): string => `${column}_repaired`;

/** The slices to treat, the worst finding of each that an allowed action can mend. Pure: the same inputs plan the same. */
export function planCorrections(inputs: QualityInputs, judged: ReadonlyMap<string, Judged>): PlannedCorrection[] {
  if (inputs.strategy === undefined) return [];
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const planned: PlannedCorrection[] = [];
  for (const { itemId, slice } of inputs.results) {
    const item = items.get(itemId)!;
    const verdict = judged.get(itemId)!;
    if (slice === null || slice.rows === 0 || verdict.verdict === 'pass' || (item.corrections ?? []).length === 0)
      continue;
    const one = planOne(item, slice, verdict.findings, inputs);
    if (one !== null) planned.push(one);
    if (planned.length === CORRECTIONS_MAX) break;
  }
  return planned;
}

function planOne(
  item: WorkItem,
  slice: SliceMetrics,
  findings: readonly GateFinding[],
  inputs: QualityInputs,
): PlannedCorrection | null {
  const faults = findings.filter(({ severity }) => severity !== 'note');
  const tried = new Set<Issue>();
  for (const finding of faults) {
    const issue = issueOf(finding);
    if (issue === null || tried.has(issue)) continue;
    tried.add(issue);
    const columns = faults.flatMap((one) => (issueOf(one) === issue && one.column !== undefined ? [one.column] : []));
    const options = actionsFor(issue, item.corrections ?? []).flatMap((action) => {
      const correction =
        issue === 'rule'
          ? fitRules(faults, slice)
          : fit(action, issue, [...new Set(columns)].sort(), item, slice, inputs);
      return correction === null ? [] : [correction];
    });
    if (options.length === 0) continue;
    const key = `${item.dataset}/${issue}`;
    const actions = options.map(({ action }) => action);
    const choice = chooseAction(
      inputs.strategy!,
      key,
      actions,
      inputs.nowMs ?? inputs.asOfMs,
      seedOf(inputs.seed ?? '', item.id),
    );
    const chosen = options.find(({ action }) => action === choice.action);
    if (chosen === undefined) continue;
    const fault = faultShare(chosen, slice);
    const known = inputs.strategy!.records.some((one) => one.issue === key && one.action === chosen.action);
    // Without a record: all that is at fault comes right.
    const predictedDelta = known ? choice.predictedDelta : fault;
    return { ...chosen, itemId: item.id, key, predictedDelta, chance: choice.chance, reason: choice.reason, fault };
  }
  return null;
}

/** The action in full where it fits this slice, else null. */
function fit(
  action: Correction['action'],
  issue: Issue,
  columns: readonly string[],
  item: WorkItem,
  slice: SliceMetrics,
  inputs: QualityInputs,
): Correction | null {
  const dataset = inputs.datasets[item.dataset];
  if (action === 'drop-rows') {
    // A row is not bad for lacking what it may lack.
    const required = columns.filter((column) => issue !== 'missing' || dataset.columns[column]?.required);
    if (issue === 'duplicates') {
      const key = dataset.key ?? [];
      if (key.length === 0 || !key.every((column) => item.fields.includes(column))) return null;
    } else if (required.length === 0) return null;
    const correction: Correction = { action, issue, columns: issue === 'duplicates' ? [] : required, weights: null };
    return faultShare(correction, slice) > DROPPED_MAX ? null : correction;
  }
  if (action === 'impute') {
    // Another row's key in the place of a bad one makes two rows one, and hides it.
    const clash = columns.some(
      (column) => item.fields.includes(imputedColumn(column)) || dataset.key?.includes(column) === true,
    );
    const correction: Correction = { action, issue, columns, weights: null };
    return clash || columns.length === 0 || faultShare(correction, slice) > DROPPED_MAX ? null : correction;
  }
  if (action === 'repair') {
    // A key that is written anew may be another row's.
    const own = columns.filter((column) => Object.hasOwn(dataset.columns, column) && !dataset.key?.includes(column));
    const declared = own.filter((column) => isDeclared(dataset.columns[column]));
    const clash = declared.some((column) => item.fields.includes(repairedColumn(column)));
    // However many cells: what they mean is certain, whatever the others say.
    return clash || declared.length === 0 ? null : { action, issue, columns: declared, weights: null };
  }
  if (item.fields.includes(WEIGHT_COLUMN)) return null;
  if (issue === 'class-mix') {
    if (item.classColumn === null || item.target === null || slice.classCounts === null) return null;
    if (!item.fields.includes(item.classColumn)) return null;
    const shares = inputs.shares?.[item.id] ?? targetShares(item.target, slice.classCounts);
    const weights = shareWeights(slice.classCounts, shares);
    return weights === null ? null : { action, issue, columns: [item.classColumn], weights };
  }
  return fitDrift(columns, item, inputs);
}

/** Whether what was declared of a column can tell what a wrong cell means. */
function isDeclared({ type, unit, format, values }: QualityInputs['datasets'][string]['columns'][string]): boolean {
  return [type, unit, format, values].some((said) => said !== undefined);
}

/** Rows that break a rule are dropped whole: nothing tells which of their values is wrong. */
function fitRules(faults: readonly GateFinding[], slice: SliceMetrics): Correction | null {
  const rules = faults.flatMap((fault) => (issueOf(fault) === 'rule' ? (fault.rule ?? []) : []));
  const correction: Correction = { action: 'drop-rows', issue: 'rule', columns: [], rules, weights: null };
  return faultShare(correction, slice) > DROPPED_MAX ? null : correction;
}

/** One drifted category column gets the reference's shares back; more than one cannot be had by one weight. */
function fitDrift(columns: readonly string[], item: WorkItem, inputs: QualityInputs): Correction | null {
  const [column] = columns;
  const before = inputs.references?.[item.needId ?? '']?.sample?.columns[column];
  const after = inputs.samples?.[item.id]?.current?.columns[column];
  if (columns.length !== 1 || before?.kind !== 'category' || after == null) return null;
  const of = (counts: readonly number[]) => Object.fromEntries(before.values.map((value, i) => [value, counts[i]]));
  const weights = shareWeights(of(after.counts), of(before.counts));
  return weights === null ? null : { action: 'reweight', issue: 'drift', columns: [column], weights };
}

/** Share of rows or cells at fault: of the worst column, since the same rows may be bad in several. */
export function faultShare(what: AtFault, slice: SliceMetrics): number {
  return Math.max(0, ...faultShares(what, slice));
}
type AtFault = Pick<Correction, 'issue' | 'columns' | 'rules'>;

/** The share of each column or rule at fault. */
function faultShares({ issue, columns, rules = [] }: AtFault, slice: SliceMetrics): number[] {
  if (issue === 'rule') return rules.map((rule) => slice.ruleBreaches?.[rule] ?? 0);
  if (issue === 'duplicates') return [slice.duplicateRows / Math.max(1, slice.rows)];
  if (issue === 'class-mix' || issue === 'drift') return [];
  return columns.map((column) =>
    issue === 'missing'
      ? 1 - (slice.completeness[column] ?? 1)
      : (slice.invalid[column] ?? 0) * (slice.completeness[column] ?? 1),
  );
}

/**
 * What a correction will do to the rows and the class mix that its model gets. Of rows dropped whatever their class the gap
 * moves by as much as chance gives a draw of n (1 - lost) / lost rows (a sample against its own random part, Cochran 1977,
 * 2.6). Where the class itself is at fault, dropping or changing a share of its cells moves the mix by that share at most.
 */
export function predictEffect(
  correction: Correction,
  item: WorkItem,
  slice: SliceMetrics,
  inputs: QualityInputs,
): PredictedEffect {
  const { action, issue, columns, weights } = correction;
  const shares = action === 'drop-rows' ? faultShares(correction, slice) : [];
  const [least, most] = [shares.reduce((sum, share) => sum + share, 0), Math.max(0, ...shares)].map((lost) =>
    Math.round(slice.rows * Math.max(0, 1 - lost)),
  );
  const rows = { least, most };
  if (item.target === null || slice.classCounts === null) return { rows, classGap: null };
  const target = inputs.shares?.[item.id] ?? targetShares(item.target, slice.classCounts);
  const counts =
    issue === 'class-mix' && weights !== null ? weightedCounts(slice.classCounts, weights) : slice.classCounts;
  const mean = classGap(target, counts);
  const lost = 1 - least / Math.max(1, slice.rows);
  const ofClass = action !== 'reweight' && item.classColumn !== null && columns.includes(item.classColumn);
  const moved = lost === 0 ? 0 : classGapNoise(target, (slice.rows * (1 - lost)) / lost);
  return { rows, classGap: { mean, uncertainty: ofClass ? Math.max(lost, faultShare(correction, slice)) : moved } };
}

/** 32 bits of a text (FNV-1a): the draw of a strategy is that of its decision and item, whatever else is decided. */
function seedOf(seed: string, itemId: string): number {
  let hash = 0x811c9dc5;
  for (const letter of `${seed} ${itemId}`) hash = Math.imul(hash ^ letter.codePointAt(0)!, 0x01000193);
  return hash >>> 0;
}

/** The inputs with the treated slices in the place of the plain ones: what would be judged if they were handed out. */
export function withTreated(inputs: QualityInputs): QualityInputs {
  const treated = inputs.treated ?? {};
  const samples = Object.entries(treated).flatMap(([id, { sample }]) =>
    sample === null ? [] : [[id, sample] as const],
  );
  const orphans = Object.entries(treated).flatMap(([id, one]) =>
    one.orphans === undefined ? [] : [[id, one.orphans] as const],
  );
  return {
    ...inputs,
    results: inputs.results.map((result) =>
      Object.hasOwn(treated, result.itemId) ? { ...result, slice: treated[result.itemId].slice } : result,
    ),
    samples: { ...inputs.samples, ...Object.fromEntries(samples) },
    orphans: { ...inputs.orphans, ...Object.fromEntries(orphans) },
  };
}

/** Keeps or rolls back each correction, and learns from it. */
export function settleCorrections(
  inputs: QualityInputs,
  planned: readonly PlannedCorrection[],
  before: ReadonlyMap<string, Judged>,
  after: ReadonlyMap<string, Judged>,
): { readonly records: ReadonlyMap<string, CorrectionRecord>; readonly strategy: StrategyState } {
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const slices = new Map(inputs.results.map(({ itemId, slice }) => [itemId, slice]));
  const records = new Map<string, CorrectionRecord>();
  let strategy = inputs.strategy!;
  for (const plan of planned) {
    const treated = inputs.treated?.[plan.itemId];
    const { action, issue, columns, rules, predictedDelta, reason: chosen } = plan;
    const { costs } = inputs;
    const [item, slice] = [items.get(plan.itemId)!, slices.get(plan.itemId)!];
    const told = {
      ...{ action, issue, columns, ...(rules === undefined ? {} : { rules }), predictedDelta, chosen },
      // A record of before costs were kept replays without them.
      ...(costs === undefined
        ? {}
        : {
            predictedEffect: predictEffect(plan, item, slice, inputs),
            cost: { foreseen: costs[costKey(item.dataset, action)] ?? null, took: treated?.cost ?? null },
          }),
    };
    if (treated === undefined) {
      const reason = 'it could not be done';
      records.set(plan.itemId, {
        ...{
          ...told,
          applied: false,
          verdict: 'failed',
          measuredDelta: null,
          standardError: null,
          reason,
          effect: null,
        },
      });
      continue;
    }
    const verdicts = [before, after].map((one) => one.get(plan.itemId)!.verdict);
    const measured = measure(inputs, item, plan, slice, treated, verdicts);
    const learned = learnOutcome(strategy, measured.outcome, inputs.nowMs ?? inputs.asOfMs);
    strategy = learned.state;
    records.set(plan.itemId, {
      ...told,
      applied: learned.verdict.verdict !== 'roll-back',
      verdict: learned.verdict.verdict,
      measuredDelta: measured.outcome.measuredDelta,
      standardError: measured.outcome.standardError,
      reason: learned.verdict.reason,
      effect: measured.effect,
    });
  }
  return { records, strategy };
}

const RANK = ['pass', 'degrade', 'quarantine'];

function measure(
  inputs: QualityInputs,
  item: WorkItem,
  plan: PlannedCorrection,
  slice: SliceMetrics,
  treated: Treated,
  verdicts: readonly string[],
) {
  const reference = inputs.references?.[item.needId ?? '']?.sample ?? null;
  const [plain, changed] = [inputs.samples?.[item.id]?.current ?? null, treated.sample?.current ?? null];
  const pairs: ArmPair[] =
    reference === null || plain === null || changed === null
      ? []
      : pairSamples(reference, plain)
          .map((untreated, i) => ({ untreated, treated: pairSamples(reference, changed)[i] }))
          .filter(
            ({ untreated, treated: other }) => untreated.absentFrom === undefined && other.absentFrom === undefined,
          );
  const gap = gapsOf(inputs, item, slice, treated.slice);
  const shares = plan.issue === 'class-mix' && gap !== null ? gap : null;
  const fault = shares ?? { before: plan.fault, after: faultShare(plan, treated.slice) };
  const least = inputs.minRows[item.id] ?? item.minRows;
  const half = Math.ceil(slice.rows * (1 - DROPPED_MAX));
  const figures = [
    { name: 'verdict', before: RANK.indexOf(verdicts[0]), after: RANK.indexOf(verdicts[1]) },
    { name: 'rows below the minimum', before: 0, after: Math.max(0, least - treated.slice.rows) },
    // What was planned knows the share of each column or rule alone: together they may be in many more rows.
    { name: 'rows of the half that must be left', before: 0, after: Math.max(0, half - treated.slice.rows) },
  ];
  const lost = Math.min(0.999, Math.max(0, 1 - treated.effectiveRows / Math.max(1, slice.rows)));
  return {
    outcome: measureAction(plan, plan.issue === 'class-mix' ? [] : pairs, fault, figures, { lost, gained: 0 }),
    effect: {
      rows: { before: slice.rows, after: treated.slice.rows },
      fault: { before: fault.before, after: fault.after },
      classGap: gap,
      changedCells: treated.changedCells,
    },
  };
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

/** Class counts as their weights make them count; the sum stays the number of rows. */
export function weightedCounts(
  counts: Readonly<Record<string, number>>,
  weights: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(Object.keys(counts).map((name) => [name, counts[name] * countOf(weights, name)]));
}

/** A sentence for the delivery's report. */
export function describeCorrection(record: CorrectionRecord): string {
  const { action, columns, rules, applied, effect, reason } = record;
  const where = columns.length > 0 ? ` of ${columns.join(', ')}` : rules === undefined ? '' : ` ${rules.join('; ')}`;
  if (!applied) return `${action}${where} was ${record.verdict === 'failed' ? 'not done' : 'rolled back'}: ${reason}`;
  if (action === 'drop-rows')
    return `dropped ${effect!.rows.before - effect!.rows.after} rows (${record.issue}${where})`;
  if (action === 'impute')
    return `imputed ${effect!.changedCells} cells${where}, flagged in ${columns.map(imputedColumn).join(', ')}`;
  if (action === 'repair')
    return `repaired ${effect!.changedCells} cells${where}, flagged in ${columns.map(repairedColumn).join(', ')}`;
  return `rows weighted by ${columns.join(', ')} in ${WEIGHT_COLUMN}`;
}
