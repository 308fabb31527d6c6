/** One rule for every fraction that has a limit: how bad is it? */

export type GateSeverity = 'note' | 'degrade' | 'quarantine';

/**
 * Severity of a bad fraction: over the limit degrades, over halfway between the limit and total loss quarantines (then
 * most of what the limit protects is gone, and no repair that leans on the majority of the rows can be trusted).
 */
export function severityOf(fraction: number, limit: number): 'degrade' | 'quarantine' | undefined {
  // One part in 10^12 of slack: 1 - 0.95 is not exactly 0.05 in binary.
  if (fraction <= limit + 1e-12) return undefined;
  return fraction > (1 + limit) / 2 ? 'quarantine' : 'degrade';
}

/** A fraction as people read it. */
export function percent(fraction: number): string {
  return `${Number((fraction * 100).toFixed(2))} %`;
}
