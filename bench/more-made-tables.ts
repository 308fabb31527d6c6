/** More made clean tables: people of many scripts, orders, film pages as published, energy measurements, meters in a grid. */
import type { CleanTable } from './error-injection.js';
import {
  DAY_MS,
  code,
  day,
  digits,
  integer,
  kind,
  many,
  normal,
  number,
  of,
  pad,
  phrase,
  pick,
  skewed,
  table,
  text,
  whole,
  word,
  type Random,
} from './made-values.js';

const NAMES: readonly (readonly [language: string, country: string, first: string, last: string])[] = [
  ['de', 'Deutschland', 'Jürgen Käthe Björn Anneliese Günther Uschi', 'Müller Schröder Weiß Köhler Groß Löwe'],
  ['fr', 'France', 'Hélène François Zoé Jérôme Noël Chloé', 'Lefèvre Béranger Hervé Garçon Dubois Çelik'],
  ['es', 'España', 'José María Íñigo Lucía Ángel Begoña', 'Muñoz García Núñez Ibáñez Peña Ordóñez'],
  ['pl', 'Polska', 'Łukasz Małgorzata Paweł Żaneta Grażyna Michał', 'Wójcik Dąbrowski Zieliński Kozłowska Pająk Żuk'],
  ['ru', 'Россия', 'Иван Ольга Сергей Наталья Дмитрий Анна', 'Иванов Петрова Смирнов Кузнецов Соколова Попов'],
  ['zh', '中国', '伟 芳 娜 敏 静 强', '王 李 张 刘 陈 杨'],
  ['ar', 'مصر', 'محمد فاطمة أحمد عائشة علي مريم', 'حسن إبراهيم السيد منصور خليل عثمان'],
];

function people(random: Random): CleanTable {
  const rows = many(1800, (at) => {
    const [language, country, first, last] = skewed(random, NAMES);
    return [
      String(10_000 + at),
      pick(random, first.split(' ')),
      pick(random, last.split(' ')),
      language,
      country,
      random() < 0.3 ? '' : `${word(random)}straße ${integer(random, 1, 120)}${pick(random, ['', '', 'a', 'b'])}`,
      `${pad(integer(random, 1, 28), 2)}.${pad(integer(random, 1, 12), 2)}.${integer(random, 1930, 2008)}`,
      `${Math.round(100 * (random() * 3 + 1)) / 100}`.replace('.', ','),
    ];
  });
  return table(
    'people',
    [
      ['id', whole], ['first_name', text], ['last_name', text], ['language', kind, { pattern: '[a-z]{2}' }],
      ['country', kind], ['street', text], ['born', of('date', 'DD.MM.YYYY')], ['grade', code],
    ],
    rows,
    { decided: ['country', 'language'], dependencies: ['language -> country'], exchanged: ['first_name', 'last_name'] },
  ); // prettier-ignore
}

function orders(random: Random): CleanTable {
  const customers = many(220, (at) => [
    `C${pad(at + 1, 4)}`,
    phrase(random, 2, 2),
    skewed(random, ['Consumer', 'Corporate', 'Home Office']),
  ]);
  const items = many(90, (at) => [
    `P-${pad(at + 11, 3)}`,
    phrase(random, 1, 3),
    (Math.exp(3 + normal(random)) + 1).toFixed(2),
  ]);
  const rows = many(2800, (at) => {
    const [id, name, segment] = skewed(random, customers);
    const [item, title, price] = skewed(random, items);
    const quantity = integer(random, 1, 9) * (random() < 0.05 ? 10 : 1);
    const ordered = Date.UTC(2021, 0, 1) + integer(random, 0, 700) * DAY_MS;
    return [
      `SO-${2021 + Math.floor(at / 1500)}-${pad(at, 5)}`,
      day(ordered),
      random() < 0.08 ? '' : day(ordered + integer(random, 1, 12) * DAY_MS),
      id, name, segment, item, title, quantity, price,
      (quantity * Number(price)).toFixed(2),
      `DE${digits(random, 2)} ${many(4, () => digits(random, 4)).join(' ')} ${digits(random, 2)}`,
      `${pick(random, [0, 0, 0, 5, 10, 20])}%`,
    ];
  }); // prettier-ignore
  return table(
    'orders',
    [
      ['order_id', code, { pattern: 'SO-\\d{4}-\\d{5}' }], ['order_date', of('date', 'YYYY-MM-DD'), { required: true }],
      ['ship_date', of('date', 'YYYY-MM-DD')], ['customer_id', code], ['customer', text],
      ['segment', kind, { values: ['Consumer', 'Corporate', 'Home Office'] }], ['item', code], ['title', text],
      ['quantity', whole, { min: 1 }], ['unit_price', number], ['total', number], ['iban', code], ['discount', code],
    ],
    rows,
    {
      decided: ['customer', 'segment', 'title', 'unit_price'],
      dependencies: ['customer_id -> customer, segment', 'item -> title, unit_price'],
      exchanged: ['order_date', 'ship_date'],
      rules: ['ship_date >= order_date'],
      unique: [['order_id']],
    },
  ); // prettier-ignore
}

/** Film pages in which the decorations are the right way of writing: `1 hr 41 min`, `12 June 2009 (USA)`, `21,134`. */
function releases(random: Random): CleanTable {
  const cast = many(400, () => phrase(random, 2, 2));
  const rows = many(2200, (at) => {
    const year = integer(random, 1960, 2015);
    const minutes = integer(random, 75, 170);
    const month = new Date(Date.UTC(2000, integer(random, 0, 11))).toLocaleDateString('en-US', { month: 'long' });
    return [
      `m${pad(at * 3, 6)}`,
      phrase(random, 1, 4),
      `${integer(random, 1, 28)} ${month} ${year} (${skewed(random, ['USA', 'UK', 'Canada', 'France'])})`,
      pick(random, cast),
      `${pick(random, cast)}, ${pick(random, cast)}, ${pick(random, cast)}`,
      `${Math.floor(minutes / 60)} hr ${minutes % 60} min`,
      random() < 0.1 ? '' : `${(3 + 6 * random()).toFixed(1)}/10`,
      random() < 0.1 ? '' : Math.floor(Math.exp(5 + 2 * normal(random))).toLocaleString('en-US'),
      skewed(random, ['PG-13', 'R', 'PG', 'Not Rated', 'G']),
      random() < 0.3 ? '' : `${word(random)}, ${word(random)}, ${skewed(random, ['USA', 'UK', 'Canada'])}`,
    ];
  });
  return table(
    'releases',
    [
      ['id', code], ['name', text], ['release_date', text], ['director', text], ['cast', text], ['duration', code],
      ['rating', code], ['rating_count', code], ['certificate', kind], ['filming_location', text],
    ],
    rows,
    { exchanged: ['name', 'certificate'] },
  ); // prettier-ignore
}

/** Nothing but numbers: hourly measurements of a plant, with a category written as a number. */
function plant(random: Random): CleanTable {
  const rows = many(3000, (at) => {
    const heat = 20 + 8 * Math.sin((at % 24) / 3.8) + 2 * normal(random);
    const pressure = 1013 + 6 * normal(random);
    const vacuum = 55 + heat + 4 * normal(random);
    return [
      at + 1,
      heat.toFixed(2), vacuum.toFixed(2), pressure.toFixed(2), (75 - heat / 2 + 8 * normal(random)).toFixed(2),
      (497 - 1.8 * heat - 0.3 * vacuum + 3 * normal(random)).toFixed(2),
      integer(random, 1, 4),
      Math.max(0, Math.round(40 * Math.exp(normal(random)) - 25)),
      (random() ** 4).toExponential(3),
      random() < 0.15 ? '' : (random() * 2 - 1).toFixed(4),
    ];
  }); // prettier-ignore
  return table(
    'plant',
    [
      ['hour', whole], ['temperature', number], ['vacuum', number], ['pressure', number, { min: 900, max: 1100 }],
      ['humidity', number], ['output_mw', number], ['line', whole, { min: 1, max: 4 }], ['trips', whole, { min: 0 }],
      ['leak', number], ['balance', number, { min: -1, max: 1 }],
    ],
    rows,
  ); // prettier-ignore
}

/** A company list as crawled: most cells blank in some columns, free categories, web addresses, ranges. */
function companies(random: Random): CleanTable {
  const industries = many(45, () => phrase(random, 1, 3));
  const cities = many(60, () => [word(random), pick(random, ['CA', 'NY', 'TX', 'WA', 'MA', 'IL'])]);
  const rows = many(1500, () => {
    const name = `${phrase(random, 1, 2)}${pick(random, [' Inc.', ' LLC', ' GmbH', ', Inc.', ''])}`;
    const [city, state] = skewed(random, cities);
    return [
      name,
      `http://www.${name.split(/[ ,]/)[0].toLowerCase()}.com`,
      skewed(random, industries),
      random() < 0.2 ? '' : integer(random, 1900, 2014),
      pick(random, ['1-10', '11-50', '11-50', '51-200', '201-500', '501-1,000', '1,001-5,000']),
      city, state,
      random() < 0.6 ? '' : `$${integer(random, 1, 900)}M`,
      random() < 0.5 ? '' : `(${digits(random, 3)}) ${digits(random, 3)}-${digits(random, 4)}`,
      random() < 0.7 ? '' : pick(random, ['Public', 'Private', 'Private']),
    ];
  }); // prettier-ignore
  return table(
    'companies',
    [
      ['name', text], ['website', text], ['industry', kind], ['founded', whole], ['employees', code],
      ['city', kind], ['state', kind], ['revenue', code], ['phone', code], ['ownership', kind],
    ],
    rows,
    { decided: ['state'], dependencies: ['city -> state'], exchanged: ['city', 'industry'] },
  ); // prettier-ignore
}

export const MORE_MADE_TABLES: readonly ((random: Random) => CleanTable)[] = [
  people,
  orders,
  releases,
  plant,
  companies,
];
