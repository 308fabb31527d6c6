/** What a plan foresees of a read, where a test does not care. */
export const FORESEEN = {
  ...{ predictedRows: 0, predictedMs: null, predictedMemoryBytes: null },
  ...{ predictedStartMs: null, aloneMs: null },
};
