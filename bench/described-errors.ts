/**
 * Made tables with errors like those that are described of published error benchmarks (flight times of many sources,
 * article records, film pages, tax records): sources that leave a column blank, lie, or write another format; what a
 * spreadsheet makes of page ranges; durations in hours and minutes; marks in names; codes that lost a zero.
 */
import { DEVELOPMENT, HELD_OUT } from './clean-tables.js';
import type { CleanTable, DirtyTable, ErrorKind } from './error-injection.js';

type Random = () => number;
/** The wrong text, or null where the error does not suit the cell. */
type Change = (text: string, row: readonly string[]) => string | null;
type Changes = Readonly<Record<string, readonly (readonly [chance: number, kind: ErrorKind, change: Change])[]>>;

export interface SpoiledTable {
  readonly clean: CleanTable;
  readonly dirty: DirtyTable;
}

const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)];

/** The table after the first change of each cell that its chance picks. */
function spoil(clean: CleanTable, changes: Changes, random: Random): SpoiledTable {
  const errors = new Map<number, ErrorKind>();
  const rows = clean.rows.map((row, at) =>
    row.map((text, column) => {
      for (const [chance, kind, change] of changes[clean.columns[column]] ?? []) {
        const wrong = random() < chance ? change(text, row) : null;
        if (wrong === null || wrong === text) continue;
        errors.set(at * clean.columns.length + column, kind);
        return wrong;
      }
      return text;
    }),
  );
  return { clean, dirty: { rows, errors } };
}

/** A time of day some minutes off. */
function otherTime(text: string, minutes: number): string {
  const [, hour, minute, half] = /^(\d+):(\d+) (a|p)/.exec(text)!;
  const of = ((Number(hour) % 12) * 60 + Number(minute) + (half === 'p' ? 720 : 0) + minutes + 1440) % 1440;
  const clock = Math.floor(of / 60);
  return `${clock % 12 || 12}:${String(of % 60).padStart(2, '0')} ${clock < 12 ? 'a.m.' : 'p.m.'}`;
}

/** Each source has its habits: what it leaves blank, what it gets wrong, how it writes. About a quarter of the cells. */
function flights(random: Random): SpoiledTable {
  const clean = DEVELOPMENT[1](random);
  const times = ['sched_dep_time', 'act_dep_time', 'sched_arr_time', 'act_arr_time'];
  const habits = new Map(
    [...new Set(clean.rows.map(([source]) => source))].map((source) => [
      source,
      times.map((name) => ({
        blank: pick(random, [1, 0.15, 0.02, 0.02, 0.02, 0.02, 0.02]),
        wrong: pick(random, name.startsWith('act') ? [0.02, 0.05, 0.3, 0.6] : [0, 0, 0.02, 0.1]),
        foreign: random() < 0.08 ? 0.9 : 0,
        write: pick<Change>(random, [
          (text) => `12/02/2011 ${text}`,
          (text) => `${text} (Estimated)`,
          (text) => `${text.replace(/ ([ap])\.m\./, '$1')}Dec 2`,
        ]),
      })),
    ]),
  );
  const changes = times.map((name, at): [string, Changes[string]] => {
    const habit = (row: readonly string[]) => habits.get(row[0])![at];
    const when = (chance: number, text: () => string | null): string | null => (random() < chance ? text() : null);
    return [
      name,
      [
        [1, 'null word', (_, row) => when(habit(row).blank, () => pick(random, ['', '', '', 'Not Available']))],
        [1, 'format', (text, row) => when(habit(row).foreign, () => habit(row).write(text, row))],
        [1, 'dependency', (text, row) => when(habit(row).wrong, () => otherTime(text, 1 + Math.floor(random() * 30)))],
      ],
    ];
  });
  return spoil(clean, Object.fromEntries(changes), random);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function articles(random: Random): SpoiledTable {
  const clean = HELD_OUT[0](random);
  const day: Change = (text) => {
    const [, first, second] = /^(\d+)-(\d+)$/.exec(text) ?? [];
    if (first === undefined || Number(first) > 12 || Number(second) > 99) return null;
    const month = MONTHS[Number(first) - 1];
    return Number(second) <= 31 ? `${Number(second)}-${month}` : `${month}-${second}`;
  };
  const loseLetter: Change = (text) => {
    const at = 1 + Math.floor(random() * (text.length - 2));
    return text.slice(0, at) + text.slice(at + 1);
  };
  const isoDate: Change = (text) => {
    const [month, date, year] = text.split('/').map((part) => part.padStart(2, '0'));
    return `${year}-${month}-${date}`;
  };
  const blank: Change = () => '';
  return spoil(
    clean,
    {
      pagination: [[1, 'format', day]],
      journal_issn: [
        [0.06, 'null word', blank],
        [0.04, 'format', (text) => text.replace('-', '')],
      ],
      journal_abbreviation: [
        [0.12, 'null word', blank],
        [0.05, 'typo', loseLetter],
      ],
      journal_title: [
        [0.06, 'typo', loseLetter],
        [0.03, 'case', (text) => text.toLowerCase()],
      ],
      created_at: [[0.3, 'format', isoDate]],
      article_language: [[0.03, 'null word', blank]],
    },
    random,
  );
}

function films(random: Random): SpoiledTable {
  const clean = HELD_OUT[1](random);
  const hours: Change = (text) => `${Math.floor(Number(text) / 60)} hr. ${Number(text) % 60} min.`;
  return spoil(
    clean,
    {
      Duration: [
        [0.12, 'format', hours],
        [0.08, 'unit', (text) => `${text} min`],
      ],
      'Release Date': [
        [0.12, 'format', (text) => `${text} (USA)`],
        [0.05, 'format', (text) => text.split(' ').slice(1).join(' ')],
      ],
      RatingCount: [[0.2, 'format', (text) => Number(text).toLocaleString('en-US')]],
      RatingValue: [
        [0.04, 'null word', () => 'N/A'],
        [0.03, 'format', (text) => `${text}/10`],
        [0.02, 'outlier', (text) => String(Math.round(Number(text) * 10))],
      ],
      Year: [[0.03, 'format', (text) => `(${text})`]],
      Language: [[0.02, 'typo', (text) => text.slice(0, -1)]],
      Country: [[0.03, 'case', (text) => text.toLowerCase()]],
      Genre: [[0.03, 'format', (text) => text.replace(',', ' | ')]],
    },
    random,
  );
}

function tax(random: Random): SpoiledTable {
  const clean = DEVELOPMENT[0](random);
  const states = [...new Set(clean.rows.map((row) => row[6]))];
  return spoil(
    clean,
    {
      f_name: [[0.05, 'encoding', (text) => `${text.slice(0, 2)}'${text.slice(2)}`]],
      city: [
        [0.08, 'format', (text) => `${text}-*`],
        [0.02, 'typo', (text) => `${text.slice(0, 3)}X${text.slice(4)}`],
      ],
      state: [[0.02, 'dependency', () => pick(random, states)]],
      zip: [[0.2, 'format', (text) => text.replace(/^0/, '')]],
      phone: [
        [0.03, 'format', (text) => text.replace('-', '')],
        [0.02, 'format', (text) => `(${text})`],
      ],
      rate: [[0.05, 'format', (text) => `${text}%`]],
      marital_status: [[0.02, 'format', (text) => (text === 'M' ? 'married' : 'single')]],
      child_exemp: [[0.02, 'dependency', (text) => (text === '0' ? '1000' : '0')]],
      salary: [[0.02, 'format', (text) => Number(text).toLocaleString('en-US')]],
      gender: [[0.02, 'case', (text) => text.toLowerCase()]],
    },
    random,
  );
}

export const DESCRIBED: readonly ((random: Random) => SpoiledTable)[] = [flights, articles, films, tax];
