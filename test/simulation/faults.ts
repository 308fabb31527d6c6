/** Seeded faults in deliveries drawn from a real table, and what each kernel says about them. Pure. */
import { gate, type GateMetrics } from '../../domain/quality/gate.js';
import { profileTable } from '../../domain/quality/profile.js';
import { shareBounds } from '../../domain/quality/share-bounds.js';
import { detectDrift, type PairedColumn } from '../../domain/quality/shift.js';

export interface TextTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Which columns of a table the faults go into. */
export interface FaultColumns {
  readonly label: string;
  readonly text: string;
  readonly number: string;
  readonly swapped: readonly [string, string];
  /** Absent: the table has no event time, and no delivery can be late. */
  readonly time?: string;
}

export const FAULT_KINDS = [
  'none',
  'nulls',
  'mean shift',
  'typos',
  'duplicates',
  'late data',
  'vanished class',
  'unit change',
  'swapped columns',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export const DETECTORS = ['profile', 'drift', 'gate'] as const;
export type Verdicts = Readonly<Record<(typeof DETECTORS)[number], boolean>>;

/** Share of rows that nulls and duplicates hit: twice what the gate tolerates undeclared. */
const ROW_SHARE = 0.1;
/** Share of misspelled cells: a few in a hundred, as in hand-typed tables. */
const TYPO_SHARE = 0.03;
/** Half a standard deviation: what Cohen (1988) calls a medium effect. */
const SHIFT_DEVIATIONS = 0.5;
const DAY_MS = 86_400_000;
/** The reader's limit on age. Late data is three limits old. */
export const AGE_MAX_DAYS = 60;
const LATE_DAYS = 3 * AGE_MAX_DAYS;

/** Uniform numbers in [0, 1) from a seed: MINSTD (Park and Miller 1988). */
export function seededRandom(seed: number): () => number {
  let state = (seed * 7919 + 17) % 2147483647;
  const step = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  // Neighbouring seeds give neighbouring first numbers.
  for (let i = 0; i < 8; i++) step();
  return step;
}

/** Two disjoint samples of `size` rows each: what the reader knows, and a new delivery. */
export function drawPair(table: TextTable, size: number, random: () => number): [TextTable, TextTable] {
  const order = table.rows.map((row) => ({ row, rank: random() })).sort((a, b) => a.rank - b.rank);
  const part = (from: number): TextTable => ({
    columns: table.columns,
    rows: order.slice(from, from + size).map(({ row }) => row),
  });
  return [part(0), part(size)];
}

/** The delivery with one fault. */
export function injectFault(kind: FaultKind, table: TextTable, columns: FaultColumns, random: () => number): TextTable {
  const at = (name: string): number => table.columns.indexOf(name);
  const rewrite = (name: string, change: (text: string) => string): TextTable => ({
    ...table,
    rows: table.rows.map((row) => row.map((text, index) => (index === at(name) ? change(text) : text))),
  });
  const onNumbers =
    (change: (value: number) => number) =>
    (text: string): string =>
      text === '' ? text : String(change(Number(text)));
  switch (kind) {
    case 'none':
      return table;
    case 'nulls':
      return rewrite(columns.number, (text) => (random() < ROW_SHARE ? '' : text));
    case 'mean shift': {
      const shift = SHIFT_DEVIATIONS * deviation(table.rows.map((row) => row[at(columns.number)]));
      return rewrite(
        columns.number,
        onNumbers((value) => value + shift),
      );
    }
    case 'typos':
      return rewrite(columns.text, (text) =>
        text.length > 3 && random() < TYPO_SHARE ? misspell(text, random) : text,
      );
    case 'duplicates': {
      const kept = table.rows.slice(0, Math.ceil(table.rows.length * (1 - ROW_SHARE)));
      return {
        ...table,
        rows: table.rows.map((_row, index) => kept[index] ?? kept[Math.floor(random() * kept.length)]),
      };
    }
    case 'late data':
      if (columns.time === undefined) return table;
      return rewrite(columns.time, (text) =>
        text === '' ? text : new Date(Date.parse(text) - LATE_DAYS * DAY_MS).toISOString().slice(0, 10),
      );
    case 'vanished class': {
      const counts = countsOf(table.rows.map((row) => row[at(columns.label)]));
      const ranked = [...counts].filter(([name]) => name !== '').sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
      return { ...table, rows: table.rows.filter((row) => row[at(columns.label)] !== ranked[1][0]) };
    }
    case 'unit change':
      return rewrite(
        columns.number,
        onNumbers((value) => value * 1.8 + 32),
      );
    case 'swapped columns': {
      const [a, b] = columns.swapped.map(at);
      return {
        ...table,
        rows: table.rows.map((row) => row.map((text, index) => (index === a ? row[b] : index === b ? row[a] : text))),
      };
    }
  }
}

/**
 * What each kernel says about a delivery when nothing is declared but what the reference shows.
 *
 * @param sound the delivery as it was before the fault: it arrives with its newest row, so that tells the clock
 */
export function judgeDelivery(
  reference: TextTable,
  sound: TextTable,
  delivery: TextTable,
  columns: FaultColumns,
): Verdicts {
  const [before, after] = [reference, delivery].map((table) => {
    const { cells, repeatedRows } = profileTable(table);
    return cells.length + repeatedRows;
  });
  return {
    // More suspicions than before, by three standard errors of the difference of two Poisson counts.
    profile: after - before > 3 * Math.sqrt(after + before),
    drift: detectDrift({ delivery: pairTables(reference, delivery, columns) }).delivery.drift,
    gate: judgeByGate(reference, delivery, columns, newestTime(sound, columns)),
  };
}

function judgeByGate(reference: TextTable, delivery: TextTable, columns: FaultColumns, nowMs: number): boolean {
  const known = metricsOf(reference, columns, nowMs);
  const minCompleteness = (share: number): number =>
    shareBounds(Math.round(share * known.rows), known.rows, delivery.rows.length)[0];
  const contract = {
    rowsRequired: Math.round(0.9 * reference.rows.length),
    columns: Object.fromEntries(
      Object.entries(known.completeness).map(([name, share]) => [name, { minCompleteness: minCompleteness(share) }]),
    ),
    maxAgeMs: columns.time === undefined ? null : AGE_MAX_DAYS * DAY_MS,
    classTarget: known.classCounts,
  };
  return gate(metricsOf(delivery, columns, nowMs), contract).verdict !== 'pass';
}

/** -Infinity where there is no time. */
export function newestTime(table: TextTable, columns: FaultColumns): number {
  const at = columns.time === undefined ? -1 : table.columns.indexOf(columns.time);
  return table.rows.reduce((newest, row) => Math.max(newest, Date.parse(row[at]) || -Infinity), -Infinity);
}

function metricsOf(table: TextTable, columns: FaultColumns, nowMs: number): GateMetrics {
  const rows = table.rows.length;
  const of = (name: string): string[] => table.rows.map((row) => row[table.columns.indexOf(name)]);
  const newest = newestTime(table, columns);
  return {
    rows,
    completeness: Object.fromEntries(
      table.columns.map((name) => [name, of(name).filter((text) => text !== '').length / rows]),
    ),
    duplicateRows: rows - new Set(table.rows.map((row) => JSON.stringify(row))).size,
    ageMs: Number.isFinite(newest) ? nowMs - newest : null,
    classCounts: Object.fromEntries([...countsOf(of(columns.label))].filter(([name]) => name !== '')),
  };
}

function pairTables(reference: TextTable, current: TextTable, columns: FaultColumns): PairedColumn[] {
  return reference.columns.map((column, index): PairedColumn => {
    const sides = [reference, current].map((table) => table.rows.map((row) => row[index]));
    const present = sides.map((cells) => cells.filter((text) => text !== ''));
    const isNumber = present[0].every((text) => Number.isFinite(Number(text)));
    const kind = column === columns.time ? 'time' : isNumber ? 'number' : 'category';
    const counts = present.map(countsOf);
    const texts = [...new Set(present.flat())].sort((a, b) => (a < b ? -1 : 1));
    if (isNumber) texts.sort((a, b) => Number(a) - Number(b));
    const values = kind === 'time' ? [] : texts;
    return {
      column,
      kind,
      values: isNumber ? values.map(Number) : values,
      reference: values.map((text) => counts[0].get(text) ?? 0),
      current: values.map((text) => counts[1].get(text) ?? 0),
      present: [present[0].length, present[1].length],
      missing: [sides[0].length - present[0].length, sides[1].length - present[1].length],
      malformed: [0, 0],
    };
  });
}

function countsOf(cells: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of cells) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts;
}

function deviation(cells: readonly string[]): number {
  const numbers = cells.filter((text) => text !== '').map(Number);
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  return Math.sqrt(numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / numbers.length);
}

/** One letter in the middle replaced, the commonest slip (Damerau 1964). */
function misspell(text: string, random: () => number): string {
  const at = 1 + Math.floor(random() * (text.length - 2));
  return `${text.slice(0, at)}${text[at] === 'x' ? 'z' : 'x'}${text.slice(at + 1)}`;
}
