/** What the analyze stage found missing, as each need is hit by it: rows that are not there, and rows that will be at fault in a draw to come. */
import type { AnalysisSnapshot, Finding, NeedMeasurement, NeedView } from '../../analyzers/analyzer.js';
import { countOf, totalOf } from '../../analyzers/balance.js';
import { presentShare } from '../../analyzers/quality.js';
import { drawnHits, exactly, jointHits, type Range } from '../../quality/impact.js';
import { usesFault } from '../quality/faults.js';
import { CLASSES_MAX, type NeedEffect } from '../quality/need-effect.js';
import type { ItemVerdict, QualityInputs } from '../quality/quality-inputs.js';
import type { WorkItem } from '../work.js';
import { readerOf, type FaultImpact } from './effect-record.js';

/** Findings whose `shortfall` counts rows of each class or segment that are not there. */
const BY_CLASS = ['class-shortfall'];
/** What is found of the rows that were read, where some were. */
const COUNTED_WHEN_READ = ['freshness', 'completeness', 'vectors', 'texts'];

interface ForeseenInputs {
  readonly quality: QualityInputs;
  readonly verdicts: readonly ItemVerdict[];
  readonly findings: readonly Finding[];
  readonly snapshot: AnalysisSnapshot;
}
type Readers = FaultImpact['readers'][number][];

/** What the analyze stage found and no slice has shown, the worst first: of the same column of the same dataset together. */
export function foreseenFaults({ quality, verdicts, findings, snapshot }: ForeseenInputs): FaultImpact[] {
  if (findings.length === 0) return [];
  const isCounted = countedIn(quality, verdicts);
  const effectOf = foreseenEffects(snapshot);
  const of = new Map<string, Omit<FaultImpact, 'readers'> & { readonly readers: Readers }>();
  for (const finding of findings) {
    const effect = isCounted(finding) ? null : effectOf(finding);
    if (effect === null) continue;
    const { needId, model, dataset, kind, column, message } = finding;
    // What a need lacks of its own question is its own; what a column holds concerns all who read it.
    const key = JSON.stringify([dataset, kind, column, kind === 'hidden-missing' ? null : needId]);
    let known = of.get(key);
    if (known === undefined) {
      known = { dataset, kind, ...(column === undefined ? {} : { column }), message, readers: [], untouched: [] };
      of.set(key, known);
    }
    known.readers.push({ needId, model, effect, sound: null });
  }
  return [...of.values()].map((fault) =>
    fault.kind === 'hidden-missing' ? { ...fault, ...othersOf(fault, fault.column!, quality.items) } : fault,
  );
}

/** Whether the rows of a need that were read tell of a finding. */
function countedIn({ items, results }: QualityInputs, verdicts: readonly ItemVerdict[]): (finding: Finding) => boolean {
  const needs = new Map(items.flatMap(({ id, needId }) => (needId === null ? [] : [[id, needId] as const])));
  const read = new Set(
    results.flatMap(({ itemId, slice }) => (slice === null || slice.rows === 0 ? [] : (needs.get(itemId) ?? []))),
  );
  const drifted = new Set(
    verdicts.flatMap(({ itemId, findings, asRead }) =>
      (asRead?.findings ?? findings).flatMap(({ kind, column }) =>
        kind === 'drift' && needs.has(itemId) ? [`${needs.get(itemId)!}\n${column!}`] : [],
      ),
    ),
  );
  return ({ kind, needId, column }) =>
    kind === 'drift' ? drifted.has(`${needId}\n${column!}`) : COUNTED_WHEN_READ.includes(kind) && read.has(needId);
}

/** The other needs of this cycle that ask of the dataset: those whose rows are chosen by the column, and those that do not use it. */
function othersOf(
  { dataset, readers }: { readonly dataset: string; readonly readers: Readers },
  column: string,
  items: readonly WorkItem[],
): Pick<FaultImpact, 'readers' | 'untouched'> {
  const named = new Set(readers.map(({ needId }) => needId));
  const others = items
    .filter((item) => item.dataset === dataset && item.needId !== null && !named.has(item.needId))
    .sort((a, b) => (a.needId! < b.needId! ? -1 : 1));
  const chosen = others.filter((item) => usesFault({ dataset, kind: 'missing', column }, item));
  return {
    readers: [
      ...readers,
      ...chosen.map((item) => ({
        ...{ ...readerOf(item), chosenBy: true as const, sound: null },
        effect: {
          ...{ rows: exactly(item.rows ?? 0), lost: exactly(0), hit: null, classes: null },
          ...{ ageMs: null, score: null, verdict: null },
        },
      })),
    ],
    untouched: others
      .filter((item) => !chosen.includes(item))
      .map((item) => ({ ...readerOf(item), why: `it does not use ${column}` })),
  };
}

/**
 * What a need will get in view of one finding.
 *
 * @returns null where the finding is not about its rows: a forecast, a mix that the draw itself restores, or a dataset that could
 *   not be measured
 */
export function foreseenEffects(snapshot: AnalysisSnapshot): (finding: Finding) => NeedEffect | null {
  const needs = new Map(snapshot.needs.map((need) => [need.id, need]));
  const measurements = new Map(snapshot.measurements.map((measured) => [measured.needId, measured]));
  return (finding) => {
    const [need, measured] = [needs.get(finding.needId), measurements.get(finding.needId)];
    return need === undefined || measured === undefined ? null : foreseenEffect(finding, need, measured, snapshot);
  };
}

function foreseenEffect(
  finding: Finding,
  need: NeedView,
  measured: NeedMeasurement,
  snapshot: AnalysisSnapshot,
): NeedEffect | null {
  const { rowsAvailable, newestEventMs } = measured;
  const wanted = need.rowsPerCycle > 0 ? need.rowsPerCycle : rowsAvailable;
  const rows = Math.min(wanted, rowsAvailable);
  const of = {
    ...{ rows: exactly(rows), lost: exactly(wanted - rows) },
    ageMs: newestEventMs === null ? null : exactly(Math.max(0, snapshot.asOfMs - newestEventMs)),
    ...{ classes: null, score: null, verdict: null },
  };
  const { shortfall = {}, column = '' } = finding;
  switch (finding.kind) {
    case 'volume':
      return { ...of, hit: exactly(0) };
    case 'coverage':
    case 'class-shortfall': {
      // Rows of several segments may be the same: no more are lost than are wanted.
      const lost = exactly(Math.min(wanted, totalOf(shortfall)));
      const classes = BY_CLASS.includes(finding.kind) ? lostClasses(shortfall, measured) : null;
      return { ...of, lost, hit: exactly(0), classes };
    }
    case 'untimed':
      return { ...of, lost: exactly(totalOf(shortfall)), hit: exactly(0) };
    case 'freshness':
      return { ...of, hit: exactly(rows) };
    case 'completeness': {
      const missing = Math.round((1 - Math.min(1, countOf(measured.completeness, column))) * rowsAvailable);
      return { ...of, hit: drawnOf(need, rowsAvailable, missing, rows) };
    }
    case 'hidden-missing': {
      const hit = hiddenHits(finding, need, measured, snapshot, rows);
      return hit === null ? null : { ...of, hit };
    }
    // Of all rows of the dataset: how many of those that it will get is not known.
    case 'vectors':
    case 'texts':
    case 'drift':
      return { ...of, hit: null };
    default:
      return null;
  }
}

/** A draw by classes is not one at random: how many of the rows at fault are in it is open. */
function drawnOf({ classTarget }: NeedView, rows: number, hit: number, drawn: number): Range {
  return classTarget === null ? drawnHits(rows, hit, drawn) : jointHits(rows, exactly(hit), drawn);
}

/** The classes of which rows are missing, most first. */
function lostClasses(shortfall: Readonly<Record<string, number>>, measured: NeedMeasurement): NeedEffect['classes'] {
  const names = Object.keys(shortfall).sort((a, b) => shortfall[b] - shortfall[a] || (a < b ? -1 : 1));
  const counts = measured.classCounts ?? {};
  return Object.fromEntries(
    names.slice(0, CLASSES_MAX).map((name) => [
      name,
      {
        rows: exactly(Object.hasOwn(counts, name) ? counts[name] : 0),
        ...{ hit: exactly(0), lost: exactly(shortfall[name]) },
      },
    ]),
  );
}

/** Of all rows of the dataset so many lack the value; the need draws from those that match it, of which its predicate may hold none or all. */
function hiddenHits(
  { column = '' }: Finding,
  need: NeedView,
  { rowsAvailable }: NeedMeasurement,
  snapshot: AnalysisSnapshot,
  drawn: number,
): Range | null {
  const columns = snapshot.datasets.find(({ id }) => id === need.dataset)?.profile?.columns ?? {};
  if (!Object.hasOwn(columns, column)) return null;
  const profiled = columns[column];
  const rows = Math.max(rowsAvailable, profiled.rows);
  const hit = Math.min(rows, Math.round((1 - presentShare(profiled)) * profiled.rows));
  const matching = jointHits(rows, exactly(hit), rowsAvailable);
  const [low, high] = [matching.low, matching.high].map((count) => drawnOf(need, rowsAvailable, count, drawn));
  return {
    low: low.low,
    expected: rowsAvailable === 0 ? 0 : (matching.expected * drawn) / rowsAvailable,
    high: high.high,
  };
}
