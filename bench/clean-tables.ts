/**
 * Clean tables for the error benchmark: public tables of vega-datasets, and tables made here after the published
 * schemas of error benchmarks (tax records, flight times from several sources, bibliographies, film pages, restaurants).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCsvFile } from '../interfaces/data/csv.js';
import type { CleanTable, ColumnNature } from './error-injection.js';

const folder = join(import.meta.dirname, '../node_modules/vega-datasets/data');

const text: ColumnNature = { is: 'text' };
const kind: ColumnNature = { is: 'class' };
const code: ColumnNature = { is: 'code' };
const number: ColumnNature = { is: 'number' };
const whole: ColumnNature = { is: 'number', whole: true };
const date = (format: string): ColumnNature => ({ is: 'date', format });
const time = (format: string): ColumnNature => ({ is: 'time', format });
const unit = (name: string, isWhole = true): ColumnNature => ({ is: 'number', unit: name, whole: isWhole });

function readJson(name: string): { columns: string[]; rows: string[][] } {
  const records = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Record<
    string,
    string | number | null
  >[];
  const columns = [...new Set(records.slice(0, 100).flatMap((record) => Object.keys(record)))];
  return { columns, rows: records.map((record) => columns.map((column) => String(record[column] ?? ''))) };
}

/** Every so many rows of a file, at most `limit`: large tables are one of their kind. */
function real(
  name: string,
  natures: readonly ColumnNature[],
  more: Partial<CleanTable> = {},
  limit = 3000,
): () => CleanTable {
  return () => {
    const [stem, ending] = name.split('.');
    const table = ending === 'json' ? readJson(stem) : readCsvFile(join(folder, name));
    const step = Math.max(1, Math.floor(table.rows.length / limit));
    const rows = table.rows.filter((_, at) => at % step === 0).slice(0, limit);
    return { name: stem, columns: table.columns, rows, natures, decided: [], ...more };
  };
}

type Random = () => number;
const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)];
const pad = (value: number, width: number): string => String(value).padStart(width, '0');

/** Pronounceable words, so that typing errors look like typing errors. */
function words(random: Random, count: number, syllables = 3): string[] {
  const made = new Set<string>();
  while (made.size < count) {
    let word = '';
    const length = 2 + Math.floor(random() * (syllables - 1));
    for (let i = 0; i < length; i++)
      word += pick(random, Array.from('bcdfglmnprstv')) + pick(random, Array.from('aeiou'));
    made.add(word[0].toUpperCase() + word.slice(1) + pick(random, ['', 'n', 'r', 's', 'ton', 'ville']));
  }
  return [...made];
}

function taxTable(random: Random, size = 4000): CleanTable {
  const zips = readCsvFile(join(folder, 'zipcodes.csv')).rows.filter((_, at) => at % 90 === 7);
  const states = [...new Set(zips.map((row) => row[4]))];
  const areaOf = new Map(states.map((state, at) => [state, [201 + 7 * at, 204 + 7 * at]]));
  const rateOf = new Map(
    states.map((state) => [state, Array.from({ length: 5 }, () => Math.round(random() * 90) / 10)]),
  );
  const exemptionOf = new Map(states.map((state) => [state, [0, 1, 2].map(() => 100 * Math.floor(random() * 40))]));
  const first = words(random, 300);
  const last = words(random, 900);
  const rows = Array.from({ length: size }, () => {
    const [zip, , , city, state] = pick(random, zips);
    const married = random() < 0.5;
    const child = random() < 0.5;
    const salary = 5000 * (1 + Math.floor(random() * 20));
    const [single, couple, perChild] = exemptionOf.get(state)!;
    return [
      pick(random, first),
      pick(random, last),
      pick(random, ['M', 'F']),
      String(pick(random, areaOf.get(state)!)),
      `${pad(Math.floor(random() * 1000), 3)}-${pad(Math.floor(random() * 10000), 4)}`,
      city.toUpperCase(),
      state,
      zip,
      married ? 'M' : 'S',
      child ? 'Y' : 'N',
      String(salary),
      String(rateOf.get(state)![Math.floor((salary - 1) / 25_000)]),
      String(married ? 0 : single),
      String(married ? couple : 0),
      String(child ? perChild : 0),
    ];
  });
  return {
    name: 'tax (made)',
    columns: [
      ...['f_name', 'l_name', 'gender', 'area_code', 'phone', 'city', 'state', 'zip', 'marital_status', 'has_child'],
      ...['salary', 'rate', 'single_exemp', 'married_exemp', 'child_exemp'],
    ],
    rows,
    natures: [text, text, kind, code, code, kind, kind, code, kind, kind, whole, number, whole, whole, whole],
    decided: ['city', 'state', 'single_exemp', 'married_exemp', 'child_exemp'],
    exchanged: ['f_name', 'l_name'],
    dependencies: ['zip -> city, state', 'area_code -> state'],
  };
}

/** The same flights told by many sources: clean, all agree. */
function flightTimes(random: Random): CleanTable {
  const clock = (): string => {
    const minutes = Math.floor(random() * 1440);
    const hour = Math.floor(minutes / 60);
    return `${hour % 12 || 12}:${pad(minutes % 60, 2)} ${hour < 12 ? 'a.m.' : 'p.m.'}`;
  };
  const airports = ['MIA', 'PHX', 'ORD', 'DFW', 'JFK', 'LAX', 'SFO', 'DEN', 'ATL', 'EWR'];
  const flights = Array.from({ length: 70 }, () => [
    `${pick(random, ['AA', 'UA', 'CO'])}-${100 + Math.floor(random() * 4000)}-${pick(random, airports)}-${pick(random, airports)}`,
    ...[0, 1, 2, 3].map(clock),
  ]);
  const sources = words(random, 35, 2).map((word) => word.toLowerCase());
  const rows = sources.flatMap((source) => flights.filter(() => random() < 0.9).map((flight) => [source, ...flight]));
  const moment = time('h:mm a.m.');
  return {
    name: 'flight times (made)',
    columns: ['src', 'flight', 'sched_dep_time', 'act_dep_time', 'sched_arr_time', 'act_arr_time'],
    rows,
    natures: [kind, code, moment, moment, moment, moment],
    decided: ['sched_dep_time', 'act_dep_time', 'sched_arr_time', 'act_arr_time'],
    exchanged: ['sched_dep_time', 'act_dep_time'],
    dependencies: ['flight -> sched_dep_time, act_dep_time, sched_arr_time, act_arr_time'],
  };
}

function bibliography(random: Random, size = 1000): CleanTable {
  const vocabulary = words(random, 400).map((word) => word.toLowerCase());
  const phrase = (from: number, to: number): string =>
    Array.from({ length: from + Math.floor(random() * (to - from)) }, () => pick(random, vocabulary)).join(' ');
  const capital = (phraseText: string): string => phraseText[0].toUpperCase() + phraseText.slice(1);
  const journals = Array.from({ length: 160 }, () => {
    const title = `Journal of ${phrase(1, 4)}`;
    const abbreviation = title
      .split(' ')
      .filter((word) => word !== 'of')
      .map((word) => capital(word.slice(0, 4)))
      .join(' ');
    return [title, abbreviation, `${pad(Math.floor(random() * 10000), 4)}-${pad(Math.floor(random() * 10000), 4)}`];
  });
  const surnames = words(random, 500);
  const rows = Array.from({ length: size }, (_, at) => {
    const [journal, abbreviation, issn] = journals[Math.floor(random() ** 2 * journals.length)];
    const page = 1 + Math.floor(random() * 900);
    const authors = Array.from(
      { length: 1 + Math.floor(random() * 4) },
      () => `"${pick(random, Array.from('ABCDEFGHJKLM'))}. ${pick(random, surnames)}"`,
    );
    return [
      String(3000 + 7 * at),
      `${capital(phrase(4, 12))}.`,
      pick(random, ['eng', 'eng', 'eng', 'eng', 'eng', 'eng', 'fre', 'ger', 'spa']),
      journal,
      abbreviation,
      issn,
      String(1 + Math.floor(random() * 90)),
      String(1 + Math.floor(random() * 12)),
      `${1 + Math.floor(random() * 12)}/1/${pad(Math.floor(random() * 15), 2)}`,
      `${page}-${page + Math.floor(random() * 20)}`,
      `{${authors.join(',')}}`,
    ];
  });
  return {
    name: 'bibliography (made)',
    columns: [
      ...['id', 'article_title', 'article_language', 'journal_title', 'journal_abbreviation', 'journal_issn'],
      ...['article_volume', 'article_issue', 'created_at', 'pagination', 'author_list'],
    ],
    rows,
    natures: [whole, text, kind, text, text, code, whole, whole, date('M/D/YY'), code, text],
    decided: ['journal_abbreviation', 'journal_issn', 'journal_title'],
    exchanged: ['article_volume', 'article_issue'],
  };
}

function filmPages(random: Random, size = 2000): CleanTable {
  const vocabulary = words(random, 600);
  const phrase = (most: number): string =>
    Array.from({ length: 1 + Math.floor(random() * most) }, () => pick(random, vocabulary)).join(' ');
  const people = Array.from({ length: 700 }, () => `${pick(random, vocabulary)} ${pick(random, vocabulary)}`);
  const genres = ['Drama', 'Comedy', 'Action', 'Thriller', 'Romance', 'Crime', 'Horror', 'Adventure'];
  const rows = Array.from({ length: size }, (_, at) => {
    const year = 1950 + Math.floor(random() * 65);
    const votes = Math.floor(Math.exp(4 + random() * 9));
    return [
      `tt${pad(100_000 + 37 * at, 7)}`,
      phrase(4),
      String(year),
      `${1 + Math.floor(random() * 28)} ${pick(random, ['January', 'March', 'June', 'October'])} ${year}`,
      pick(random, people),
      [pick(random, people), pick(random, people), pick(random, people)].join(','),
      pick(random, ['English', 'English', 'English', 'French', 'Spanish', 'English,French']),
      pick(random, ['USA', 'USA', 'USA', 'UK', 'France', 'USA,UK']),
      String(70 + Math.floor(random() * 110)),
      (2 + random() * 7).toFixed(1),
      String(votes),
      [...new Set([pick(random, genres), pick(random, genres)])].join(','),
    ];
  });
  return {
    name: 'film pages (made)',
    columns: [
      ...['Id', 'Name', 'Year', 'Release Date', 'Director', 'Actors', 'Language', 'Country', 'Duration'],
      ...['RatingValue', 'RatingCount', 'Genre'],
    ],
    rows,
    natures: [...[code, text, whole, date('D MMMM YYYY'), text, text, kind, kind, unit('min'), number, whole, kind]],
    decided: [],
    exchanged: ['Director', 'Name'],
  };
}

function restaurants(random: Random, size = 860): CleanTable {
  const vocabulary = words(random, 300);
  const cities = [
    ['new york', '212'],
    ['los angeles', '310'],
    ['san francisco', '415'],
    ['atlanta', '404'],
    ['las vegas', '702'],
    ['santa monica', '310'],
  ];
  const cuisines = ['american', 'italian', 'french', 'asian', 'seafood', 'steakhouses', 'delis', 'mexican', 'cafes'];
  const rows = Array.from({ length: size }, (_, at) => {
    const [city, area] = cities[Math.floor(random() ** 1.5 * cities.length)];
    const street = pick(random, vocabulary).toLowerCase();
    return [
      String(at),
      Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(random, vocabulary).toLowerCase()).join(' '),
      `${1 + Math.floor(random() * 3000)} ${pick(random, ['w. ', 'e. ', ''])}${street} ${pick(random, ['st.', 'ave.', 'blvd.'])}`,
      city,
      `${area}/${pad(Math.floor(random() * 1000), 3)}-${pad(Math.floor(random() * 10000), 4)}`,
      pick(random, cuisines),
    ];
  });
  return {
    name: 'restaurants (made)',
    columns: ['id', 'name', 'addr', 'city', 'phone', 'type'],
    rows,
    natures: [whole, text, text, kind, code, kind],
    decided: [],
    exchanged: ['city', 'type'],
  };
}

function adults(random: Random, size = 3000): CleanTable {
  const schools = [
    ...['9th', '10th', '11th', 'HS-grad', 'Some-college', 'Assoc-acdm', 'Bachelors', 'Masters', 'Doctorate'],
  ];
  const rows = Array.from({ length: size }, () => {
    const level = Math.floor(random() * schools.length);
    const capital = random() < 0.08 ? Math.floor(random() * 15_000) : 0;
    const isMale = random() < 0.67;
    const status = pick(random, ['Married-civ-spouse', 'Never-married', 'Divorced', 'Widowed']);
    return [
      String(17 + Math.floor(random() ** 1.5 * 65)),
      random() < 0.06 ? '?' : pick(random, ['Private', 'Private', 'Private', 'Local-gov', 'State-gov', 'Self-emp-inc']),
      String(Math.floor(20_000 + random() ** 2 * 500_000)),
      schools[level],
      String(level + 5),
      status,
      status === 'Married-civ-spouse' ? (isMale ? 'Husband' : 'Wife') : pick(random, ['Not-in-family', 'Unmarried']),
      isMale ? 'Male' : 'Female',
      String(capital),
      String(random() < 0.5 ? 40 : 10 + Math.floor(random() * 60)),
      random() < 0.9 ? 'United-States' : pick(random, ['Mexico', 'Philippines', 'Germany', 'Canada', 'India']),
      random() < 0.24 ? '>50K' : '<=50K',
    ];
  });
  return {
    name: 'adults (made)',
    columns: [
      ...['age', 'workclass', 'fnlwgt', 'education', 'education-num', 'marital-status', 'relationship', 'sex'],
      ...['capital-gain', 'hours-per-week', 'native-country', 'income'],
    ],
    rows,
    natures: [whole, kind, whole, kind, whole, kind, kind, kind, whole, whole, kind, kind],
    decided: ['education', 'education-num'],
    exchanged: ['education', 'marital-status'],
  };
}

/** Tables that the detectors were worked on with. */
export const DEVELOPMENT: readonly ((random: Random) => CleanTable)[] = [
  taxTable,
  flightTimes,
  real(
    'movies.json',
    [
      text,
      whole,
      whole,
      whole,
      whole,
      date('MMM D YYYY'),
      kind,
      whole,
      kind,
      kind,
      kind,
      kind,
      text,
      whole,
      number,
      whole,
    ],
    { exchanged: ['Distributor', 'Director'] },
  ),
  real(
    'birdstrikes.csv',
    [kind, kind, kind, date('YYYY-MM-DD'), kind, kind, kind, kind, kind, kind, whole, whole, whole, whole],
    { decided: ['Origin State'], exchanged: ['Wildlife Size', 'Phase of flight'] },
  ),
  real('cars.json', [text, number, whole, number, whole, whole, number, date('YYYY-MM-DD'), kind]),
  real('gapminder.json', [whole, kind, whole, whole, number, number], { decided: ['cluster'] }),
  real('football.json', [date('YYYY-MM-DD'), kind, kind, kind, whole, whole], {
    decided: ['division'],
    exchanged: ['division', 'home_team'],
  }),
  restaurants,
];

/** Tables held out until the end. */
export const HELD_OUT: readonly ((random: Random) => CleanTable)[] = [
  bibliography,
  filmPages,
  adults,
  real('penguins.json', [kind, kind, number, number, whole, whole, kind], { exchanged: ['Species', 'Island'] }),
  real('airports.csv', [code, text, text, kind, kind, number, number], { exchanged: ['state', 'country'] }),
  real('weather.csv', [kind, date('YYYY-MM-DD'), number, number, number, number, kind]),
  real('species.csv', [code, text, text, code, code, number], {
    decided: ['common_name', 'scientific_name', 'gap_species_code'],
    exchanged: ['common_name', 'scientific_name'],
  }),
  real('zipcodes.csv', [code, number, number, text, kind, kind], { exchanged: ['city', 'county'] }),
  real('jobs.json', [kind, kind, whole, whole, number], { exchanged: ['job', 'sex'] }),
];
