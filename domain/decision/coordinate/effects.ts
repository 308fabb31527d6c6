/**
 * What a decision's findings, and everything that could be done about them, do to each model that uses the data: told of
 * what was done and of what was not, of the need that it was done for and of all others. Pure.
 */
import type { AnalysisSnapshot, Finding } from '../../analyzers/analyzer.js';
import { DEFAULT_MIN_COMPLETENESS, type GateFinding } from '../../quality/gate.js';
import { percent } from '../../quality/gate-severity.js';
import { exactly, type Range } from '../../quality/impact.js';
import { faultKey, hitRows, isOwnFault, usesFault, withoutFault, type Fault } from '../quality/faults.js';
import { gateOf } from '../quality/judge-slice.js';
import { effectAsIs, faultsFound, type NeedEffect, type ReadSlice } from '../quality/need-effect.js';
import { nameOf, type DecisionEffects, type FaultImpact, type Reader } from './effect-record.js';
import { sharedActions, type SharedInputs } from './shared-actions.js';
import { foreseenEffect } from './shortages.js';
import { waysOf, type WaysInputs } from './ways.js';
import type { QualityInputs } from '../quality/quality-inputs.js';
import type { WorkItem } from '../work.js';

/** What the stages before left behind. */
export interface EffectInputs extends WaysInputs, SharedInputs {
  readonly snapshot: AnalysisSnapshot;
  readonly findings: readonly Finding[];
}

/** Faults, and issues, told of one decision: the record is to be read. */
const TOLD_MAX = 200;

export function decisionEffects(inputs: EffectInputs): DecisionEffects {
  const reads = slicesRead(inputs);
  const read = new Set(reads.flatMap(({ item }) => item.needId ?? []));
  // How old rows are is counted of those that were read.
  const findings = inputs.findings.filter(({ kind, needId }) => kind !== 'freshness' || !read.has(needId));
  const faults = [
    ...foreseenFaults(findings, inputs.snapshot),
    ...faultImpacts(reads, inputs.quality),
    ...unreadFaults(inputs),
  ];
  return {
    faults: faults.slice(0, TOLD_MAX),
    ways: waysOf(reads, inputs).slice(0, TOLD_MAX),
    shared: sharedActions(inputs).slice(0, TOLD_MAX),
  };
}

/** What the analyze stage found, the worst first: of the same column of the same dataset together. */
function foreseenFaults(findings: readonly Finding[], snapshot: AnalysisSnapshot): FaultImpact[] {
  const of = new Map<string, FaultImpact>();
  for (const finding of findings) {
    const effect = foreseenEffect(finding, snapshot);
    if (effect === null) continue;
    const { needId, model, dataset, kind, column, message } = finding;
    // What a need lacks of its own question is its own; what a column holds concerns all who read it.
    const shared = kind === 'hidden-missing';
    const key = JSON.stringify([dataset, kind, column, shared ? null : needId]);
    const known = of.get(key) ?? {
      ...{ dataset, kind, ...(column === undefined ? {} : { column }), message, readers: [] },
      untouched: shared ? nonReaders(dataset, column!, snapshot) : [],
    };
    of.set(key, { ...known, readers: [...known.readers, { needId, model, effect, sound: null }] });
  }
  return [...of.values()];
}

function nonReaders(dataset: string, column: string, { needs }: AnalysisSnapshot): FaultImpact['untouched'] {
  return needs
    .filter((need) => need.dataset === dataset && need.classColumn !== column && !need.fields.includes(column))
    .map(({ id, model }) => ({ needId: id, model, why: `it does not read ${column}` }));
}

/** Columns that lack values though they are promised, and that nobody who asks in this cycle uses: it hits no model. */
function unreadFaults({ quality, snapshot }: EffectInputs): FaultImpact[] {
  return snapshot.datasets.flatMap(({ id, completeness }) => {
    if (!Object.hasOwn(quality.datasets, id)) return [];
    const { columns } = quality.datasets[id];
    const asking = quality.items.filter((item) => item.dataset === id);
    return Object.keys(columns)
      .sort()
      .flatMap((column): FaultImpact[] => {
        const fault: Fault = { dataset: id, kind: 'missing', column };
        const { required, minCompleteness = required ? DEFAULT_MIN_COMPLETENESS : 0 } = columns[column];
        const present = Object.hasOwn(completeness, column) ? completeness[column] : 1;
        if (present >= minCompleteness || asking.some((item) => usesFault(fault, item))) return [];
        const message = `${column} lacks ${percent(1 - present)} of its values, though at least ${percent(minCompleteness)} are promised`;
        return [{ ...fault, message, readers: [], untouched: [] }];
      });
  });
}

/** What was read first for each item, by item, with what was found of it. */
function slicesRead({ quality, verdicts }: EffectInputs): ReadSlice[] {
  const items = new Map(quality.items.map((item) => [item.id, item]));
  const judged = new Map(verdicts.map((verdict) => [verdict.itemId, verdict]));
  const results = [...quality.results].sort((a, b) => (a.itemId < b.itemId ? -1 : 1));
  return results.flatMap(({ itemId, slice }) => {
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

function readerOf({ needId, model }: WorkItem): Reader {
  return { needId, model, ...(needId === null ? { requests: 1 } : {}) };
}
