/** Which correction a slice at fault gets next: what is certain first, then what takes rows away, then what puts others' values in, then weights. */
import {
  actionsFor,
  DROPPED_MAX,
  imputedColumn,
  issueOf,
  repairedColumn,
  shareWeights,
  WEIGHT_COLUMN,
  type Correction,
  type FileAction,
  type Issue,
} from '../../quality/correction.js';
import { targetShares } from '../../analyzers/balance.js';
import type { GateFinding } from '../../quality/gate.js';
import { hashOf } from '../../quality/strategy-random.js';
import { chooseAction, restingUntilMs } from '../../quality/strategy.js';
import { faultShare } from './fault-share.js';
import { describeIdle, idleRest } from './idle-actions.js';
import type { QualityInputs, SliceMetrics } from './quality-inputs.js';
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
/**
 * The order of a sequence. A repair brings back what a row said and costs none; rows are dropped before cells are filled, so
 * that no sound value is put into a row that goes, and none is drawn from it; weights are of the rows that are left.
 */
const ORDER: readonly FileAction[] = ['repair', 'drop-rows', 'impute', 'reweight'];

/** An action on an issue of this slice was tried already: it is not tried again, whatever came of it. */
export type Tried = ReadonlySet<string>;
export const tryOf = ({ issue, action }: Pick<Correction, 'issue' | 'action'>): string => `${issue}/${action}`;

/**
 * The next correction of one slice, null where nothing that is allowed can mend a finding.
 *
 * @param findings the worst first: of two that want the same action the worse is mended first
 * @param tried what was done or tried before in this decision
 */
export function planCorrection(
  item: WorkItem,
  slice: SliceMetrics,
  findings: readonly GateFinding[],
  inputs: QualityInputs,
  tried: Tried,
): PlannedCorrection | null {
  const faults = findings.filter(({ severity }) => severity !== 'note');
  const issues = new Set(faults.flatMap((finding) => issueOf(finding) ?? []));
  const candidates = [...issues].flatMap((issue) => planIssue(issue, faults, item, slice, inputs, tried) ?? []);
  return candidates.reduce<PlannedCorrection | null>(
    (first, one) => (first === null || ORDER.indexOf(one.action) < ORDER.indexOf(first.action) ? one : first),
    null,
  );
}

/** What is done about one issue: a repair where one fits and does not rest, else what the strategy draws. */
function planIssue(
  issue: Issue,
  faults: readonly GateFinding[],
  item: WorkItem,
  slice: SliceMetrics,
  inputs: QualityInputs,
  tried: Tried,
): PlannedCorrection | null {
  const options = optionsFor(issue, faults, item, slice, inputs).filter(
    (option) => !tried.has(tryOf(option)) && idleRest(option, item.dataset, slice, inputs) === null,
  );
  const certain = options.filter(({ action }) => action === 'repair');
  return choose(certain, item, slice, inputs) ?? choose(options, item, slice, inputs);
}

/** The allowed actions that fit an issue of this slice, in full. */
function optionsFor(
  issue: Issue,
  faults: readonly GateFinding[],
  item: WorkItem,
  slice: SliceMetrics,
  inputs: QualityInputs,
): Correction[] {
  return actionsFor(issue, item.corrections ?? []).flatMap((action) => {
    const correction = fitAction(action, issue, faults, item, slice, inputs);
    return typeof correction === 'string' ? [] : [correction];
  });
}

/** Why an allowed action that fits a finding is not taken now, a sentence each: it found nothing to do, or did harm. */
export function restingCorrections(
  item: WorkItem,
  slice: SliceMetrics,
  findings: readonly GateFinding[],
  inputs: QualityInputs,
): string[] {
  const faults = findings.filter(({ severity }) => severity !== 'note');
  const issues = new Set(faults.flatMap((finding) => issueOf(finding) ?? []));
  return [...issues].flatMap((issue) =>
    optionsFor(issue, faults, item, slice, inputs).flatMap((option) => whyResting(option, item, slice, inputs) ?? []),
  );
}

/** Why a correction that fits rests, in a sentence; null where it may be taken. */
export function whyResting(
  option: Correction,
  { dataset }: WorkItem,
  slice: SliceMetrics,
  inputs: QualityInputs,
): string | null {
  const { strategy, nowMs = inputs.asOfMs } = inputs;
  if (strategy === undefined) return null;
  const idle = idleRest(option, dataset, slice, inputs);
  if (idle !== null) return describeIdle(option, idle);
  const harmedUntilMs = restingUntilMs(strategy, `${dataset}/${option.issue}`, option.action, nowMs);
  if (harmedUntilMs === null) return null;
  return `${option.action} did harm the last time: it is tried again from ${new Date(harmedUntilMs).toISOString()} on`;
}

function choose(
  options: readonly Correction[],
  item: WorkItem,
  slice: SliceMetrics,
  inputs: QualityInputs,
): PlannedCorrection | null {
  if (options.length === 0) return null;
  const key = `${item.dataset}/${options[0].issue}`;
  const choice = chooseAction(
    inputs.strategy!,
    key,
    options.map(({ action }) => action),
    inputs.nowMs ?? inputs.asOfMs,
    // The draw of a strategy is that of its decision and item, whatever else is decided.
    hashOf(`${inputs.seed ?? ''} ${item.id}`),
  );
  const chosen = options.find(({ action }) => action === choice.action);
  if (chosen === undefined) return null;
  const fault = faultShare(chosen, slice);
  const known = inputs.strategy!.records.some((one) => one.issue === key && one.action === chosen.action);
  // Without a record: all that is at fault comes right.
  const predictedDelta = known ? choice.predictedDelta : fault;
  return { ...chosen, itemId: item.id, key, predictedDelta, chance: choice.chance, reason: choice.reason, fault };
}

/** An action on an issue in full where it fits this slice, else why it does not. */
export function fitAction(
  action: FileAction,
  issue: Issue,
  faults: readonly GateFinding[],
  item: WorkItem,
  slice: SliceMetrics,
  inputs: QualityInputs,
): Correction | string {
  if (issue === 'rule') return fitRules(action, faults, item, slice, inputs);
  const columns = faults.flatMap((one) => (issueOf(one) === issue && one.column !== undefined ? [one.column] : []));
  return fit(action, issue, [...new Set(columns)].sort(), item, slice, inputs);
}

const CLASH = 'a column that it would add has the name of a field';
const NO_WEIGHTS = 'no weights bring the mix back: a class has no rows';
const TOO_MANY = 'more than half is at fault';

function fit(
  action: FileAction,
  issue: Issue,
  columns: readonly string[],
  item: WorkItem,
  slice: SliceMetrics,
  inputs: QualityInputs,
): Correction | string {
  const dataset = inputs.datasets[item.dataset];
  if (action === 'drop-rows') {
    // A row is not bad for lacking what it may lack.
    const required = columns.filter((column) => issue !== 'missing' || dataset.columns[column]?.required);
    if (issue === 'duplicates') {
      const key = dataset.key ?? [];
      if (key.length === 0 || !key.every((column) => item.fields.includes(column)))
        return 'the key is not among its fields';
    } else if (required.length === 0) return 'no column at fault is required: its rows are not bad for lacking it';
    const correction: Correction = { action, issue, columns: issue === 'duplicates' ? [] : required, weights: null };
    return faultShare(correction, slice) > DROPPED_MAX ? TOO_MANY : correction;
  }
  if (action === 'impute') {
    // Another row's key in the place of a bad one makes two rows one, and hides it.
    const clash = columns.some(
      (column) => item.fields.includes(imputedColumn(column)) || dataset.key?.includes(column) === true,
    );
    const correction: Correction = { action, issue, columns, weights: null };
    if (clash || columns.length === 0) return 'a column at fault is of the key, or its flag has the name of a field';
    return faultShare(correction, slice) > DROPPED_MAX ? TOO_MANY : correction;
  }
  if (action === 'repair') {
    // A key that is written anew may be another row's.
    const own = columns.filter((column) => Object.hasOwn(dataset.columns, column) && !dataset.key?.includes(column));
    const declared = own.filter((column) => isDeclared(dataset.columns[column]));
    const clash = declared.some((column) => item.fields.includes(repairedColumn(column)));
    // However many cells: what they mean is certain, whatever the others say.
    if (declared.length === 0) return 'nothing declared of the column says what a wrong cell means';
    return clash ? CLASH : { action, issue, columns: declared, weights: null };
  }
  if (item.fields.includes(WEIGHT_COLUMN)) return CLASH;
  if (issue === 'class-mix') {
    if (item.classColumn === null || item.target === null || slice.classCounts === null) return 'it has no class mix';
    if (!item.fields.includes(item.classColumn)) return 'the classes are not among its fields';
    const shares = inputs.shares?.[item.id] ?? targetShares(item.target, slice.classCounts);
    const weights = shareWeights(slice.classCounts, shares);
    return weights === null ? NO_WEIGHTS : { action, issue, columns: [item.classColumn], weights };
  }
  return fitDrift(columns, item, inputs);
}

/** Whether what was declared of a column can tell what a wrong cell means. */
function isDeclared({ type, unit, format, values }: QualityInputs['datasets'][string]['columns'][string]): boolean {
  return [type, unit, format, values].some((said) => said !== undefined);
}

/** Rows that break a rule are dropped whole: nothing tells which of their values is wrong, but where a dependency does. */
function fitRules(
  action: FileAction,
  faults: readonly GateFinding[],
  item: WorkItem,
  slice: SliceMetrics,
  inputs: QualityInputs,
): Correction | string {
  const broken = faults.flatMap((fault) => (issueOf(fault) === 'rule' ? (fault.rule ?? []) : []));
  if (action === 'repair') return fitDependencies(broken, item, inputs);
  const correction: Correction = { action, issue: 'rule', columns: [], rules: broken, weights: null };
  return faultShare(correction, slice) > DROPPED_MAX ? TOO_MANY : correction;
}

/** The other rows of its group say what a cell means; a key that is written anew may be another row's. */
function fitDependencies(broken: readonly string[], item: WorkItem, inputs: QualityInputs): Correction | string {
  const { dependencies = [], key = [] } = inputs.datasets[item.dataset];
  const mended = dependencies.filter(
    ({ text, to }) => broken.includes(text) && !key.includes(to) && !item.fields.includes(repairedColumn(to)),
  );
  if (mended.length === 0) return 'no declared dependency says what a wrong cell means';
  const columns = [...new Set(mended.map(({ to }) => to))].sort();
  return { action: 'repair', issue: 'rule', columns, rules: mended.map(({ text }) => text), weights: null };
}

/** One drifted category column gets the reference's shares back; more than one cannot be had by one weight. */
function fitDrift(columns: readonly string[], item: WorkItem, inputs: QualityInputs): Correction | string {
  const [column] = columns;
  const before = inputs.references?.[item.needId ?? '']?.sample?.columns[column];
  const after = inputs.samples?.[item.id]?.current?.columns[column];
  if (columns.length !== 1 || before?.kind !== 'category' || after == null)
    return 'weights bring back one drifted column of categories, no other';
  const of = (counts: readonly number[]) => Object.fromEntries(before.values.map((value, i) => [value, counts[i]]));
  const weights = shareWeights(of(after.counts), of(before.counts));
  return weights === null ? NO_WEIGHTS : { action: 'reweight', issue: 'drift', columns: [column], weights };
}
