/** The grid of steps over which demand is counted: anchored at a replay clock's start, else at 1970; and when standing needs are served. */
import { cronTimes, intervalTimes, parseCron } from '../types/run-times.js';
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

/** Schedules are looked at so far ahead: a month, the longest of their usual intervals. */
const NEXT_CYCLE_WITHIN_MS = 31 * DAY_MS;

/**
 * Event time of the first full cycle after `asOfMs`: a replay's next step, else the first time of a schedule that runs.
 * null: there is none within a month, or one has times that only Temporal knows (time zones, predefined names).
 */
export function nextFullCycleMs({ clock, schedules }: PoolDefinition, asOfMs: number): number | null {
  if (clock.kind === 'replay') {
    const next = asOfMs + clock.step;
    return clock.end !== undefined && next > clock.end ? null : next;
  }
  const untilMs = asOfMs + NEXT_CYCLE_WITHIN_MS;
  const running = schedules.filter(({ paused }) => !paused);
  try {
    const times = running.flatMap(({ every, cron }) =>
      cron === undefined ? intervalTimes(every!, asOfMs, untilMs, 1) : cronTimes(parseCron(cron), asOfMs, untilMs, 1),
    );
    return times.length === 0 ? null : Math.min(...times);
  } catch {
    return null;
  }
}
