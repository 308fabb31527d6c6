/** What the profile of a dataset found of the vectors and texts of its rows, where it concerns a delivery. */
import type { Finding } from '../../analyzers/analyzer.js';
import { DEFAULT_MAX_INVALID_FRACTION, type GateFinding } from '../../quality/gate.js';
import type { WorkItem } from '../work.js';

const KINDS = ['vectors', 'texts'];

/** The findings of the analyze stage on what each item reads, by item. */
export function contentsOf(
  items: readonly WorkItem[],
  findings: readonly Finding[],
): Record<string, readonly Finding[]> {
  return Object.fromEntries(
    items.flatMap((item) => {
      const own = findings.filter(({ needId, kind }) => item.needId === needId && KINDS.includes(kind));
      return own.length === 0 ? [] : [[item.id, own]];
    }),
  );
}

/** Rows of the dataset rather than of the delivery are at fault: more than a tolerable share degrades it, none holds it back. */
export function contentFindings(found: readonly Finding[] = []): GateFinding[] {
  return found.map(({ kind, column, severity, message, expected, got }) => ({
    ...{ kind, message, expected, got, ...(column === undefined ? {} : { column }) },
    severity: severity > DEFAULT_MAX_INVALID_FRACTION ? 'degrade' : 'note',
  }));
}
