/** Routing round a bad source: the first further try at an item that is good enough to hand out. */
import { judgeSlice } from './judge-slice.js';
import type { ItemVerdict, Judged, QualityInputs } from './quality-inputs.js';
import type { WorkItem } from '../work.js';

/**
 * What becomes of an item whose slice would be kept back. Each try is judged by the same gate and the same promises; drift,
 * what is usual of the item and what its rows refer to are known of the first slice alone, and are not asked of another.
 *
 * @param bad the verdict on what was read first
 * @returns the verdict on the first try that is good enough, with where it came from; else `bad`, with what was tried
 */
export function routeRound(inputs: QualityInputs, item: WorkItem, bad: Judged): Judged & Pick<ItemVerdict, 'routed'> {
  const tries = inputs.rerouted?.[item.id] ?? [];
  const notRouted: string[] = [];
  for (const [attempt, { kind, dataset, slice, failure, cost, leastRows = 0 }] of tries.entries()) {
    const told = kind === 'refetch' ? 'reading it again' : `fallback ${dataset}`;
    if (slice === null) {
      notRouted.push(`${told}: ${failure ?? 'it was not read'}`);
      continue;
    }
    if (slice.rows < leastRows) {
      notRouted.push(`${told}: it has ${slice.rows} of the ${leastRows} rows`);
      continue;
    }
    const judged = judgeSlice(
      item,
      { itemId: item.id, slice, failure: null },
      { ...inputs, orphans: {} },
      { unusual: [], drift: null },
    );
    if (judged.verdict !== 'quarantine') {
      const routed = { kind, dataset, attempt, rows: slice.rows, reason: bad.reason };
      return { ...judged, routed: { ...routed, ...(cost === undefined ? {} : { cost }) } };
    }
    notRouted.push(`${told}: ${judged.reason}`);
  }
  return notRouted.length === 0 ? bad : { ...bad, notRouted, reason: [bad.reason, ...notRouted].join('; ') };
}

/** A sentence for the delivery's report. */
export function describeRoute({ kind, dataset, reason }: NonNullable<ItemVerdict['routed']>): string {
  const what = kind === 'refetch' ? `read again from ${dataset}` : `read from ${dataset} in its place`;
  return `${what}: ${reason}`;
}

/**
 * Whether an item is worth another try. A pin names one content, and only that. What is kept back for something that no try
 * is judged for stays so: the same rows read again would pass.
 */
export function isRoutable(
  item: Pick<WorkItem, 'datasetVersion'>,
  { verdict, findings }: Pick<Judged, 'verdict' | 'findings'>,
): boolean {
  const unasked = findings.some(
    ({ kind, severity }) =>
      severity === 'quarantine' && (kind === 'drift' || kind === 'orphan-rows' || kind.startsWith('unusual-')),
  );
  return verdict === 'quarantine' && item.datasetVersion === null && !unasked;
}
