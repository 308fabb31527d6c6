/** The figures of a delivery that have a history, and the findings that its history and its reference make. */
import { pairSamples } from '../../quality/sample.js';
import { detectDrift, type DatasetDrift } from '../../quality/shift.js';
import { judgeUnusual, type MetricName } from '../../quality/usual.js';
import { misspelt, type Misspelt } from '../../quality/vocabulary.js';
import type { GateFinding } from '../../quality/gate.js';
import type { NeedReference } from './reference.js';
import type { DeliveryMetric, QualityInputs, SliceMetrics } from './quality-inputs.js';
import type { WorkItem } from '../work.js';

/**
 * The figures of a need's slice. Volume is what matches, where every match is wanted: a grant may be less by design.
 *
 * @param looksMisspelt rows by column, where it is known what values earlier deliveries had
 */
export function deliveryMetrics(
  item: WorkItem,
  slice: SliceMetrics,
  asOfMs: number,
  available: number | undefined,
  looksMisspelt: Readonly<Record<string, Misspelt>> = {},
): DeliveryMetric[] {
  const whole = (metric: MetricName, value: number): DeliveryMetric => ({ metric, column: null, value });
  const { rows, completeness, invalid, duplicateRows, newestEventMs } = slice;
  const volume = item.rows === null && available !== undefined ? [whole('rows', available)] : [];
  if (rows === 0) return volume;
  return [
    ...volume,
    ...(newestEventMs === null ? [] : [whole('age', Math.max(0, asOfMs - newestEventMs))]),
    whole('duplicates', duplicateRows / rows),
    ...Object.keys(completeness).map((column) => ({
      metric: 'completeness' as const,
      column,
      value: completeness[column],
    })),
    ...Object.keys(invalid).map((column) => ({ metric: 'invalid' as const, column, value: invalid[column] })),
    ...Object.entries(looksMisspelt).map(([column, { share, examples }]) => ({
      ...{ metric: 'misspelt' as const, column, value: share },
      ...(examples.length === 0 ? {} : { examples }),
    })),
  ];
}

/** What of a need's slice looks misspelt beside the values of its earlier deliveries; nothing where these are not known. */
export function misspeltOf(
  { id, needId }: WorkItem,
  { references, samples }: Pick<QualityInputs, 'references' | 'samples'>,
): Readonly<Record<string, Misspelt>> {
  const known = references?.[needId ?? '']?.vocabulary;
  const sample = samples?.[id]?.own;
  return known === undefined || sample === undefined ? {} : misspelt(known, sample);
}

/** Rows that match each item, where they were counted: what stands in for a count is a bound of what was asked, no volume. */
export function countedRows(
  facts: readonly { readonly itemId: string; readonly rows: number; readonly exact: boolean }[],
): Record<string, number> {
  return Object.fromEntries(facts.flatMap(({ itemId, rows, exact }) => (exact ? [[itemId, rows] as const] : [])));
}

/** Name under which a figure's history is kept, and of whom. */
export function historyKey(needId: string, { metric, column }: Pick<DeliveryMetric, 'metric' | 'column'>) {
  return { metric: `quality:${metric}`, subject: column === null ? needId : `${needId}/${column}` };
}

/** Figures that are not what they usually are, by item. All items of the decision are judged together. */
export function unusualFindings(inputs: QualityInputs): ReadonlyMap<string, readonly GateFinding[]> {
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const measured = inputs.results.flatMap(({ itemId, slice }) => {
    const usual = inputs.usual?.[itemId] ?? [];
    if (slice === null || usual.length === 0) return [];
    const key = ({ metric, column }: Pick<DeliveryMetric, 'metric' | 'column'>) => JSON.stringify([metric, column]);
    const known = new Map(usual.map((one) => [key(one), one.usual]));
    const item = items.get(itemId)!;
    const near = misspeltOf(item, inputs);
    return deliveryMetrics(item, slice, inputs.asOfMs, inputs.available?.[itemId], near).flatMap((one) => {
      const normal = known.get(key(one));
      return normal === undefined ? [] : [{ ...one, id: itemId, rows: slice.rows, usual: normal }];
    });
  });
  const found = new Map<string, GateFinding[]>();
  for (const { id, finding } of judgeUnusual(measured)) found.set(id, [...(found.get(id) ?? []), finding]);
  return found;
}

/** Drift of each slice from its need's reference. All columns of the decision are judged together, so that false alarms are bounded over it. */
export function driftOf(inputs: QualityInputs): ReadonlyMap<string, DatasetDrift> {
  const pairs = inputs.items.flatMap((item) => {
    const reference = item.needId === null ? undefined : inputs.references?.[item.needId];
    const current = inputs.samples?.[item.id]?.current ?? null;
    if (reference?.sample == null || current === null) return [];
    return [[item.id, pairSamples(reference.sample, current)] as const];
  });
  return new Map(Object.entries(detectDrift(Object.fromEntries(pairs))));
}

/**
 * What drift means for a delivery is the need's own choice: told, degraded, or held back. What could not be judged
 * degrades and no more, as an unknown age does.
 */
export function driftFindings(
  item: WorkItem,
  drift: DatasetDrift | null,
  { references, unreferenced }: Pick<QualityInputs, 'references' | 'unreferenced'>,
): GateFinding[] {
  const onDrift = item.onDrift ?? 'pass';
  const severity = ({ pass: 'note', degrade: 'degrade', hold: 'quarantine' } as const)[onDrift];
  const needId = item.needId ?? '';
  const reference = references?.[needId];
  const unknown = unreferenced?.[needId];
  return [
    ...(unknown === undefined ? [] : [driftUnknown(onDrift === 'pass' ? 'note' : 'degrade', unknown)]),
    ...(reference?.declared?.missing ?? []).map((column) => ({
      ...driftUnknown('note', `${reference!.declared!.dataset} has no column ${column}`),
      column,
    })),
    ...(drift?.columns ?? [])
      .filter((column) => column.drift)
      .map((column) => ({
        kind: 'drift',
        column: column.column,
        severity,
        message: `${column.column} is not what ${item.model} was ${describeReference(reference)}: ${column.reason}`,
        expected: `${column.test} effect near ${column.floor.toPrecision(3)}, what chance gives`,
        got: `${column.effect.toPrecision(3)}, adjusted p ${column.pAdjusted.toPrecision(2)}`,
      })),
  ];
}

function describeReference(reference: NeedReference | undefined): string {
  if (reference?.declared !== undefined) return `trained on (${reference.declared.dataset})`;
  const since = reference === undefined ? '' : ` since ${new Date(reference.asOfMs).toISOString()}`;
  return `last given in good order${since}`;
}

function driftUnknown(severity: GateFinding['severity'], reason: string): GateFinding {
  const message = `whether it drifted from what its model was trained on is not known: ${reason}`;
  return { kind: 'drift-unknown', severity, message, expected: 'what the model was trained on', got: 'unknown' };
}
