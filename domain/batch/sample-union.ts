/**
 * Rows that two independent samples of `most` rows have together: a + b - a b / N (inclusion and exclusion, of what chance gives
 * both). So written, a sample and nothing are exactly the sample.
 *
 * @param most rows that match, of which both are drawn; Infinity: not known, so that they share none
 */
export function independentUnion(a: number, b: number, most: number): number {
  return most > 0 ? a + b - (a * b) / most : 0;
}
