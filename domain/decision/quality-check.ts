/** Stage 4, quality-check: is what was read good enough to hand out, and what stands in for it when it is not? */
import { gate, type GateContract, type GateVerdict } from '../quality/gate.js';
import type { DatasetDefinition } from '../types/pool.js';
import { targetShares } from '../analyzers/balance.js';
import type { WorkItem } from './work.js';

/** What came of one granted item: the slice's metrics, or why there is none. */
export interface Result {
  readonly itemId: string;
  readonly served: 'read' | 'merged' | 'cache';
  readonly asOfMs: number;
  readonly slice: SliceMetrics | null;
  readonly failure: { readonly type: string; readonly reason: string } | null;
}
export interface SliceMetrics {
  readonly digest: string;
  readonly rows: number;
  readonly newestEventMs: number | null;
  readonly completeness: Readonly<Record<string, number>>;
  /** Share of present values that break the contract. */
  readonly invalid: Readonly<Record<string, number>>;
  readonly duplicateRows: number;
  readonly classCounts: Readonly<Record<string, number>> | null;
}
export interface LastGood {
  readonly needId: string;
  readonly asOfMs: number;
  readonly digest: string;
}
export interface QualityInputs {
  readonly asOfMs: number;
  readonly items: readonly WorkItem[];
  readonly results: readonly Result[];
  /** Rows that a delivery should have, by item: fewer degrade it. */
  readonly granted: Readonly<Record<string, number>>;
  /** Rows below which it is kept back, by item. */
  readonly minRows: Readonly<Record<string, number>>;
  readonly datasets: Readonly<
    Record<string, Pick<DatasetDefinition, 'columns' | 'maxDuplicateFraction' | 'eventTime'>>
  >;
  readonly lastGood: readonly LastGood[];
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
}
export interface QualityOutcome {
  readonly verdicts: readonly ItemVerdict[];
}

export function qualityCheck(inputs: QualityInputs): QualityOutcome {
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const lastGood = new Map(inputs.lastGood.map((last) => [last.needId, last]));
  const verdicts = inputs.results.map((result): ItemVerdict => {
    const item = items.get(result.itemId)!;
    const judged = judge(item, result, inputs);
    if (judged.verdict !== 'quarantine') return { ...judged, use: 'slice' };
    // Of `rows: new` every row is handed out once: an earlier delivery cannot stand in for later rows.
    const last = item.needId === null || item.window != null ? undefined : lastGood.get(item.needId);
    if (last === undefined) return { ...judged, use: 'none' };
    const ageMs = inputs.asOfMs - last.asOfMs;
    if (item.maxAgeMs !== null && ageMs > item.maxAgeMs)
      return { ...judged, use: 'none', reason: `${judged.reason}; the last good delivery is too old to stand in` };
    return { ...judged, use: 'last-good', reason: `${judged.reason}; the last good delivery stands in` };
  });
  return { verdicts };
}

function judge(item: WorkItem, result: Result, inputs: QualityInputs): Omit<ItemVerdict, 'use'> {
  const { itemId, slice, failure } = result;
  if (slice === null) {
    const reason = failure?.reason ?? 'it was not read';
    return { itemId, verdict: 'quarantine', score: 0, dimensions: {}, findings: [], reason };
  }
  const { verdict, score, dimensions, findings } = gate(
    {
      rows: slice.rows,
      completeness: slice.completeness,
      invalid: Object.fromEntries(
        Object.entries(slice.invalid).map(([column, share]) => [
          column,
          Math.round(share * slice.rows * (slice.completeness[column] ?? 1)),
        ]),
      ),
      duplicateRows: slice.duplicateRows,
      ageMs: slice.newestEventMs === null ? null : Math.max(0, inputs.asOfMs - slice.newestEventMs),
      ...(slice.classCounts === null ? {} : { classCounts: slice.classCounts }),
    },
    contractOf(item, slice, inputs),
  );
  const worst = findings.filter(({ severity }) => severity !== 'note');
  return {
    itemId,
    verdict,
    score,
    dimensions,
    findings,
    reason:
      slice.rows === 0
        ? 'no row matches'
        : worst.length === 0
          ? 'meets its contract'
          : worst.map(({ message }) => message).join('; '),
  };
}

/** The dataset's promises over the delivered fields, joined with what the need asks. */
function contractOf(item: WorkItem, slice: SliceMetrics, inputs: QualityInputs): GateContract {
  const dataset = inputs.datasets[item.dataset];
  const columns: Record<string, { required?: boolean; minCompleteness?: number }> = {};
  for (const field of item.fields) {
    const promised = dataset.columns[field];
    const minCompleteness = Math.max(promised?.minCompleteness ?? 0, item.minCompleteness ?? 0);
    if (promised?.required || minCompleteness > 0) {
      columns[field] = {
        ...(promised?.required ? { required: true } : {}),
        ...(minCompleteness > 0 ? { minCompleteness } : {}),
      };
    }
  }
  const shares = item.target !== null && slice.classCounts !== null ? targetShares(item.target, slice.classCounts) : {};
  return {
    minRows: inputs.minRows[item.id] ?? item.minRows,
    rowsRequired: inputs.granted[item.id] ?? 0,
    columns,
    maxDuplicateFraction: dataset.maxDuplicateFraction,
    // A need bounds the age of its newest row, a request the age of a cached result. Without an event time there is no age to judge.
    maxAgeMs:
      item.kind === 'request' || dataset.eventTime === undefined || slice.newestEventMs === null ? null : item.maxAgeMs,
    ...(Object.keys(shares).length > 0 ? { classTarget: shares, maxClassGap: item.maxClassGap } : {}),
  };
}

export function qualityReasons({ verdicts }: QualityOutcome): string[] {
  return verdicts
    .filter(({ verdict }) => verdict !== 'pass')
    .slice(0, 50)
    .map(({ itemId, verdict, reason }) => `${itemId}: ${verdict}: ${reason}`);
}
