/** What a correction will do to the model, told before it is done. */
import { classGap, classGapNoise, countOf, targetShares } from '../../analyzers/balance.js';
import type { Correction } from '../../quality/correction.js';
import { gainKey } from './correction-cost.js';
import { faultShare, faultShares } from './fault-share.js';
import type { PredictedEffect, QualityInputs, SliceMetrics } from './quality-inputs.js';
import type { WorkItem } from '../work.js';

/**
 * What a correction will do to the rows, the class mix and the freshness of what its model gets, and what it brought before. Of rows dropped whatever their class the gap
 * moves by as much as chance gives a draw of n (1 - lost) / lost rows (a sample against its own random part, Cochran 1977,
 * 2.6). Where the class itself is at fault, dropping or changing a share of its cells moves the mix by that share at most.
 */
export function predictEffect(
  correction: Correction,
  item: WorkItem,
  slice: SliceMetrics,
  inputs: QualityInputs,
): PredictedEffect {
  const { action, issue, columns, weights } = correction;
  const shares = action === 'drop-rows' ? faultShares(correction, slice) : [];
  const [least, most] = [shares.reduce((sum, share) => sum + share, 0), Math.max(0, ...shares)].map((lost) =>
    Math.round(slice.rows * Math.max(0, 1 - lost)),
  );
  const ageMs =
    slice.newestEventMs === null
      ? null
      : { least: Math.max(0, inputs.asOfMs - slice.newestEventMs), chanceOlder: 1 - least / Math.max(1, slice.rows) };
  const gain = inputs.gains === undefined ? {} : { gain: inputs.gains[gainKey(item.dataset, correction)] ?? null };
  const told = { rows: { least, most }, ageMs, ...gain };
  if (item.target === null || slice.classCounts === null) return { ...told, classGap: null };
  const target = inputs.shares?.[item.id] ?? targetShares(item.target, slice.classCounts);
  const counts =
    issue === 'class-mix' && weights !== null ? weightedCounts(slice.classCounts, weights) : slice.classCounts;
  const mean = classGap(target, counts);
  const lost = 1 - least / Math.max(1, slice.rows);
  const ofClass = action !== 'reweight' && item.classColumn !== null && columns.includes(item.classColumn);
  const moved = lost === 0 ? 0 : classGapNoise(target, (slice.rows * (1 - lost)) / lost);
  return { ...told, classGap: { mean, uncertainty: ofClass ? Math.max(lost, faultShare(correction, slice)) : moved } };
}

/** Class counts as their weights make them count; the sum stays the number of rows. */
export function weightedCounts(
  counts: Readonly<Record<string, number>>,
  weights: Readonly<Record<string, number>>,
): Record<string, number> {
  return Object.fromEntries(Object.keys(counts).map((name) => [name, counts[name] * countOf(weights, name)]));
}
