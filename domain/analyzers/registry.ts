/** The analyzers of a cycle, how they are run, and which needs come out as critical. */
import type { AnalysisSnapshot, Analyzer, Finding, NeedScore } from './analyzer.js';
import { coverageAnalyzer } from './coverage.js';
import { distributionAnalyzer } from './distribution.js';
import { driftAnalyzer } from './drift.js';
import { qualityAnalyzer } from './quality.js';
import { requirementAnalyzer } from './requirement.js';

/** A new analyzer is one file, one entry here, one test. */
export const defaultAnalyzers: readonly Analyzer[] = [
  requirementAnalyzer,
  distributionAnalyzer,
  coverageAnalyzer,
  driftAnalyzer,
  qualityAnalyzer,
];

/** A need with the urgency of its gaps; `reasons` are the messages of its findings, the worst first. */
export interface RankedNeed {
  readonly needId: string;
  readonly model: string;
  readonly dataset: string;
  /** 0 to 1: critical x (weight / largest weight) x chance that a gap blocks. */
  readonly urgency: number;
  /** 0 to 1: chance that at least one of the gaps blocks. */
  readonly blocked: number;
  readonly reasons: readonly string[];
}

export interface AnalyzerFailure {
  readonly analyzer: string;
  readonly type: string;
  readonly message: string;
}

export interface Analysis {
  /** Worst first; ties by need, kind and column. */
  readonly findings: readonly Finding[];
  readonly scores: readonly NeedScore[];
  readonly failed: readonly AnalyzerFailure[];
  /** Needs with at least one blocking finding, the most urgent first. */
  readonly criticalNeeds: readonly RankedNeed[];
}

/** Version of the ranking, kept with the inputs. 2: rows that are missing count once, though their class is found short of them too. */
export const ANALYSIS_RULES = 2;

/**
 * Runs every analyzer over the snapshot. One that fails, by value or by throwing, is named in `failed` and
 * degrades the analysis; the others still count. The result does not depend on the order of needs, datasets,
 * measurements or analyzers.
 */
export function runAnalyzers(
  analyzers: readonly Analyzer[],
  snapshot: AnalysisSnapshot,
  rules: number = ANALYSIS_RULES,
): Analysis {
  const findings: Finding[] = [];
  const scores: NeedScore[] = [];
  const failed: AnalyzerFailure[] = [];
  for (const analyzer of analyzers) {
    try {
      const outcome = analyzer.analyze(snapshot);
      if (outcome.ok) {
        findings.push(...outcome.findings);
        scores.push(...outcome.scores);
      } else failed.push({ analyzer: analyzer.id, type: outcome.type, message: outcome.message });
    } catch (error) {
      const { type, message } = error as { type?: unknown; message?: unknown };
      failed.push({
        analyzer: analyzer.id,
        type: typeof type === 'string' ? type : 'AnalyzerThrew',
        message: typeof message === 'string' ? message : String(error),
      });
    }
  }
  findings.sort(bySeverity);
  scores.sort((a, b) => compare(a.needId, b.needId) || compare(a.dimension, b.dimension));
  failed.sort((a, b) => compare(a.analyzer, b.analyzer) || compare(a.message, b.message));
  return { findings, scores, failed, criticalNeeds: rankNeeds(snapshot, findings, rules) };
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function bySeverity(a: Finding, b: Finding): number {
  return (
    b.severity - a.severity ||
    compare(a.needId, b.needId) ||
    compare(a.kind, b.kind) ||
    compare(a.column ?? '', b.column ?? '') ||
    compare(a.message, b.message)
  );
}

/**
 * Noisy-or: read each severity as the chance that this gap alone blocks the model, then
 * blocked = 1 - product(1 - severity) (Pearl 1988, Probabilistic Reasoning, 4.3.2). It stays in [0, 1], grows
 * with every gap, and equals the severity of a single one. Each row that a need misses in all is also missing of a class: where
 * its classes are found short, they say it all.
 */
function rankNeeds(snapshot: AnalysisSnapshot, findings: readonly Finding[], rules: number): RankedNeed[] {
  const largestWeight = snapshot.needs.reduce((largest, need) => Math.max(largest, need.weight), 0);
  return snapshot.needs
    .map((need): RankedNeed => {
      const own = findings.filter((finding) => finding.needId === need.id && finding.blocking);
      const byClass = rules >= 2 && own.some(({ kind }) => kind === 'class-shortfall');
      const gaps = own.filter(({ kind }) => !byClass || kind !== 'volume');
      const blocked = 1 - gaps.reduce((free, finding) => free * (1 - finding.severity), 1);
      const share = largestWeight > 0 ? need.weight / largestWeight : 1;
      return {
        needId: need.id,
        model: need.model,
        dataset: need.dataset,
        urgency: need.critical * share * blocked,
        blocked,
        reasons: own.map((finding) => finding.message),
      };
    })
    .filter((need) => need.reasons.length > 0)
    .sort((a, b) => b.urgency - a.urgency || b.blocked - a.blocked || compare(a.needId, b.needId));
}
