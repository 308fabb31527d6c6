/** The grid of steps over which demand is counted: anchored at a replay clock's start, else at 1970. */
import type { PoolDefinition } from '../types/pool.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export function stepMsOf({ clock, forecastStep }: PoolDefinition): number {
  return forecastStep ?? (clock.kind === 'replay' ? clock.step : HOUR_MS);
}

/** End of the step that `atMs` falls into: steps are open at the start and closed at the end. */
export function stepEndMs(definition: PoolDefinition, atMs: number): number {
  const stepMs = stepMsOf(definition);
  const anchorMs = definition.clock.kind === 'replay' ? definition.clock.start : 0;
  return anchorMs + Math.ceil((atMs - anchorMs) / stepMs) * stepMs;
}

/** A day and a week in whole steps, where they are. */
export function seasonsOf(stepMs: number): number[] {
  return [DAY_MS / stepMs, (7 * DAY_MS) / stepMs].filter((steps) => Number.isInteger(steps) && steps >= 2);
}
