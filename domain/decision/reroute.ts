/** Routing round a bad source: the first further try at an item that is good enough to hand out. */
import { judgeSlice } from './judge-slice.js';
import type { ItemVerdict, Judged, QualityInputs } from './quality-inputs.js';
import type { WorkItem } from './work.js';

/**
 * What becomes of an item whose slice would be kept back. Each try is judged by the same gate and the same promises; what is
 * usual of the item and what its rows refer to was learned and counted on the first slice, and is not asked of another.
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

/** Whether an item is worth another try: a pin names one content, and only that. */
export function isRoutable(item: Pick<WorkItem, 'datasetVersion'>, judged: Pick<Judged, 'verdict'>): boolean {
  return judged.verdict === 'quarantine' && item.datasetVersion === null;
}
