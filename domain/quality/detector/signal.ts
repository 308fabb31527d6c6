/** What a detector says about one cell. */

/** How a cell came under suspicion. The contract's kinds come first, then those that the data alone shows. */
export type SignalKind =
  | 'missing'
  | 'implicit-missing'
  | 'type'
  | 'unit'
  | 'format'
  | 'pattern'
  | 'domain'
  | 'range'
  | 'repeated-key'
  | 'rule'
  | 'orphan'
  | 'unusual-pattern'
  | 'typo'
  | 'variant'
  | 'dependency'
  | 'misplaced'
  | 'outlier'
  | 'encoding'
  | 'empty-text'
  | 'vector'
  | 'near-duplicate'
  | 'text-length'
  | 'learned'
  | 'labelled';

/** One suspicion: `score` is the probability, before any label is seen, that the cell is wrong. */
export interface Signal {
  readonly row: number;
  readonly column: number;
  readonly kind: SignalKind;
  readonly score: number;
  readonly evidence: string;
  /** The value meant, if it can be told. */
  readonly suggested?: string;
}
