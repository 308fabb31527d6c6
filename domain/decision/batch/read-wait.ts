/** How long the limits of a source keep a read from its end. */
import type { ResourceLimit } from './batch-inputs.js';

/**
 * How long a cycle waits for its reads, where the pool does not say: ten seconds are the limit of keeping a person's attention
 * (Nielsen 1993). A shorter wait would split cycles whose reads are only a little slow: each further cycle costs a
 * planning, and what is handed out together is then told by two decisions.
 */
export const READ_WAIT_MS_MAX = 10_000;

/** Milliseconds until a source's limits a second have let through so much, from what is left of its budget now; at least 0. */
export function limitedMs(
  source: string,
  { bytes, rows }: { readonly bytes: number; readonly rows: number },
  limits: readonly ResourceLimit[],
): number {
  let ms = 0;
  for (const { resource, perSecond, available } of limits) {
    const amount = resource === `bytes:${source}` ? bytes : resource === `rows:${source}` ? rows : null;
    if (amount !== null) ms = Math.max(ms, ((amount - available) / perSecond) * 1_000);
  }
  return ms;
}
