/**
 * Analog forecast (Lorenz, 1969): what followed the past days that were most like the last one. It knows no coefficients,
 * so it fails in other places than the regressions do.
 */

/** Past days that are averaged, and cycles of history below which there is little to choose from. */
const ANALOGS = 6;
export const ANALOG_CYCLES_MIN = 4;
/** Share of the analogs' mean distance added to each: two that are nearly alike weigh nearly the same. */
const DISTANCE_FLOOR = 0.1;

/**
 * Forecasts `horizon` steps after the first `end` values from the cycles of `season` steps that end whole cycles earlier.
 * Cycles are compared and continued relative to their own level. A future longer than the known one of an analog repeats it.
 * `sums` are the running sums of `values` (see runningSums). Needs `end >= ANALOG_CYCLES_MIN * season`.
 */
export function forecastAnalogs(
  values: Float64Array,
  sums: Float64Array,
  end: number,
  horizon: number,
  season: number,
): Float64Array {
  const level = (to: number): number => (sums[to] - sums[to - season]) / season;
  const now = level(end);
  // Analogs whose whole future is known, where enough of them are.
  const cycles = Math.floor(end / season) - 1;
  const nearest = Math.max(1, Math.min(Math.ceil(horizon / season), cycles - ANALOGS));
  const analogs: { readonly at: number; readonly distance: number }[] = [];
  for (let back = nearest; back <= cycles; back++) {
    const at = end - back * season;
    const shift = now - level(at);
    let distance = 0;
    for (let i = 1; i <= season; i++) distance += (values[end - i] - values[at - i] - shift) ** 2;
    analogs.push({ at, distance });
  }
  analogs.sort((a, b) => a.distance - b.distance || b.at - a.at);
  analogs.length = Math.min(analogs.length, ANALOGS);
  const floor = analogs.reduce((sum, { distance }) => sum + distance, 0) * (DISTANCE_FLOOR / analogs.length);
  const forecast = new Float64Array(horizon);
  let total = 0;
  for (const { at, distance } of analogs) {
    const weight = 1 / (distance + floor + Number.EPSILON);
    const shift = now - level(at);
    total += weight;
    for (let step = 0; step < horizon; step++) forecast[step] += weight * (values[at + (step % (end - at))] + shift);
  }
  return forecast.map((sum) => sum / total);
}
