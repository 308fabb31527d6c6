/** Rows that refer to what another dataset does not have: what was counted, and what it means for a delivery. */
import { DEFAULT_MAX_INCONSISTENT_FRACTION, type GateFinding } from '../../quality/gate.js';
import { percent, severityOf } from '../../quality/gate-severity.js';

/** What was counted for one reference of one delivery, or why it could not be. */
export type OrphanCount = {
  /** The reference as declared. */
  readonly reference: string;
  /** The dataset that is referred to. */
  readonly dataset: string;
} & (
  | {
      /** The version that the rows were held against. */
      readonly contentId: string;
      /** Rows that refer to something, and those of them whose target is not there. */
      readonly rows: number;
      readonly orphans: number;
      readonly examples: readonly string[];
    }
  | { readonly failure: string }
);

/**
 * Findings on the references of one delivery of `rows` rows: a share of orphans over the limit, as any broken promise.
 * What could not be judged degrades and no more, as an unknown age does.
 */
export function orphanFindings(
  counts: readonly OrphanCount[] | undefined,
  rows: number,
  limit: number = DEFAULT_MAX_INCONSISTENT_FRACTION,
): GateFinding[] {
  return (counts ?? []).flatMap((count): GateFinding[] => {
    const { reference, dataset } = count;
    const expected = `at most ${percent(limit)} of the rows`;
    if ('failure' in count) {
      const message = `whether ${reference} holds is not known: ${count.failure}`;
      return [{ kind: 'orphans-unknown', rule: reference, severity: 'degrade', message, expected, got: 'unknown' }];
    }
    const { orphans, examples } = count;
    const fraction = rows === 0 ? 0 : Math.min(1, orphans / rows);
    const severity = severityOf(fraction, limit);
    if (severity === undefined) return [];
    const named = examples.length === 0 ? '' : `, for example ${examples.join('; ')}`;
    const message = `${orphans} rows refer to what ${dataset} does not have (${reference})${named}`;
    return [
      { kind: 'orphan-rows', rule: reference, severity, message, expected, got: `${percent(fraction)} of the rows` },
    ];
  });
}
