/** Impact analyzer: what a proposed decision does to every model, before it takes effect. */
import type { AnalysisSnapshot, ClassCounts, NeedMeasurement, NeedView } from './analyzer.js';
import { classGap, classGapNoise, targetShares, totalOf } from './balance.js';
import { knownClassCounts } from './distribution.js';
import { formatDuration } from '../types/units.js';

/** What the decision would hand to one need. */
export interface Grant {
  readonly needId: string;
  readonly rows: number;
  /** Rows by class when the draw is stratified; absent or null: a plain draw from what matches. */
  readonly classRows?: ClassCounts | null;
  /** Logical bytes that the grant costs; absent: not counted. */
  readonly bytes?: number;
}

/** What a model holds now, from its last delivery for this need. */
export interface Holding {
  readonly needId: string;
  readonly rows: number;
  readonly classCounts: ClassCounts | null;
  readonly newestEventMs: number | null;
}

/** A figure before and after; null where it is not known or not asked for. */
export interface BeforeAfter {
  readonly before: number | null;
  readonly after: number | null;
}

export type Risk = 'low' | 'medium' | 'high';

export interface NeedImpact {
  readonly needId: string;
  readonly rowsWanted: number;
  readonly rows: BeforeAfter;
  /** Half the L1 distance to the class target, 0 to 1. */
  readonly classGap: BeforeAfter;
  /** The gap that chance may add to a plain draw of that size (one expected deviation); 0 for a stratified draw. */
  readonly classGapUncertainty: number;
  readonly ageMs: BeforeAfter;
  readonly bytes: number;
  /** 0 to 1: share of what was wanted that stays unmet: the worst of rows, class gap and age. */
  readonly unmet: number;
}

export interface ModelImpact {
  readonly model: string;
  readonly risk: Risk;
  readonly reasons: readonly string[];
  readonly needs: readonly NeedImpact[];
}

/** Up to one row in ten unmet is a low risk: the tolerance that the quality gate has for a class gap by default. */
export const LOW_RISK_MAX = 0.1;
/** From half of what was asked unmet, the delivery no longer represents the need: high risk. */
export const HIGH_RISK_MIN = 0.5;

/**
 * Effect of `grants` on every model with a need in the snapshot.
 *
 * @param snapshot the same view that the analyzers read
 * @param grants at most one a need; a need without a grant gets nothing
 * @param holdings what the models hold now; a need without one held nothing
 * @returns one entry a model, by model id, needs by id. Risk rates `critical x unmet`, the worst need decides
 */
export function analyzeImpact(
  snapshot: AnalysisSnapshot,
  grants: readonly Grant[],
  holdings: readonly Holding[] = [],
): ModelImpact[] {
  const byNeed = <T extends { readonly needId: string }>(list: readonly T[]): Map<string, T> =>
    new Map(list.map((entry) => [entry.needId, entry]));
  const granted = byNeed(grants);
  const held = byNeed(holdings);
  const measured = byNeed(snapshot.measurements);
  const models = new Map<string, { need: NeedView; impact: NeedImpact }[]>();
  for (const need of snapshot.needs) {
    const impact = impactOf(
      need,
      knownClassCounts(snapshot, need),
      granted.get(need.id),
      held.get(need.id),
      measured.get(need.id),
      snapshot.asOfMs,
    );
    models.set(need.model, [...(models.get(need.model) ?? []), { need, impact }]);
  }
  return [...models]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([model, entries]) => ({
      model,
      ...rate(entries),
      needs: entries.map(({ impact }) => impact).sort(byNeedId),
    }));
}

function byNeedId(a: NeedImpact, b: NeedImpact): number {
  return a.needId < b.needId ? -1 : 1;
}

/** Class counts that a plain draw of `rows` is expected to have, or the quotas of a stratified one. */
function drawnCounts(grant: Grant, measured: NeedMeasurement | undefined): ClassCounts | null {
  if (grant.classRows) return grant.classRows;
  const counts = measured?.classCounts ?? null;
  if (counts === null || totalOf(counts) === 0) return null;
  const scale = grant.rows / totalOf(counts);
  return Object.fromEntries(Object.entries(counts).map(([key, count]) => [key, count * scale]));
}

function impactOf(
  need: NeedView,
  known: ClassCounts | null,
  grant: Grant | undefined,
  holding: Holding | undefined,
  measured: NeedMeasurement | undefined,
  asOfMs: number,
): NeedImpact {
  const available = measured?.rowsAvailable ?? 0;
  const rowsWanted = need.rowsPerCycle > 0 ? need.rowsPerCycle : available;
  // A decision cannot hand out rows that are not there.
  const rowsAfter = Math.min(grant?.rows ?? 0, available);
  const shares = need.classTarget === null ? null : targetShares(need.classTarget, known ?? {});
  const gapOf = (counts: ClassCounts | null): number | null =>
    shares === null || counts === null ? null : classGap(shares, counts);
  const age = (newestMs: number | null | undefined): number | null =>
    newestMs === null || newestMs === undefined ? null : Math.max(0, asOfMs - newestMs);
  const counts = grant === undefined || rowsAfter === 0 ? null : drawnCounts({ ...grant, rows: rowsAfter }, measured);
  const gapAfter = gapOf(counts);
  const ageAfter = rowsAfter > 0 ? age(measured?.newestEventMs) : age(holding?.newestEventMs);
  const unmetRows = rowsWanted === 0 ? 0 : 1 - Math.min(1, rowsAfter / rowsWanted);
  const unmetAge =
    need.maxAgeMs === null || ageAfter === null || ageAfter <= need.maxAgeMs ? 0 : 1 - need.maxAgeMs / ageAfter;
  return {
    needId: need.id,
    rowsWanted,
    rows: { before: holding?.rows ?? null, after: rowsAfter },
    classGap: { before: gapOf(holding?.classCounts ?? null), after: gapAfter },
    classGapUncertainty:
      shares === null || gapAfter === null || grant?.classRows ? 0 : classGapNoise(shares, rowsAfter),
    ageMs: { before: age(holding?.newestEventMs), after: ageAfter },
    bytes: grant?.bytes ?? 0,
    unmet: Math.max(unmetRows, gapAfter ?? 0, unmetAge),
  };
}

function rate(entries: readonly { need: NeedView; impact: NeedImpact }[]): { risk: Risk; reasons: string[] } {
  const exposure = entries
    .map(({ need, impact }) => ({ id: need.id, impact, exposure: need.critical * impact.unmet }))
    .sort((a, b) => b.exposure - a.exposure || (a.id < b.id ? -1 : 1));
  const worst = exposure[0]?.exposure ?? 0;
  const risk: Risk = worst >= HIGH_RISK_MIN ? 'high' : worst > LOW_RISK_MAX ? 'medium' : 'low';
  const reasons = exposure.filter((entry) => entry.impact.unmet > 0).map(({ id, impact }) => explain(id, impact));
  return { risk, reasons };
}

/** Less than a second is no age to a person. */
function ageOf(ms: number): string {
  return ms < 1_000 ? 'up to date' : `newest row ${formatDuration(ms)} old`;
}

function explain(id: string, impact: NeedImpact): string {
  const parts = [`${id}: ${impact.rows.after ?? 0} of ${impact.rowsWanted} rows`];
  if (impact.classGap.after !== null) parts.push(`class gap ${impact.classGap.after.toFixed(3)}`);
  if (impact.ageMs.after !== null) parts.push(ageOf(impact.ageMs.after));
  return parts.join(', ');
}
