/** What a dataset's circuit means for a decision's deliveries, and what they mean for the circuit. */
import { describeCircuit, nextCircuit, type Circuit } from './circuit.js';
import type { ItemVerdict, Judged, QualityInputs, Result, Routed } from './quality-inputs.js';
import { usedColumns } from './stand-in.js';
import type { WorkItem } from '../work.js';

/**
 * Where the rows of an item came from whose dataset rests; undefined where it does not rest, or they came from it after all
 * (an earlier result of it, or because the stand-in was no good).
 */
export function routeOfRest(
  { circuits = {} }: Pick<QualityInputs, 'circuits'>,
  { dataset }: WorkItem,
  { served, slice }: Pick<Result, 'served' | 'slice'>,
  { verdict, routed }: Judged,
): Routed | undefined {
  const rests = Object.hasOwn(circuits, dataset) ? circuits[dataset].rests : null;
  if (rests === null || served === 'cache' || slice === null || verdict === 'quarantine') return routed;
  const { standIn } = circuits[dataset];
  if (routed !== undefined) return routed.kind === 'refetch' ? { ...routed, dataset: standIn } : routed;
  return { kind: 'fallback', dataset: standIn, attempt: null, rows: slice.rows, reason: `it rests: ${rests}` };
}

/** The circuits that change by what a decision saw, by dataset. */
export function circuitsAfter(
  { circuits = {}, items, results, asOfMs }: QualityInputs,
  verdicts: readonly ItemVerdict[],
): Record<string, Circuit> {
  const resultOf = new Map(results.map((result) => [result.itemId, result]));
  const verdictOf = new Map(verdicts.map((verdict) => [verdict.itemId, verdict]));
  const changed: Record<string, Circuit> = {};
  for (const [id, { of, standIn, before, rests, unread }] of Object.entries(circuits)) {
    const rested = rests !== null;
    const read = items.flatMap((item) => {
      const judged = verdictOf.get(item.id);
      const counts = item.dataset === id && item.datasetVersion === null && resultOf.get(item.id)?.served !== 'cache';
      return counts && judged !== undefined ? [{ item, judged }] : [];
    });
    // The dataset itself, where its stand-in was read first; else the stand-in.
    const saved = read.filter(
      ({ judged: { routed } }) => routed?.kind === 'fallback' && routed.dataset === (rested ? id : standIn),
    );
    const failed = read.filter(({ judged: { use } }) => use !== 'slice');
    const bad = failed.length + saved.length;
    const hasRows = ({ item }: (typeof read)[number]): boolean => resultOf.get(item.id)?.slice != null;
    const seen = {
      ...{ of, standIn, rested, items: read.length + unread, bad: bad + unread, saved: saved.length },
      columns: [...new Set(saved.flatMap(({ item }) => usedColumns(item)))].sort(),
      silent: !rested && unread > 0,
      empty: ![...failed, ...saved].some(hasRows),
      // What was wrong with rows says more than that others got none.
      reason: (saved.find(hasRows) ?? saved.at(0))?.judged.routed?.reason ?? (unread > 0 ? 'it did not answer' : ''),
    };
    const next = nextCircuit(before, seen, asOfMs);
    if (next !== null) changed[id] = next;
  }
  return changed;
}

/** A sentence for each circuit that changed. */
export function circuitReasons(
  circuits: Readonly<Record<string, Circuit>>,
  known: QualityInputs['circuits'],
): string[] {
  return Object.keys(circuits)
    .sort()
    .map((id) => describeCircuit(id, circuits[id], known?.[id].rests != null));
}
