/** Long-form series files (`series,time,value`) as regular series, for the commands that forecast. */
import { InvalidArgumentError } from 'commander';
import { usageError } from '../../domain/types/errors.js';
import { calendarSeasons } from '../../domain/prediction/series-seasons.js';
import { readCsvFile, type CsvTable } from '../../interfaces/data/csv.js';
import { isInfinite, parseSeconds, parseValue, requireColumn, timeColumn } from './stream-files.js';

/** Steps of one series per row of it: beyond this its times are no regular series, or hold a wrong date. */
const STEPS_PER_ROW_MAX = 20;
const SECONDS_PER_DAY = 86_400;

/** One series on a regular grid: `values[i]` is step i after the first time, null where no row falls on it. */
export interface RegularSeries {
  readonly name: string;
  /** Seconds between steps; 0 where the series has fewer than two times. */
  readonly stepSeconds: number;
  /** Months between steps, where the steps are of the calendar: a month, a quarter, a year; null elsewhere. */
  readonly stepMonths: number | null;
  readonly values: readonly (number | null)[];
  readonly reading: Reading;
}

/** What was read otherwise than it stands in the file. */
interface Reading {
  /** Rows that a later row of the same step replaced. */
  readonly replacedRows: number;
  /** Cells that say infinity, read as missing. */
  readonly infiniteValues: number;
}

/** What the help of each command says about its input. */
export const SERIES_INPUT_HELP = `
Input:  CSV with columns series,time,value (time may be called time_s or timestamp; seconds, from 1e11 on milliseconds,
        or ISO 8601, UTC unless it says otherwise). Without a series column the file is one series named "value".
        Rows may come in any order; a later row replaces an earlier one of the same step. The step is the commonest
        distance between times; months, where each is the same day of its month. Steps without a row, empty values and
        infinities are missing; replaced rows and infinities are counted on standard error and with --json. A folder
        stands for its *.csv files.`;

interface Row {
  readonly time: number;
  readonly value: number | null;
  readonly infinite: boolean;
}

/** Reads a file; series in order of first appearance. Says on standard error what of it was replaced or is no number. */
export function readSeriesFile(path: string): RegularSeries[] {
  const table = readCsvFile(path);
  const time = timeColumn(table, path);
  const value = requireColumn(table, ['value'], path);
  const name = nameColumn(table);
  const rows = new Map<string, Row[]>();
  table.rows.forEach((row, index) => {
    const key = name < 0 ? 'value' : row[name];
    const list = rows.get(key) ?? [];
    const cell = row[value];
    const at = parseSeconds(row[time], path, index);
    list.push({ time: at, value: parseValue(cell, path, index), infinite: isInfinite(cell) });
    rows.set(key, list);
  });
  const all = [...rows].map(([series, list]) => regular(series, list, path));
  const total = (of: keyof Reading): number => all.reduce((sum, { reading }) => sum + reading[of], 0);
  const notes = [
    [total('replacedRows'), 'replaced by a later row of the same series and step'],
    [total('infiniteValues'), 'of infinite value, read as missing'],
  ] as const;
  for (const [count, what] of notes) if (count > 0) process.stderr.write(`${path}: ${count} row(s) ${what}\n`);
  return all;
}

function nameColumn({ columns }: CsvTable): number {
  return columns.findIndex((column) => column.trim().toLowerCase() === 'series');
}

function regular(name: string, rows: readonly Row[], path: string): RegularSeries {
  const times = [...new Set(rows.map(({ time }) => time))].sort((a, b) => a - b);
  const stepSeconds = commonestDistance(times);
  const infiniteValues = rows.filter(({ infinite }) => infinite).length;
  if (stepSeconds === 0) {
    const reading = { replacedRows: rows.length - 1, infiniteValues };
    return { name, stepSeconds, stepMonths: null, values: [rows[rows.length - 1].value], reading };
  }
  const stepMonths = monthsBetween(times);
  const indexOf = (time: number): number =>
    stepMonths === null
      ? Math.round((time - times[0]) / stepSeconds)
      : (monthOf(time) - monthOf(times[0])) / stepMonths;
  const length = indexOf(times[times.length - 1]) + 1;
  if (length > STEPS_PER_ROW_MAX * times.length) {
    throw usageError({
      type: 'IrregularTimes',
      message: `${path}: the times of series ${name} are not regular`,
      expected: `at most ${STEPS_PER_ROW_MAX} steps of ${stepSeconds} s for each row`,
      got: `${length} steps for ${times.length} times`,
      hint: 'Sum or average the values to equal steps first, and check for wrong dates.',
    });
  }
  const values = new Array<number | null>(length).fill(null);
  for (const { time, value } of rows) values[indexOf(time)] = value;
  const replacedRows = rows.length - new Set(times.map(indexOf)).size;
  return { name, stepSeconds, stepMonths, values, reading: { replacedRows, infiniteValues } };
}

/** Months since the year 0, UTC. */
function monthOf(seconds: number): number {
  const date = new Date(seconds * 1000);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/**
 * Months of a step where each time is the same moment of its month, or of its month's last day: months are no multiple of any
 * number of seconds. Null for every other series.
 */
function monthsBetween(times: readonly number[]): number | null {
  const momentsOf = (day: (date: Date) => number): Set<number> =>
    new Set(times.map((time) => day(new Date(time * 1000)) * SECONDS_PER_DAY + secondsOfDay(time)));
  const fromEnd = (date: Date): number =>
    date.getUTCDate() - new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  if (momentsOf((date) => date.getUTCDate()).size > 1 && momentsOf(fromEnd).size > 1) return null;
  const months = times.map(monthOf);
  const distances = months.slice(1).map((month, i) => month - months[i]);
  // Two of one month, or none after the first: not a series of months.
  return distances.length === 0 || distances.includes(0) ? null : distances.reduce(greatestCommonDivisor);
}

function secondsOfDay(seconds: number): number {
  return ((seconds % SECONDS_PER_DAY) + SECONDS_PER_DAY) % SECONDS_PER_DAY;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** The commonest distance between neighbouring times, the shortest of equals; 0 for a single time. */
function commonestDistance(times: readonly number[]): number {
  const counts = new Map<number, number>();
  for (let i = 1; i < times.length; i++) {
    const distance = Math.round((times[i] - times[i - 1]) * 1000) / 1000;
    if (distance > 0) counts.set(distance, (counts.get(distance) ?? 0) + 1);
  }
  const [best] = [...counts].sort(([a, countA], [b, countB]) => countB - countA || a - b);
  return (best as [number, number] | undefined)?.[0] ?? 0;
}

/** Seasons of a series as given, else of the calendar of its times; undefined where the forecaster must find them. */
export function knownSeasons(series: RegularSeries, given?: readonly number[]): readonly number[] | undefined {
  if (given !== undefined) return given;
  const { stepMonths } = series;
  const ofYear = stepMonths !== null && stepMonths < 12 && 12 % stepMonths === 0 ? [12 / stepMonths] : [];
  const calendar = stepMonths === null ? calendarSeasons(series.stepSeconds) : ofYear;
  return calendar.length > 0 ? calendar : undefined;
}

/** Option parser: a whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least) {
      throw new InvalidArgumentError(`expected a whole number of at least ${least}.`);
    }
    return value;
  };
}

/** Option parser: whole numbers of at least 2, separated by commas. */
export function seasonList(text: string): number[] {
  return text.split(',').map((part) => wholeNumber(2)(part.trim()));
}

/** Seven significant digits: more than any forecast holds. */
export function rounded(value: number): number {
  return Number(value.toPrecision(7));
}
