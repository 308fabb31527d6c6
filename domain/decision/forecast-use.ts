/** Which forecast a stage rests on: kept with its outcome, so that what came can be put beside it once the step is over. */

export interface ForecastUse {
  /** What was decided by it; `shortage`: a warning raised, kept or cleared; `surge`: what of demand counts with the base weight. */
  readonly what: 'shortage' | 'surge' | 'work-ahead' | 'put-off' | 'rows-to-come';
  /** What is recorded of it later: the metric and its subject. */
  readonly metric: 'demand' | 'matched-rows';
  /** `model/dataset` in rows newly asked, `source:ID` in bytes newly asked; of `matched-rows` the need and its question. */
  readonly series: string;
  /** The sum of the forecasts of all demand on the source, quantile by quantile; absent: the forecast of the series itself. */
  readonly summed?: true;
  /** End of the step that it is a forecast of. */
  readonly stepEndMs: number;
  /** Probability that no more than `foreseen` comes. */
  readonly quantile: number;
  readonly foreseen: number;
}

/** Each forecast once for each use, in one order. */
export function forecastUses(uses: readonly ForecastUse[]): ForecastUse[] {
  const keyOf = ({ what, series, stepEndMs, quantile }: ForecastUse): string =>
    `${what}|${series}|${String(stepEndMs).padStart(16, '0')}|${quantile}`;
  const unique = new Map(uses.map((use) => [keyOf(use), use]));
  return [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, use]) => use);
}
