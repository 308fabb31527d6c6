/** What an item asks anew, and what it only asks again: demand that scarcity put off is demand of the cycle that saw it first. */
import type { WorkItem } from '../work.js';

/**
 * Rows that no earlier cycle counted. A request is new to the first cycle that looks at it (cycles that failed do not
 * count); new rows are those of a need's window that no earlier window had; a fixed size is asked anew each cycle.
 * @param matched rows that match it now; absent: it could not be measured
 */
export function newlyAskedRows(item: WorkItem, matched = 0): number {
  if (item.kind === 'request' && item.attempts > 1) return 0;
  return Math.max(0, (item.rows ?? matched) - askedInWindow(item, matched));
}

/** Rows that earlier cycles counted and did not hand out. */
export function backlogRows(item: WorkItem, matched = 0): number {
  if (item.kind === 'request') return item.attempts > 1 ? (item.rows ?? matched) : 0;
  return askedInWindow(item, matched) + (item.owedRows ?? 0);
}

/** Rows that were deleted meanwhile are asked no more. */
function askedInWindow({ window }: WorkItem, matched: number): number {
  return Math.min(matched, window?.askedRows ?? 0);
}
