import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseContract } from '../../../domain/quality/contract.js';
import { profileTable, type ProfileInput } from '../../../domain/quality/profile.js';

/** Fifteen shops, eight orders each: shop decides name and city. */
const SHOPS = 15;
const ORDERS = 8;
const NAMES = [
  'alder',
  'birch',
  'cedar',
  'dogwood',
  'elm',
  'fir',
  'ginkgo',
  'hazel',
  'ironwood',
  'juniper',
  'kapok',
  'larch',
  'maple',
  'nutmeg',
  'oak',
];
const CITIES = ['bergen', 'dublin', 'geneva', 'lisbon', 'vienna'];

function shopTable(): { columns: string[]; rows: string[][] } {
  const rows = Array.from({ length: SHOPS * ORDERS }, (_, at) => {
    const shop = at % SHOPS;
    return [String(at), `s${shop + 10}`, `${NAMES[shop]} trading`, CITIES[shop % CITIES.length], `${(at * 7) % 40}.5`];
  });
  return { columns: ['order', 'shop', 'name', 'city', 'price'], rows };
}

/** The table with some cells replaced; `[row, column, text]`. */
function spoiled(...cells: [number, number, string][]): { columns: string[]; rows: string[][] } {
  const table = shopTable();
  for (const [row, column, text] of cells) table.rows[row][column] = text;
  return table;
}

const reported = (input: ProfileInput): unknown[] =>
  profileTable(input).cells.map(({ row, column, kind, suggested }) => [row, column, kind, suggested]);

describe('profileTable finds', () => {
  const cases: [string, [number, number, string][], unknown[]][] = [
    ['nothing in a table without fault', [], []],
    ['a value that its group contradicts', [[17, 3, 'oslo']], [[17, 'city', 'dependency', CITIES[2]]]],
    ['a misspelling of what its group says', [[30, 2, 'aldxr trading']], [[30, 'name', 'dependency', 'alder trading']]],
    ['a blank where its group knows the value', [[44, 3, '']], [[44, 'city', 'dependency', CITIES[4]]]],
    [
      'a value in the wrong field',
      [
        [20, 2, 'fir trading bergen'],
        [20, 3, ''],
      ],
      [
        [20, 'name', 'misplaced', 'fir trading'],
        [20, 'city', 'misplaced', 'bergen'],
      ],
    ],
    ['another letter case', [[31, 2, 'Birch Trading']], [[31, 'name', 'variant', 'birch trading']]],
    ['a price with its unit', [[50, 4, '1.5 eur']], [[50, 'price', 'unit', '1.5']]],
    ['a sign that slipped', [[50, 4, '-30.5']], [[50, 'price', 'outlier', undefined]]],
    ['a decimal point that slipped', [[50, 4, '3050']], [[50, 'price', 'outlier', undefined]]],
    ['a number that stands for a missing one', [[50, 4, '999']], [[50, 'price', 'implicit-missing', undefined]]],
    ['a null spelled out among numbers', [[50, 4, 'N/A']], [[50, 'price', 'implicit-missing', undefined]]],
    [
      'two cells that changed places',
      [
        [20, 2, 'bergen'],
        [20, 3, 'fir trading'],
      ],
      [
        [20, 'name', 'misplaced', 'fir trading'],
        [20, 'city', 'misplaced', 'bergen'],
      ],
    ],
    ['a price that is no number', [[50, 4, '1x.5']], [[50, 'price', 'unusual-pattern', undefined]]],
  ];
  it.each(cases)('%s', (_name, cells, expected) => {
    expect(reported(spoiled(...cells))).toEqual(expected);
  });

  it('only what was declared in a column with nothing else to go by', () => {
    const contract = parseContract({ columns: { price: { type: 'number', unit: 'eur' } } });
    const input = { ...spoiled([5, 4, '35.5 eur'], [6, 4, 'N/A']), contract };
    expect(reported(input)).toEqual([
      [5, 'price', 'unit', '35.5'],
      [6, 'price', 'implicit-missing', undefined], // all others have a price: this one was lost, not left out
    ]);
  });

  it('repeats of a declared key, after the first row that has it; rows without a key repeat none', () => {
    const contract = parseContract({ unique: ['order'] });
    const input = { ...spoiled([7, 0, '3'], [9, 0, ''], [11, 0, '']), contract };
    expect(reported(input)).toEqual([[7, 'order', 'repeated-key', undefined]]);
    const pair = parseContract({ unique: [['city', 'price']] });
    const cells = reported({ ...shopTable(), contract: pair }) as [number, string, string][];
    const { rows } = shopTable();
    const repeats = rows.flatMap((row, at) =>
      rows.slice(0, at).some((other) => other[3] === row[3] && other[4] === row[4]) ? [at] : [],
    );
    expect(repeats.length).toBeGreaterThan(0);
    expect(cells).toEqual(
      repeats.flatMap((row) => ['city', 'price'].map((column) => [row, column, 'repeated-key', undefined])),
    );
  });

  it('a value that two columns together decide', () => {
    const [grades, seasons] = [
      ['a', 'b', 'c', 'd'],
      ['spring', 'summer', 'autumn', 'winter'],
    ];
    const rows = Array.from({ length: 320 }, (_, at) => {
      const [grade, season] = [at % 4, (at >> 2) % 4];
      return [grades[grade], seasons[season], String(10 + ((grade * 5 + season * 7) % 6))];
    });
    rows[37][2] = '18';
    expect(reported({ columns: ['grade', 'season', 'price'], rows })).toMatchObject([
      [37, 'price', 'dependency', '10'],
    ]);
  });

  it('no outlier where one value in a thousand is far away by nature', () => {
    // Exponential and lognormal quantiles: the largest is 7.6 times, and 25 times, the median.
    const rows = Array.from({ length: 400 }, (_, at) => {
      const share = (at + 0.5) / 400;
      return [(-Math.log(1 - share)).toFixed(4), Math.exp(2 * Math.log(share / (1 - share))).toPrecision(4)];
    });
    expect(reported({ columns: ['wait', 'income'], rows })).toEqual([]);
  });

  it('nothing wrong with values that differ in a mark that means something', () => {
    const rows = Array.from({ length: 200 }, (_, at) => [at % 4 === 0 ? '>50K' : '<=50K', at % 5 === 0 ? 'C++' : 'C#']);
    expect(reported({ columns: ['income', 'language'], rows })).toEqual([]);
  });

  it('nothing wrong with a null that the column always spells so', () => {
    const table = shopTable();
    table.columns.push('note');
    table.rows.forEach((row, at) => row.push(at % 2 === 0 ? 'empty' : 'paid'));
    expect(reported(table)).toEqual([]);
  });
});

describe('profileTable finds what a part of the rows is written otherwise', () => {
  /** A column of 200 values, every fourth rewritten; beside it a group of ten rows each. */
  const partly = (write: (at: number) => string, rewrite: (text: string, at: number) => string): ProfileInput => ({
    columns: ['group', 'value'],
    rows: Array.from({ length: 200 }, (_, at) => [`g${at % 20}`, at % 4 === 1 ? rewrite(write(at), at) : write(at)]),
  });
  const pad = (value: number): string => String(value).padStart(2, '0');
  const iso = (at: number): string => `20${10 + (at % 9)}-${pad(1 + (at % 12))}-${pad(13 + (at % 15))}`;
  const word = (at: number): string => NAMES[at % NAMES.length];
  const price = (at: number): string => (1000 + at * 7.25).toFixed(2);

  const cases: [string, (at: number) => string, (text: string, at: number) => string][] = [
    ['a unit', price, (text) => `${text} kg`],
    ['thousands with commas', price, (text) => Number(text).toLocaleString('en-US', { minimumFractionDigits: 2 })],
    ['a decimal comma', (at) => (at / 8 + 0.01).toFixed(2), (text) => text.replace('.', ',')],
    ['another date format', iso, (text) => text.split('-').reverse().join('.')],
    ['dates whose order their fellows tell', iso, (text) => text.split('-').reverse().join('/')],
    ['white space at an end', word, (text) => `${text} `],
    ['another letter case', word, (text) => text.toUpperCase()],
  ];
  it.each(cases)('%s', (_, write, rewrite) => {
    const { cells } = profileTable(partly(write, rewrite));
    expect(cells.map(({ row, suggested }) => [row, suggested])).toEqual(
      Array.from({ length: 50 }, (__, at) => [4 * at + 1, write(4 * at + 1)]),
    );
  });

  it('a code for missing values, however many rows have it, without a proposal', () => {
    const { cells } = profileTable(partly(price, () => '-999'));
    expect(cells).toHaveLength(50);
    expect(cells.every(({ kind, suggested }) => kind === 'implicit-missing' && suggested === undefined)).toBe(true);
  });

  it('nothing in thousands that a column always groups, in house numbers, or in dates of one format', () => {
    const count = (at: number): string => (at * 37).toLocaleString('en-US');
    const house = (at: number): string => `${1 + (at % 90)}${['', '', '', '', '', '', '', 'a', 'b', 'c'][at % 10]}`;
    const long = (at: number): string => `${1 + (at % 28)} ${['May', 'June', 'July'][at % 3]} ${1990 + (at % 20)}`;
    for (const write of [count, house, long]) expect(reported(partly(write, (text) => text))).toEqual([]);
  });

  it('no order of day and month where either may be meant', () => {
    const low = (at: number): string => `20${10 + (at % 9)}-${pad(1 + (at % 12))}-${pad(1 + ((at * 5) % 12))}`;
    const { cells } = profileTable(partly(low, (text) => text.split('-').reverse().join('/')));
    expect(cells.length).toBeGreaterThan(0);
    const [year, first, second] = [/\d{4}/, /^\d+/, /(?<=\/)\d+(?=\/)/];
    for (const { row, suggested } of cells) {
      const text = low(row).split('-').reverse().join('/');
      const same = first.exec(text)![0] === second.exec(text)![0];
      expect(suggested === undefined, `${text} ${year.exec(text)![0]}`).toBe(!same);
    }
  });
});

describe('profileTable proposes a blank for a spelled-out null', () => {
  const measured = (isLost: (at: number) => boolean): ProfileInput => ({
    columns: ['brewery', 'ibu'],
    rows: Array.from({ length: 300 }, (_, at) => [`b${at % 30}`, isLost(at) ? 'N/A' : String(20 + ((at * 7) % 50))]),
    contract: parseContract({ columns: { ibu: { type: 'integer' } } }),
  });

  it('where it follows from the row: some breweries state none', () => {
    expect(new Set(profileTable(measured((at) => at % 30 < 9)).cells.map(({ suggested }) => suggested))).toEqual(
      new Set(['']),
    );
  });

  it('but not where values were lost in any row alike', () => {
    const { cells } = profileTable(measured((at) => Math.imul(at + 1, 2_654_435_761) >>> 28 < 3));
    expect(cells.length).toBeGreaterThan(10);
    expect(cells.every(({ suggested }) => suggested === undefined)).toBe(true);
  });
});

describe('profileTable blames, of columns that decide each other,', () => {
  /** Each of twelve codes has its own title, in ten rows. */
  const pairs = (...cells: [number, number, string][]): ProfileInput => {
    const rows = Array.from({ length: 120 }, (_, at) => [`c${10 + (at % 12)}`, NAMES[at % 12], `${at % 7}`]);
    for (const [row, column, text] of cells) rows[row][column] = text;
    return { columns: ['code', 'title', 'amount'], rows };
  };

  it('both cells of a broken pair, evenly, and proposes nothing', () => {
    expect(profileTable(pairs([40, 0, 'c11'])).cells).toMatchObject([
      { row: 40, column: 'code', score: 0.5 },
      { row: 40, column: 'title', score: 0.5 },
    ]);
    expect(reported(pairs([40, 0, 'c11'])).map((cell) => (cell as unknown[])[3])).toEqual([undefined, undefined]);
  });

  it('both evenly where only one of the two columns decides the other', () => {
    // Two grades share a level, so the level decides no grade; grades g0 to g7 have a level of their own.
    const grades = ['g0', 'g1', 'g2', 'g3', 'g4', 'g5', 'g6', 'g7', 'x', 'y', 'z', 'u', 'v', 'w'];
    const levelOf = (grade: string): string =>
      grade.startsWith('g') ? `1${grade.slice(1)}` : 'yz'.includes(grade) ? '30' : '31';
    const rows = Array.from({ length: 420 }, (_, at) => [String(at), grades[at % 14], levelOf(grades[at % 14])]);
    rows[14] = ['14', 'g5', '10'];
    const { cells } = profileTable({ columns: ['id', 'grade', 'level'], rows });
    expect(cells.map(({ row, column, score, suggested }) => [row, column, score, suggested])).toEqual([
      [14, 'level', 0.5, undefined],
    ]);
  });

  it('the misspelled one alone: no other row has that value', () => {
    expect(reported(pairs([40, 1, 'elmm']))).toEqual([[40, 'title', 'typo', 'elm']]);
  });

  it('the one that two others contradict, and not those that it contradicts', () => {
    expect(reported(spoiled([17, 1, 's13']))).toEqual([[17, 'shop', 'dependency', 's12']]);
  });
});

describe('profileTable learns from corrected rows', () => {
  it('neither the letter case of names that have their own, nor what stood where a value was lost', () => {
    const ratings = ['PG', 'PG', 'PG', 'PG', 'R', 'Not Rated', 'PG', 'PG-13'];
    const clean = Array.from({ length: 160 }, (_, at) => [String(at), ratings[at % 8]]);
    const rows = clean.map((row, at) => [
      row[0],
      [9, 49].includes(at) ? 'pg' : [11, 19, 27].includes(at) ? '?' : row[1],
    ]);
    const corrected = [9, 11, 19].map((row) => ({ row, values: clean[row] }));
    const { cells } = profileTable({ columns: ['id', 'rating'], rows, corrected });
    expect(cells.map(({ row, suggested }) => [row, suggested])).toEqual([
      [9, 'PG'],
      [11, 'PG'],
      [19, 'PG'],
      [27, undefined],
      [49, 'PG'],
    ]);
  });

  it('nothing about plain numbers from one that lost its unit', () => {
    const table = shopTable();
    for (const row of table.rows) row[4] = `${row[4]}0`;
    const clean = table.rows.map((row) => [...row]);
    table.rows[9][4] = '6.00 eur';
    clean[9][4] = '6';
    const { cells } = profileTable({ ...table, corrected: [{ row: 9, values: clean[9] }] });
    expect(cells.map(({ row, suggested }) => [row, suggested])).toEqual([[9, '6']]);
  });

  it('that a suffix is to be dropped everywhere', () => {
    const table = shopTable();
    const clean = shopTable().rows;
    for (const row of table.rows) row[4] += ' eur';
    const corrected = [3, 8].map((row) => ({ row, values: clean[row] }));
    const { cells } = profileTable({ ...table, corrected });
    expect(cells).toHaveLength(table.rows.length);
    expect(cells.every(({ row, suggested }) => suggested === clean[row][4])).toBe(true);
  });

  it('that a suspected look is right', () => {
    const cells: [number, number, string][] = [
      [50, 4, '12.5-'],
      [51, 4, '13.5-'],
      [52, 4, '14.5-'],
    ];
    expect(reported(spoiled(...cells))).toHaveLength(3);
    const { rows } = spoiled(...cells);
    const corrected = [50, 51].map((row) => ({ row, values: rows[row] }));
    expect(reported({ ...spoiled(...cells), corrected })).toEqual([]);
  });

  it('the corrected rows themselves, with certainty', () => {
    const clean = shopTable().rows;
    const corrected = [{ row: 7, values: clean[7] }];
    const { cells } = profileTable({ ...spoiled([7, 0, '9999']), corrected });
    expect(cells.filter(({ row }) => row === 7)).toMatchObject([
      { column: 'order', kind: 'labelled', score: 1, suggested: '7' },
    ]);
  });
});

describe('profileTable scores', () => {
  it('a table without fault 1 in every measurable dimension', () => {
    expect(profileTable(shopTable()).scores).toEqual({
      completeness: 1,
      validity: 1,
      uniqueness: 1,
      consistency: 1,
      accuracy: 1,
      timeliness: null,
      overall: 1,
    });
  });

  it('missing cells and repeated rows as stated', () => {
    const table = {
      columns: ['a', 'b'],
      rows: [
        ['1', 'x'],
        ['1', 'x'],
        ['2', ''],
        ['3', 'N/A'],
      ],
    };
    const { scores, repeatedRows } = profileTable(table);
    expect(scores.completeness).toBe(6 / 8);
    expect(repeatedRows).toBe(1);
    expect(scores.uniqueness).toBe(3 / 4);
  });

  it('nothing for a table without rows', () => {
    const { scores, cells } = profileTable({ columns: ['a'], rows: [] });
    expect(scores.overall).toBeNull();
    expect(cells).toEqual([]);
  });

  it('counts rows that repeat a declared key', () => {
    const contract = parseContract({ unique: [['a']] });
    const rows = [
      ['1', 'x'],
      ['1', 'y'],
      ['', 'z'],
      ['', 'z2'],
    ];
    expect(profileTable({ columns: ['a', 'b'], rows, contract }).repeatedRows).toBe(1);
  });
});

describe('profileTable', () => {
  it('answers any table with scores in [0, 1] and findings that name its cells', () => {
    const cell = fc.constantFrom('', 'a', 'A', 'b c', '1', '1.0', 'N/A', '2020-01-01', '-*', 'Ã©');
    const table = fc.array(fc.tuple(cell, cell, cell), { maxLength: 40 });
    fc.assert(
      fc.property(table, (rows) => {
        const { cells, scores } = profileTable({ columns: ['x', 'y', 'z'], rows });
        for (const { row, column, score } of cells) {
          expect(rows[row][['x', 'y', 'z'].indexOf(column)]).toBeDefined();
          expect(score).toBeGreaterThanOrEqual(0.5);
          expect(score).toBeLessThanOrEqual(1);
        }
        for (const score of Object.values(scores)) if (score !== null) expect(score >= 0 && score <= 1).toBe(true);
      }),
    );
  });
});
