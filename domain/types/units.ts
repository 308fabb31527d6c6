/** Durations and byte sizes as people write them, and back. */
import { usageError } from './errors.js';

const DURATION_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

/** `15m`, `1.5h`, `250ms`, `2d`, or several together (`1h30m`), in milliseconds. A bare number is refused: it has no unit. */
export function parseDurationMs(text: string): number {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/gy)];
  const matched = parts.map((part) => part[0]).join('');
  if (parts.length === 0 || matched !== text.trim()) {
    throw usageError({
      type: 'InvalidDuration',
      message: `not a duration: ${JSON.stringify(text)}`,
      expected: 'a number with a unit: 250ms, 30s, 15m, 6h, 2d, 1h30m',
      got: text,
    });
  }
  return Math.round(parts.reduce((sum, part) => sum + Number(part[1]) * DURATION_MS[part[2]], 0));
}

/** `20MB`, `1.5GiB`, `512kB` in bytes. */
export function parseSizeBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB|TB|KiB|MiB|GiB)$/.exec(text.trim());
  if (match === null) {
    throw usageError({
      type: 'InvalidSize',
      message: `not a size: ${JSON.stringify(text)}`,
      expected: 'a number with a unit: 512kB, 20MB, 1.5GiB',
      got: text,
    });
  }
  return Math.round(Number(match[1]) * SIZE_BYTES[match[2]]);
}

/** A part of every day in UTC, in milliseconds after midnight. `toMs` is the smaller one when it goes over midnight. */
export interface DayWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

/** `22:00-06:00`: from 22:00 to 06:00 of the next day. `24:00` is the end of the day. */
export function parseDayWindow(text: string): DayWindow {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/.exec(text.trim());
  const of = (hours: string, minutes: string): number => (Number(hours) * 60 + Number(minutes)) * 60_000;
  const fromMs = match === null ? 0 : of(match[1], match[2]);
  const toMs = match?.[3] === undefined ? DURATION_MS.d : of(match[3], match[4]);
  if (match !== null && fromMs !== toMs) return { fromMs, toMs };
  throw usageError({
    type: 'InvalidWindow',
    message: `not a time of day from-to: ${JSON.stringify(text)}`,
    expected: 'HH:MM-HH:MM in UTC with different ends, for example 22:00-06:00',
    got: text,
  });
}

/** The largest unit that keeps the number at least 1: `90000` -> `1.5m`. */
export function formatDuration(durationMs: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const size = DURATION_MS[unit];
    if (Math.abs(durationMs) >= size) return `${Number((durationMs / size).toFixed(1))}${unit}`;
  }
  return `${Math.round(durationMs)}ms`;
}

/**
 * An age to compare with a bound, in its two largest units: `2h 3m`, `1m 5s`, `1.5s`, `250ms`. Rounded up in the second
 * one, so that what exceeds a bound by little does not read as less.
 */
export function formatAge(ageMs: number): string {
  if (ageMs < DURATION_MS.s) return `${Math.ceil(ageMs)}ms`;
  if (ageMs <= DURATION_MS.m - 100) return `${Math.ceil(ageMs / 100) / 10}s`;
  // Rounded before it is split: 1h 59m 59s is 2h.
  for (const [large, small] of [
    ['d', 'h'],
    ['h', 'm'],
    ['m', 's'],
  ] as const) {
    const [one, rest] = [DURATION_MS[large], DURATION_MS[small]];
    const roundedMs = Math.ceil(ageMs / rest) * rest;
    if (roundedMs < one) continue;
    const more = (roundedMs % one) / rest;
    return `${Math.floor(roundedMs / one)}${large}${more === 0 ? '' : ` ${more}${small}`}`;
  }
  return `${Math.ceil(ageMs / 100) / 10}s`;
}

/** `13493022` -> `13.5 MB`. Decimal units, one place. */
export function formatBytes(bytes: number): string {
  for (const unit of ['GB', 'MB', 'kB'] as const) {
    if (Math.abs(bytes) >= SIZE_BYTES[unit]) return `${Number((bytes / SIZE_BYTES[unit]).toFixed(1))} ${unit}`;
  }
  return `${Math.round(bytes)} B`;
}
