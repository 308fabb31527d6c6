/** Stage 4, quality-check: is what was read good enough to hand out, and what stands in for it when it is not? */
import { planCorrections, settleCorrections, withTreated } from './correct.js';
import { driftOf, unusualFindings } from './delivery-metrics.js';
import { judgeSlice } from './judge-slice.js';
import { describeRoute, isRoutable, routeRound } from './reroute.js';
import type { ItemVerdict, Judged, QualityInputs, QualityOutcome } from './quality-inputs.js';

export function qualityCheck(inputs: QualityInputs): QualityOutcome {
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const lastGood = new Map(inputs.lastGood.map((last) => [last.needId, last]));
  const plain = judgeAll(inputs);
  const planned = planCorrections(inputs, plain);
  const treated = planned.length === 0 ? plain : judgeAll(withTreated(inputs));
  const settled = planned.length === 0 ? null : settleCorrections(inputs, planned, plain, treated);
  const verdicts = inputs.results.map(({ itemId }): ItemVerdict => {
    const item = items.get(itemId)!;
    const record = settled?.records.get(itemId);
    const first = (record?.applied === true ? treated : plain).get(itemId)!;
    const judged = {
      ...(isRoutable(item, first) ? routeRound(inputs, item, first) : first),
      ...(record === undefined ? {} : { correction: record }),
    };
    if (judged.verdict !== 'quarantine') return { ...judged, use: 'slice' };
    // Of `rows: new` every row is handed out once: an earlier delivery cannot stand in for later rows.
    const last = item.needId === null || item.window != null ? undefined : lastGood.get(item.needId);
    if (last === undefined) return { ...judged, use: 'none' };
    const ageMs = inputs.asOfMs - last.asOfMs;
    if (item.maxAgeMs !== null && ageMs > item.maxAgeMs)
      return { ...judged, use: 'none', reason: `${judged.reason}; the last good delivery is too old to stand in` };
    return { ...judged, use: 'last-good', reason: `${judged.reason}; the last good delivery stands in` };
  });
  return { verdicts, ...(settled === null ? {} : { strategy: settled.strategy }) };
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

export function qualityReasons({ verdicts }: QualityOutcome): string[] {
  return verdicts
    .filter(({ verdict, routed }) => verdict !== 'pass' || routed !== undefined)
    .slice(0, 50)
    .map(({ itemId, verdict, reason, routed }) => {
      const way = routed === undefined ? '' : `, ${describeRoute(routed)}`;
      return `${itemId}: ${verdict}: ${reason}${way}`;
    });
}
