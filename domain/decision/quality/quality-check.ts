/** Stage 4, quality-check: is what was read good enough to hand out, and what stands in for it when it is not? */
import { correctAll, correctionsOf, keptCopy, type Corrections } from './correct.js';
import { judgeAll } from './judge-slice.js';
import { describeRoute, routeRound } from './reroute.js';
import { circuitReasons, circuitsAfter, routeOfRest } from './resting.js';
import type { ItemVerdict, Judged, QualityInputs, QualityOutcome, SliceMetrics } from './quality-inputs.js';
import { restingCorrections } from './plan-correction.js';
import type { WorkItem } from '../work.js';

/**
 * Version of what this stage makes of its inputs: raised with every change that makes something else of inputs of before it.
 * A record of an older version has still its own digests, but cannot be replayed. 2: corrections that find nothing to do rest,
 * and a source that gives no data is told apart from one whose rows are no good. 3: the reasons of corrections in rounded
 * figures, and what got worse said to be so. 4: of every kind of finding it is told what it does to the models (told by the coordinate stage).
 */
export const QUALITY_RULES = 4;

export function qualityCheck(inputs: QualityInputs): QualityOutcome {
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const lastGood = new Map(inputs.lastGood.map((last) => [last.needId, last]));
  const corrected = correctAll(inputs);
  const rerouted = routeRound(inputs, corrected.judged);
  const verdicts = inputs.results.map(({ itemId, served, ...result }): ItemVerdict => {
    const item = items.get(itemId)!;
    const [correction, ...further] = corrected.records.get(itemId) ?? [];
    const resting = restingFor(item, result.slice, corrected);
    const done = {
      ...(correction === undefined ? {} : { correction }),
      ...(further.length === 0 ? {} : { furtherCorrections: further }),
      ...(resting.length === 0 ? {} : { notCorrected: resting }),
    };
    const best = rerouted.get(itemId) ?? corrected.judged.get(itemId)!;
    const first = corrected.first.get(itemId)!;
    const slice = keptCopy(inputs.treated, { itemId, ...done })?.slice ?? result.slice;
    const routed = routeOfRest(inputs, item, { served, slice }, best);
    const judged = {
      ...best,
      ...(routed === undefined ? {} : { routed }),
      ...done,
      ...(inputs.ways === undefined || best.findings === first.findings ? {} : { asRead: asReadOf(first) }),
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
  const circuits = circuitsAfter(inputs, verdicts);
  return {
    verdicts,
    ...(learned === undefined ? {} : { strategy: learned }),
    ...(Object.keys(circuits).length === 0 ? {} : { circuits }),
  };
}

/** What rests of the corrections that would fit a slice as it was read. */
function restingFor(item: WorkItem, slice: SliceMetrics | null, { plain, first }: Corrections): string[] {
  if (slice === null) return [];
  return restingCorrections(item, slice, first.get(item.id)!.findings, plain);
}

function asReadOf({ verdict, score, findings }: Judged): NonNullable<ItemVerdict['asRead']> {
  return { verdict, score, findings };
}

/**
 * The items whose slices were no good as they were read or found in the cache, whatever was handed out in their place: nobody
 * else is to be answered with them.
 */
export function badReads(inputs: QualityInputs, { verdicts }: QualityOutcome): ReadonlySet<string> {
  const isTreated = (judged: ItemVerdict): boolean => correctionsOf(judged).some(({ applied }) => applied);
  // The verdict on a treated slice says nothing of the plain one.
  const plain = verdicts.some(isTreated) ? judgeAll(inputs) : null;
  const bad = verdicts.filter((judged) =>
    isTreated(judged)
      ? plain!.get(judged.itemId)!.verdict === 'quarantine'
      : judged.verdict === 'quarantine' || judged.routed?.attempt != null,
  );
  return new Set(bad.map(({ itemId }) => itemId));
}

export function qualityReasons(
  { verdicts, circuits = {} }: QualityOutcome,
  { circuits: known }: Pick<QualityInputs, 'circuits'>,
): string[] {
  const judged = verdicts
    .filter(({ verdict, routed }) => verdict !== 'pass' || routed !== undefined)
    .slice(0, 50)
    .map(({ itemId, verdict, reason, routed, notCorrected = [] }) => {
      const way = routed === undefined ? '' : `, ${describeRoute(routed)}`;
      const rests = notCorrected.map((one) => `; ${one}`).join('');
      return `${itemId}: ${verdict}: ${reason}${way}${rests}`;
    });
  return [...circuitReasons(circuits, known), ...judged];
}
