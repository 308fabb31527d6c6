/** Stage 4, quality-check: is what was read good enough to hand out, and what stands in for it when it is not? */
import { correctAll } from './correct.js';
import { describeRoute, routeRound } from './reroute.js';
import type { ItemVerdict, QualityInputs, QualityOutcome } from './quality-inputs.js';

export function qualityCheck(inputs: QualityInputs): QualityOutcome {
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const lastGood = new Map(inputs.lastGood.map((last) => [last.needId, last]));
  const corrected = correctAll(inputs);
  const rerouted = routeRound(inputs, corrected.judged);
  const verdicts = inputs.results.map(({ itemId }): ItemVerdict => {
    const item = items.get(itemId)!;
    const [correction, ...further] = corrected.records.get(itemId) ?? [];
    const judged = {
      ...(rerouted.get(itemId) ?? corrected.judged.get(itemId)!),
      ...(correction === undefined ? {} : { correction }),
      ...(further.length === 0 ? {} : { furtherCorrections: further }),
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
  const learned = corrected.records.size === 0 ? undefined : corrected.inputs.strategy;
  return { verdicts, ...(learned === undefined ? {} : { strategy: learned }) };
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
