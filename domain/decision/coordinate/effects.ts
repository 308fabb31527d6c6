/**
 * What a decision's findings, and everything that could be done about them, do to each model that uses the data: told of
 * what was done and of what was not, of the need that it was done for and of all others. Pure.
 */
import type { AnalysisSnapshot, Finding } from '../../analyzers/analyzer.js';
import { DEFAULT_MIN_COMPLETENESS } from '../../quality/gate.js';
import { percent } from '../../quality/gate-severity.js';
import { usesFault, type Fault } from '../quality/faults.js';
import type { ReadSlice } from '../quality/need-effect.js';
import type { WorkItem } from '../work.js';
import type { DecisionEffects, FaultImpact } from './effect-record.js';
import { faultImpacts } from './fault-impacts.js';
import { sharedActions, type SharedInputs } from './shared-actions.js';
import { foreseenFaults } from './shortages.js';
import { waysOf, type WaysInputs } from './ways.js';

/** What the stages before left behind. */
export interface EffectInputs extends WaysInputs, SharedInputs {
  readonly snapshot: AnalysisSnapshot;
  readonly findings: readonly Finding[];
}

/**
 * What is told of one decision: the record is to be read, and to be small beside the decision. Of needs with `CLASSES_MAX`
 * classes each it is a megabyte at most.
 */
const FAULTS_MAX = 200;
const READERS_MAX = 400;
const WAYS_MAX = 100;
const SHARED_MAX = 100;

export function decisionEffects(inputs: EffectInputs): DecisionEffects {
  const reads = slicesRead(inputs);
  const counted = faultImpacts(reads, inputs.quality, FAULTS_MAX, READERS_MAX);
  const others = [...foreseenFaults(inputs), ...unreadFaults(inputs)];
  const ways = waysOf(reads, inputs, WAYS_MAX);
  const shared = sharedActions(inputs, READERS_MAX / SHARED_MAX);
  const faults = [...counted.faults, ...others];
  const omitted = {
    faults: counted.omitted + Math.max(0, faults.length - FAULTS_MAX),
    ways: ways.omitted,
    shared: Math.max(0, shared.length - SHARED_MAX),
  };
  return {
    ...{ faults: faults.slice(0, FAULTS_MAX), ways: ways.ways, shared: shared.slice(0, SHARED_MAX) },
    ...(Object.values(omitted).every((left) => left === 0) ? {} : { omitted }),
  };
}

/** Columns that lack values though they are promised, and that nobody who asks in this cycle uses: it hits no model. */
function unreadFaults({ quality, snapshot }: EffectInputs): FaultImpact[] {
  return snapshot.datasets.flatMap(({ id, completeness }) => {
    if (!Object.hasOwn(quality.datasets, id)) return [];
    const { columns } = quality.datasets[id];
    const lacking = Object.keys(columns).flatMap((column) => {
      const { required, minCompleteness = required ? DEFAULT_MIN_COMPLETENESS : 0 } = columns[column];
      const present = Object.hasOwn(completeness, column) ? completeness[column] : 1;
      return present >= minCompleteness ? [] : [{ column, present, minCompleteness }];
    });
    const asking = lacking.length === 0 ? [] : quality.items.filter((item) => item.dataset === id);
    return lacking
      .sort((a, b) => (a.column < b.column ? -1 : 1))
      .flatMap(({ column, present, minCompleteness }): FaultImpact[] => {
        const fault: Fault = { dataset: id, kind: 'missing', column };
        if (asking.some((item) => usesFault(fault, item))) return [];
        const message = `${column} lacks ${percent(1 - present)} of its values, though at least ${percent(minCompleteness)} are promised`;
        return [{ ...fault, message, readers: [], untouched: [] }];
      });
  });
}

/** What was read first for each item of a dataset of which something was found, by item, with what was found of it. */
function slicesRead({ quality, verdicts }: EffectInputs): ReadSlice[] {
  const judged = new Map(verdicts.map((verdict) => [verdict.itemId, verdict]));
  const found = verdicts.filter(({ findings, asRead }) => (asRead?.findings ?? findings).length > 0);
  if (found.length === 0) return [];
  const items = new Map(quality.items.map((item) => [item.id, item]));
  const datasets = new Set(found.map(({ itemId }) => items.get(itemId)!.dataset));
  return quality.results
    .flatMap(({ itemId, slice }): { readonly item: WorkItem; readonly slice: ReadSlice['slice'] }[] => {
      const item = items.get(itemId)!;
      return slice === null || slice.rows === 0 || !datasets.has(item.dataset) ? [] : [{ item, slice }];
    })
    .sort((a, b) => (a.item.id < b.item.id ? -1 : 1))
    .map(({ item, slice }) => {
      const of = judged.get(item.id)!;
      const { verdict, score, findings } = of.asRead ?? of;
      return { item, slice, verdict, score, findings };
    });
}
