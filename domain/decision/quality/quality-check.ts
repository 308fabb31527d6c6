/** Stage 4, quality-check: is what was read good enough to hand out, and what stands in for it when it is not? */
import { planCorrections, settleCorrections, withTreated } from './correct.js';
import { judgeAll } from './judge-slice.js';
import { describeRoute, routeRound } from './reroute.js';
import type { ItemVerdict, QualityInputs, QualityOutcome } from './quality-inputs.js';

export function qualityCheck(inputs: QualityInputs): QualityOutcome {
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const lastGood = new Map(inputs.lastGood.map((last) => [last.needId, last]));
  const plain = judgeAll(inputs);
  const planned = planCorrections(inputs, plain);
  const treated = planned.length === 0 ? plain : judgeAll(withTreated(inputs));
  const settled = planned.length === 0 ? null : settleCorrections(inputs, planned, plain, treated);
  const first = new Map(
    [...plain].map(([id, judged]) => [id, settled?.records.get(id)?.applied === true ? treated.get(id)! : judged]),
  );
  const rerouted = routeRound(inputs, first);
  const verdicts = inputs.results.map(({ itemId }): ItemVerdict => {
    const item = items.get(itemId)!;
    const record = settled?.records.get(itemId);
    const judged = {
      ...(rerouted.get(itemId) ?? first.get(itemId)!),
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

export function qualityReasons({ verdicts }: QualityOutcome): string[] {
  return verdicts
    .filter(({ verdict, routed }) => verdict !== 'pass' || routed !== undefined)
    .slice(0, 50)
    .map(({ itemId, verdict, reason, routed }) => {
      const way = routed === undefined ? '' : `, ${describeRoute(routed)}`;
      return `${itemId}: ${verdict}: ${reason}${way}`;
    });
}
