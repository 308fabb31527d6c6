/** When a source may be read: times of day that its owner declares. */
import type { DayWindow } from '../../types/units.js';

const DAY_MS = 86_400_000;

/** Half-open intervals [from, to) in milliseconds after `nowMs`, in order of time: what is open now or opens within two days. */
export function openIntervals(windows: readonly DayWindow[], nowMs: number): [number, number][] {
  const midnightMs = Math.floor(nowMs / DAY_MS) * DAY_MS;
  const intervals = [-1, 0, 1, 2]
    .flatMap((day) =>
      windows.map(({ fromMs, toMs }): [number, number] => {
        const startMs = midnightMs + day * DAY_MS + fromMs - nowMs;
        return [startMs, startMs + (toMs > fromMs ? toMs - fromMs : DAY_MS - fromMs + toMs)];
      }),
    )
    .filter(([, to]) => to > 0)
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  // Windows that touch or overlap are one: a read may run across their border.
  const merged: [number, number][] = [];
  for (const [from, to] of intervals) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([Math.max(0, from), to]);
  }
  return merged;
}
