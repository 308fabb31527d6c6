/** One slice against everything that is known of it: its contract, what is usual of it, what its model had before. */
import { targetShares } from '../../analyzers/balance.js';
import {
  bySeverity,
  gate,
  verdictOf,
  type GateContract,
  type GateFinding,
  type GateVerdict,
} from '../../quality/gate.js';
import type { DatasetDrift } from '../../quality/shift.js';
import { contentFindings } from './content-findings.js';
import { driftFindings, driftOf, unusualFindings } from './delivery-metrics.js';
import { orphanFindings } from './orphans.js';
import type { Judged, QualityInputs, Result, SliceMetrics } from './quality-inputs.js';
import type { WorkItem } from '../work.js';

/** What the other deliveries of the decision and earlier ones say about this slice. */
interface Context {
  readonly unusual: readonly GateFinding[];
  /** Null where there is no reference. */
  readonly drift: DatasetDrift | null;
}

/** Every slice against its contract, its reference and what is usual of it; all of the decision are judged together. */
export function judgeAll(inputs: QualityInputs): ReadonlyMap<string, Judged> {
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const drift = driftOf(inputs);
  const unusual = unusualFindings(inputs);
  return new Map(
    inputs.results.map((result) => {
      const context = { unusual: unusual.get(result.itemId) ?? [], drift: drift.get(result.itemId) ?? null };
      return [result.itemId, judgeSlice(items.get(result.itemId)!, result, inputs, context)];
    }),
  );
}

/** The verdict on a slice, with every finding, the worst first; `quarantine` where nothing was read. */
function judgeSlice(item: WorkItem, result: Result, inputs: QualityInputs, context: Context): Judged {
  const { itemId, slice, failure } = result;
  if (slice === null) {
    const reason = failure?.reason ?? 'it was not read';
    return { itemId, verdict: 'quarantine', score: 0, dimensions: {}, findings: [], reason };
  }
  const judged = gateOf(item, slice, inputs);
  const { drift, unusual } = context;
  const findings = [
    ...judged.findings,
    ...unusual,
    ...contentFindings(inputs.contents?.[itemId]),
    ...orphanFindings(inputs.orphans?.[itemId], slice.rows, inputs.datasets[item.dataset].maxInconsistentFraction),
    ...driftFindings(item, drift, inputs),
  ].sort(bySeverity);
  const compared = drift?.columns.filter(({ test }) => test !== 'none') ?? [];
  const worst = findings.filter(({ severity }) => severity !== 'note');
  return {
    itemId,
    verdict: verdictOf(findings),
    score: judged.score,
    dimensions:
      compared.length === 0
        ? judged.dimensions
        : { ...judged.dimensions, stability: 1 - compared.filter((column) => column.drift).length / compared.length },
    findings,
    reason:
      slice.rows === 0
        ? 'no row matches'
        : worst.length === 0
          ? 'meets its contract'
          : worst.map(({ message }) => message).join('; '),
  };
}

/** A slice against its contract alone: what is promised of its dataset and what its item asks. */
export function gateOf(item: WorkItem, slice: SliceMetrics, inputs: QualityInputs): GateVerdict {
  return gate(
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
      ...(slice.ruleBreaches === undefined ? {} : { ruleBreaches: rowsOf(slice.ruleBreaches, slice.rows) }),
      ageMs: slice.newestEventMs === null ? null : Math.max(0, inputs.asOfMs - slice.newestEventMs),
      ...(slice.classCounts === null ? {} : { classCounts: slice.classCounts }),
    },
    contractOf(item, slice, inputs),
  );
}

/** Shares of rows as numbers of rows. */
function rowsOf(shares: Readonly<Record<string, number>>, rows: number): Record<string, number> {
  return Object.fromEntries(Object.entries(shares).map(([name, share]) => [name, Math.round(share * rows)]));
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
  const shares =
    item.target !== null && slice.classCounts !== null
      ? (inputs.shares?.[item.id] ?? targetShares(item.target, slice.classCounts))
      : {};
  return {
    minRows: inputs.minRows[item.id] ?? item.minRows,
    rowsRequired: inputs.granted[item.id] ?? 0,
    columns,
    maxDuplicateFraction: dataset.maxDuplicateFraction,
    ...(dataset.maxInconsistentFraction === undefined
      ? {}
      : { maxInconsistentFraction: dataset.maxInconsistentFraction }),
    // A need bounds the age of its newest row, a request the age of a cached result. Without an event time there is no age to judge.
    maxAgeMs:
      item.kind === 'request' || dataset.eventTime === undefined || slice.newestEventMs === null ? null : item.maxAgeMs,
    ...(Object.keys(shares).length > 0 ? { classTarget: shares, maxClassGap: item.maxClassGap } : {}),
  };
}
