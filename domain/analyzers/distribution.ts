/** Distribution analyzer: the class mix of each need against its target, and what no draw can repair. */
import type {
  AnalysisSnapshot,
  Analyzer,
  AnalyzerOutcome,
  ClassCounts,
  Finding,
  NeedScore,
  NeedView,
} from './analyzer.js';
import {
  apportion,
  classGap,
  classGapNoise,
  imbalanceRatio,
  klGap,
  pielouEvenness,
  shortfallOf,
  sortedKeys,
  targetShares,
  totalOf,
} from './balance.js';
import { about } from './requirement.js';

/** At most this many classes are listed in a message; the record `shortfall` has them all. */
const LISTED_CLASSES = 5;

const round = (value: number): number => Number(value.toPrecision(4));

function listed(shortfall: Readonly<Record<string, number>>): string {
  const worst = sortedKeys(shortfall).sort((a, b) => shortfall[b] - shortfall[a] || (a < b ? -1 : 1));
  const shown = worst.slice(0, LISTED_CLASSES).map((key) => `${shortfall[key]} of ${key}`);
  return shown.join(', ') + (worst.length > LISTED_CLASSES ? `, ${worst.length - LISTED_CLASSES} more classes` : '');
}

/**
 * The need's class counts, with 0 for every class that the whole dataset or its reference has: under a uniform
 * target a class that vanished is still wanted. Null where nothing was counted.
 */
export function knownClassCounts(snapshot: AnalysisSnapshot, need: NeedView): ClassCounts | null {
  const measured = snapshot.measurements.find((entry) => entry.needId === need.id);
  const counts = measured?.classCounts ?? null;
  if (counts === null || need.classColumn === null) return counts;
  const dataset = snapshot.datasets.find((entry) => entry.id === need.dataset);
  const named = {
    ...measured?.referenceClassCounts,
    ...dataset?.referenceClassCounts?.[need.classColumn],
    ...dataset?.classCounts[need.classColumn],
  };
  return { ...Object.fromEntries(Object.keys(named).map((key) => [key, 0])), ...counts };
}

/** Rows of each class that the need wants: its row count, or as many rows as there are, in the target's shares. */
export function wantedRows(need: NeedView, counts: ClassCounts): Record<string, number> {
  if (need.classTarget === null) return {};
  const rows = need.rowsPerCycle > 0 ? need.rowsPerCycle : totalOf(counts);
  return apportion(rows, targetShares(need.classTarget, counts));
}

function judgeMix(need: NeedView, counts: ClassCounts): { findings: Finding[]; score: NeedScore | null } {
  if (need.classTarget === null) return { findings: [], score: null };
  const shares = targetShares(need.classTarget, counts);
  const rows = totalOf(counts);
  if (rows === 0) return { findings: [], score: null };
  const gap = classGap(shares, counts);
  const findings: Finding[] = [];
  const wanted = wantedRows(need, counts);
  const shortfall = shortfallOf(wanted, counts);
  // Twice the expected noise: what chance alone gives a plain draw of that size is no finding.
  if (gap > 2 * classGapNoise(shares, rows)) {
    findings.push({
      ...about(need),
      kind: 'class-mix',
      column: need.classColumn ?? undefined,
      severity: gap,
      blocking: false,
      message: `a plain draw for ${need.id} is ${round(gap)} away from its class target`,
      expected: `shares ${JSON.stringify(Object.fromEntries(Object.entries(shares).map(([k, v]) => [k, round(v)])))}`,
      got: `imbalance ratio ${round(imbalanceRatio(counts))}, evenness ${round(pielouEvenness(counts))}, KL gap ${round(klGap(shares, counts))}`,
    });
  }
  const missing = totalOf(shortfall);
  if (missing > 0) {
    findings.push({
      ...about(need),
      kind: 'class-shortfall',
      column: need.classColumn ?? undefined,
      severity: Math.min(1, missing / totalOf(wanted)),
      blocking: true,
      message: `${need.id} misses ${listed(shortfall)}`,
      expected: `${totalOf(wanted)} rows in the target's shares`,
      got: `${totalOf(wanted) - missing} of them`,
      shortfall,
    });
  }
  return { findings, score: { needId: need.id, dimension: 'balance', score: 1 - gap } };
}

/**
 * Class mix of each need. A need without a class column or target, or without rows, gives no finding here.
 * Findings: `class-mix` (the mix as it lies there; a stratified draw repairs it) and `class-shortfall` (rows that
 * are not there at all; only new data repairs it). Severities are shares of the wanted rows.
 */
export const distributionAnalyzer: Analyzer = {
  id: 'distribution',
  version: 1,
  analyze(snapshot): AnalyzerOutcome {
    const findings: Finding[] = [];
    const scores: NeedScore[] = [];
    for (const need of snapshot.needs) {
      const counts = knownClassCounts(snapshot, need);
      if (counts === null) continue;
      const judged = judgeMix(need, counts);
      findings.push(...judged.findings);
      if (judged.score !== null) scores.push(judged.score);
    }
    return { ok: true, findings, scores };
  },
};
