/** What the data plane needs from a kind of source. One file per kind implements it. */
import type { DatasetRef } from '../../activities/ports.js';
import type { Predicate } from '../../domain/types/predicate.js';
import type { Session } from './engine.js';
import type { SourceColumn } from './columns.js';
import type { ScanPace } from './paced-scan.js';

/** What of a dataset a statement needs: a source reads no other column and may leave out rows that match nothing. */
export interface ScanNeed {
  readonly columns: readonly SourceColumn[];
  /** Rows that match at least one; an optimisation that a source may ignore. */
  readonly anyOf: readonly Predicate[];
  /** Rows of this column later than this are not needed; an optimisation that a source may ignore. */
  readonly upTo: { readonly column: SourceColumn; readonly ms: number } | null;
  /** Whether the scan must have the column `id`. */
  readonly identity: boolean;
  /** Whether the scan must have the column `part`: which of the content's parts a row is of. */
  readonly part?: boolean;
  /** How fast rows may come; a source that only gives a query for its rows (`lazy`) leaves it to who runs it. */
  readonly pace?: ScanPace;
}

/** A dataset at one version, open for reading inside one session. */
export interface OpenDataset {
  readonly contentId: string;
  readonly columns: readonly SourceColumn[];
  /** Digests of the files that the content consists of, by name; empty where it has no parts. */
  readonly parts: Readonly<Record<string, string>>;
  /** Where the source itself can sum up a hash of rows, so that they need not be copied to be compared. */
  readonly fingerprint?: RowsFingerprint;
  /** Whether rows leave the source only when the query of `scan` is run; else they have left when it is given. */
  readonly lazy: boolean;
  /**
   * SQL for a FROM clause (a parenthesised query or a table) with the columns by alias, and `id` (UBIGINT): the
   * row's identity (declared key, else file and row position) as a number that no engine version changes.
   */
  scan(need: ScanNeed): Promise<string>;
  /** Asserts that what was read still is `contentId`, and lets go of the source. */
  finish(): Promise<void>;
  /** Lets go of the source after a failure. */
  abandon(): Promise<void>;
}

/**
 * A sum of a hash of each row with an event time after `afterMs` (null: from the first on, and rows without a time) and up
 * to `upToMs`: sums of parts add up to that of the whole.
 */
export interface RowsFingerprint {
  /** Part of what sums may be compared by: what hashes the rows. */
  readonly by: string;
  sum(
    columns: readonly SourceColumn[],
    event: SourceColumn,
    range: { readonly afterMs: number | null; readonly upToMs: number },
  ): Promise<bigint>;
}

export interface DataSource {
  /** `RowsFingerprint.by` of its datasets; absent: they have none. */
  readonly hashedBy?: string;
  /** Opens the dataset as it is now. */
  open(dataset: DatasetRef, session: Session): Promise<OpenDataset>;
}

/** The lower 64 bits of a text's md5, as SQL. md5 is the same in every engine and version. */
export function md5Sql(text: string): string {
  return `CAST(md5_number(${text}) & 18446744073709551615 AS UBIGINT)`;
}

/** `id` of a row by its declared key: md5 over the netstrings of the values' text forms, so that no two keys run together. */
export function keyIdentitySql(texts: readonly string[]): string {
  const netstrings = texts.map((text) => `coalesce(strlen(${text}) || ':' || ${text}, '-')`);
  return md5Sql(`concat(${netstrings.join(', ')})`);
}
