/** What a batch saved, and how well it was foreseen. */

/** Volume of reads; any of them may be 0. */
export interface Volume {
  readonly operations: number;
  readonly rows: number;
  readonly bytes: number;
  readonly ms: number;
}

export interface BatchRecord {
  /** What its members would have read one by one (predicted or measured in the same way as `read`). */
  readonly asked: readonly Volume[];
  /** What the batch really read. */
  readonly read: Volume;
  /** What was predicted for the batch; null when nothing was. */
  readonly predictedMs: number | null;
  readonly predictedBytes: number | null;
}

export interface BatchEfficiency {
  readonly members: number;
  /** Asked less read; negative when merging cost more than it saved. */
  readonly saved: Volume;
  /** Saved over asked, by bytes, at most 1; 0 when nothing was asked for. */
  readonly savedShare: number;
  /** Measured over predicted, less 1: 0.2 is 20 % more than foreseen. Null without a prediction, or one of 0. */
  readonly msError: number | null;
  readonly bytesError: number | null;
}

const nothing: Volume = { operations: 0, rows: 0, bytes: 0, ms: 0 };

function combine(a: Volume, b: Volume, sign: 1 | -1): Volume {
  return {
    operations: a.operations + sign * b.operations,
    rows: a.rows + sign * b.rows,
    bytes: a.bytes + sign * b.bytes,
    ms: a.ms + sign * b.ms,
  };
}

const errorOf = (measured: number, predicted: number | null): number | null =>
  predicted === null || predicted <= 0 ? null : measured / predicted - 1;

/** Efficiency of one batch. A batch without members saved less than nothing: what it read. */
export function batchEfficiency(record: BatchRecord): BatchEfficiency {
  const asked = record.asked.reduce((sum, volume) => combine(sum, volume, 1), nothing);
  return {
    members: record.asked.length,
    saved: combine(asked, record.read, -1),
    savedShare: asked.bytes > 0 ? (asked.bytes - record.read.bytes) / asked.bytes : 0,
    msError: errorOf(record.read.ms, record.predictedMs),
    bytesError: errorOf(record.read.bytes, record.predictedBytes),
  };
}

/** Efficiency of many batches as if they were one: sums, and predictions only of those that had one. */
export function totalEfficiency(records: readonly BatchRecord[]): BatchEfficiency {
  const total = batchEfficiency({
    asked: records.flatMap((record) => record.asked),
    read: records.reduce((sum, record) => combine(sum, record.read, 1), nothing),
    predictedMs: null,
    predictedBytes: null,
  });
  const sums = (unit: 'ms' | 'bytes', predictedOf: (record: BatchRecord) => number | null) => {
    const known = records.filter((record) => predictedOf(record) !== null);
    const measured = known.reduce((sum, record) => sum + record.read[unit], 0);
    return errorOf(measured, known.length === 0 ? null : known.reduce((sum, record) => sum + predictedOf(record)!, 0));
  };
  return {
    ...total,
    msError: sums('ms', (record) => record.predictedMs),
    bytesError: sums('bytes', (record) => record.predictedBytes),
  };
}
