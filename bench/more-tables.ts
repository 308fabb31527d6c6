/**
 * Further made clean tables for the error benchmark, of kinds that the others lack: sensor readings, a product
 * catalogue, hospital stays, user accounts, a web log, football players, food inspections.
 */
import type { CleanTable } from './error-injection.js';
import {
  code,
  DAY_MS,
  day,
  digits,
  hex,
  integer,
  kind,
  letters,
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
  type Field,
  type Random,
} from './made-values.js';

function sensors(random: Random): CleanTable {
  const devices = many(24, (at) => ({
    id: `SN-${pad(1000 + 37 * at, 5)}`,
    site: pick(random, ['North Hall', 'South Hall', 'Roof', 'Cellar', 'Gate 4']),
    firmware: pick(random, ['2.1.0', '2.1.4', '2.2.0']),
    level: 18 + 4 * normal(random),
  }));
  const rows = many(130, (tick) =>
    devices.map(({ id, site, firmware, level }) => {
      const temperature = level + 3 * Math.sin(tick / 20) + 0.4 * normal(random);
      const moment = new Date(Date.UTC(2023, 4, 1) + tick * 600_000).toISOString().slice(0, 19).replace('T', ' ');
      const humidity = 55 - temperature / 2 + 3 * normal(random);
      return [id, site, firmware, moment, temperature.toFixed(2), humidity.toFixed(1)].concat([
        (3.7 + 0.05 * normal(random)).toFixed(3),
        String(integer(random, -95, -40)),
        random() < 0.97 ? 'OK' : pick(random, ['LOW_BATTERY', 'OFFLINE']),
      ]);
    }),
  ).flat();
  return table(
    'sensors',
    [
      ['sensor_id', code, { pattern: 'SN-\\d{5}', required: true }],
      ['site', kind],
      ['firmware', code],
      ['measured_at', of('datetime', 'YYYY-MM-DD HH:mm:ss')],
      ['temperature_c', number, { min: -40, max: 85 }],
      ['humidity_pct', number, { min: 0, max: 100 }],
      ['voltage', number],
      ['rssi', whole, { max: 0 }],
      ['status', kind, { values: ['OK', 'LOW_BATTERY', 'OFFLINE'] }],
    ],
    rows,
    { decided: ['site', 'firmware'], dependencies: ['sensor_id -> site, firmware'], exchanged: ['site', 'status'] },
  );
}

function products(random: Random): CleanTable {
  const brands = many(40, () => word(random));
  const categories = ['Kitchen', 'Garden', 'Office', 'Toys & Games', 'Sports', 'Pet Supplies', 'Beauty'];
  const rows = many(2500, (at) => [
    `${letters(random, 3)}-${pad(at, 4)}-${letters(random, 1)}`,
    phrase(random, 2, 5),
    skewed(random, brands),
    skewed(random, categories),
    Math.round(Math.exp(4 + 1.2 * normal(random))),
    (Math.exp(3 + normal(random)) + 0.5).toFixed(2),
    pick(random, ['EUR', 'EUR', 'EUR', 'USD', 'GBP']),
    `4${digits(random, 12)}`,
    pick(random, ['true', 'true', 'true', 'false']),
    many(3, () => integer(random, 2, 90)).join('x'),
    random() < 0.2 ? '' : skewed(random, ['black', 'white', 'red', 'blue', 'green', 'grey', 'silver', 'pink', 'navy']),
    `${integer(random, 1, 28)}.${integer(random, 1, 12)}.${integer(random, 2015, 2023)}`,
  ]);
  return table(
    'products',
    [
      ['sku', code, { pattern: '[A-Z]{3}-\\d{4}-[A-Z]' }],
      ['title', text],
      ['brand', kind],
      ['category', kind, { values: categories }],
      ['weight', { is: 'number', whole: true, unit: 'g' }, { min: 0 }],
      ['price', number, { min: 0 }],
      ['currency', kind],
      ['ean', code, { pattern: '\\d{13}' }],
      ['in_stock', kind, { type: 'boolean' }],
      ['dimensions', code],
      ['colour', kind],
      ['launched', of('date', 'D.M.YYYY')],
    ],
    rows,
    { exchanged: ['brand', 'category'], unique: [['sku']] },
  );
}

function stays(random: Random): CleanTable {
  const diagnoses = many(60, () => [
    `${letters(random, 1)}${digits(random, 2)}.${digits(random, 1)}`,
    phrase(random, 2, 4),
  ]);
  const wards = ['Cardiology', 'Oncology', 'Surgery', 'Internal Medicine', 'Paediatrics'];
  const rows = many(2200, (at) => {
    const [icd, diagnosis] = skewed(random, diagnoses);
    const admitted = Date.UTC(2019, 0, 1) + integer(random, 0, 1500) * DAY_MS;
    const birth = Date.UTC(1930, 0, 1) + integer(random, 0, 30_000) * DAY_MS;
    return [
      String(700_001 + at),
      pick(random, ['F', 'M']),
      new Date(birth).toLocaleDateString('en-GB'),
      icd,
      diagnosis.toLowerCase(),
      skewed(random, wards),
      day(admitted),
      random() < 0.05 ? '' : day(admitted + integer(random, 0, 20) * DAY_MS),
      pick(random, ['A+', 'A-', 'B+', 'O+', 'O-', 'AB+', 'AB-', 'B-']),
      (25 * integer(random, 1, 40)).toString(),
      (70 + 12 * normal(random)).toFixed(1),
      `${integer(random, 95, 160)}/${integer(random, 55, 95)}`,
    ];
  });
  return table(
    'stays',
    [
      ['patient_id', whole],
      ['sex', kind, { values: ['F', 'M'] }],
      ['birth_date', of('date', 'DD/MM/YYYY')],
      ['icd10', code, { pattern: '[A-Z]\\d{2}(\\.\\d)?' }],
      ['diagnosis', kind],
      ['ward', kind],
      ['admitted', of('date', 'YYYY-MM-DD'), { required: true }],
      ['discharged', of('date', 'YYYY-MM-DD')],
      ['blood_type', kind],
      ['dose', { is: 'number', whole: true, unit: 'mg' }],
      ['weight_kg', number, { min: 1, max: 300 }],
      ['blood_pressure', code, { pattern: '\\d{2,3}/\\d{2,3}' }],
    ],
    rows,
    {
      decided: ['diagnosis', 'icd10'],
      dependencies: ['icd10 -> diagnosis'],
      exchanged: ['diagnosis', 'ward'],
      rules: ['discharged >= admitted'],
    },
  );
}

function accounts(random: Random): CleanTable {
  const countries = [
    ...[['DE', 'Germany', '+49'], ['US', 'United States', '+1'], ['FR', 'France', '+33'], ['BR', 'Brazil', '+55']],
    ...[['IN', 'India', '+91'], ['JP', 'Japan', '+81'], ['PL', 'Poland', '+48'], ['KE', 'Kenya', '+254']],
  ]; // prettier-ignore
  const rows = many(2500, () => {
    const [short, country, dial] = skewed(random, countries);
    const first = word(random);
    const last = word(random);
    const host = skewed(random, [
      'gmail.com',
      'yahoo.com',
      'outlook.com',
      'web.de',
      `${word(random).toLowerCase()}.org`,
    ]);
    return [
      `${hex(random, 8)}-${hex(random, 4)}-4${hex(random, 3)}-a${hex(random, 3)}-${hex(random, 12)}`,
      `${first.toLowerCase()}${integer(random, 1, 999)}`,
      `${first.toLowerCase()}.${last.toLowerCase()}@${host}`,
      first,
      last,
      `${dial} ${digits(random, 3)} ${digits(random, 7)}`,
      short,
      country,
      new Date(Date.UTC(2018, 0, 1) + Math.floor(random() * 2000 * DAY_MS)).toISOString().replace(/\.\d+Z/, 'Z'),
      skewed(random, ['free', 'pro', 'team', 'enterprise']),
      many(4, () => integer(random, 1, 254)).join('.'),
      pick(random, ['true', 'true', 'false']),
      Math.floor(Math.exp(2 + 1.5 * normal(random))),
    ];
  });
  return table(
    'accounts',
    [
      ['uuid', code, { pattern: '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}' }],
      ['username', text],
      ['email', text, { pattern: '[^@\\s]+@[^@\\s]+\\.[a-z]+' }],
      ['first_name', text],
      ['last_name', text],
      ['phone', code],
      ['country_code', kind, { pattern: '[A-Z]{2}' }],
      ['country', kind],
      ['signed_up', of('datetime', 'YYYY-MM-DDTHH:mm:ssZ')],
      ['plan', kind],
      ['last_ip', code],
      ['active', kind, { type: 'boolean' }],
      ['logins', whole, { min: 0 }],
    ],
    rows,
    {
      decided: ['country', 'country_code'],
      dependencies: ['country_code -> country', 'country -> country_code'],
      exchanged: ['first_name', 'last_name'],
    },
  );
}

function webLog(random: Random): CleanTable {
  const paths = many(
    120,
    () =>
      `/${word(random).toLowerCase()}/${pick(random, ['', 'index.html', `${integer(random, 1, 500)}`, 'edit?id=7'])}`,
  );
  const agents = [
    'Mozilla/5.0 (X11; Linux x86_64)',
    'Mozilla/5.0 (Windows NT 10.0; Win64)',
    'curl/7.88.1',
    'Googlebot/2.1',
  ];
  let now = Date.UTC(2024, 1, 1);
  const rows = many(3000, () => {
    now += Math.floor(-Math.log(1 - random()) * 9000);
    const status = skewed(random, ['200', '200', '200', '304', '404', '301', '500', '503']);
    return [
      new Date(now).toISOString(),
      status >= '500' ? 'ERROR' : status >= '400' ? 'WARN' : 'INFO',
      `10.${integer(random, 0, 3)}.${integer(random, 0, 255)}.${integer(random, 1, 254)}`,
      skewed(random, ['GET', 'GET', 'POST', 'PUT', 'DELETE']),
      skewed(random, paths),
      status,
      status === '304' ? 0 : Math.floor(Math.exp(7 + 1.5 * normal(random))),
      (Math.exp(3 + normal(random)) / 1000).toFixed(3),
      skewed(random, agents),
      random() < 0.6 ? '' : `u${integer(random, 100, 400)}`,
    ];
  });
  return table(
    'web log',
    [
      ['time', of('datetime', 'YYYY-MM-DDTHH:mm:ss.SSSZ')],
      ['level', kind, { values: ['INFO', 'WARN', 'ERROR'] }],
      ['client_ip', code, { pattern: '\\d{1,3}(\\.\\d{1,3}){3}' }],
      ['method', kind],
      ['path', text],
      ['status', whole, { min: 100, max: 599 }],
      ['bytes', whole, { min: 0 }],
      ['seconds', number],
      ['agent', kind],
      ['user', code],
    ],
    rows,
    { decided: ['level'], dependencies: ['status -> level'], exchanged: ['method', 'level'] },
  );
}

function players(random: Random): CleanTable {
  const teams = many(30, () => {
    const city = word(random);
    return {
      team: `${pick(random, ['FC', 'SV', 'Real', 'Sporting'])} ${city}`,
      city,
      stadium: `${word(random)} ${pick(random, ['Arena', 'Park', 'Stadium'])}`,
    };
  });
  const managers = new Map<string, string>();
  const towns = many(150, () => word(random));
  const squad = many(900, () => ({
    name: word(random),
    surname: word(random),
    born: integer(random, 1975, 2000),
    place: skewed(random, towns),
    position: pick(random, ['Goalkeeper', 'Defender', 'Defender', 'Midfield', 'Midfield', 'Attack']),
    team: pick(random, teams),
  }));
  const rows = squad.flatMap(({ name, surname, born, place, position, team }) =>
    many(integer(random, 1, 6), (at) => {
      const season = 2012 + at;
      const key = `${team.team} ${season}`;
      if (!managers.has(key)) managers.set(key, phrase(random, 2, 2));
      return [name, surname, born, place, position, team.team, team.city, team.stadium, season, managers.get(key)!];
    }),
  );
  return table(
    'players',
    [
      ['name', text],
      ['surname', text],
      ['birthyear', whole, { min: 1950, max: 2010 }],
      ['birthplace', kind],
      ['position', kind, { values: ['Goalkeeper', 'Defender', 'Midfield', 'Attack'] }],
      ['team', kind],
      ['city', kind],
      ['stadium', kind],
      ['season', whole],
      ['manager', kind],
    ],
    rows,
    {
      decided: ['city', 'stadium', 'manager', 'birthyear'],
      dependencies: ['team -> city, stadium', 'team, season -> manager'],
      exchanged: ['city', 'birthplace'],
    },
  );
}

function inspections(random: Random): CleanTable {
  const places = many(700, (at) => {
    const name = phrase(random, 1, 3).toUpperCase();
    const [lat, lon] = [41.7 + random() * 0.3, -87.8 + random() * 0.25];
    return [
      name,
      random() < 0.7 ? name : phrase(random, 1, 2).toUpperCase(),
      String(1_000_000 + 1543 * at),
      skewed(random, ['Restaurant', 'Grocery Store', 'School', 'Bakery', 'Daycare (2 - 6 Years)', 'Catering']),
      skewed(random, ['Risk 1 (High)', 'Risk 2 (Medium)', 'Risk 3 (Low)']),
      `${integer(random, 1, 9900)} ${pick(random, ['N', 'S', 'W', 'E'])} ${word(random).toUpperCase()} ${pick(random, ['ST', 'AVE', 'BLVD', 'RD'])}`,
      'CHICAGO',
      'IL',
      `606${pad(integer(random, 1, 60), 2)}`,
      ...[lat.toFixed(8), lon.toFixed(8)],
    ]; // prettier-ignore
  });
  const rows = many(2600, (at) => {
    const place = skewed(random, places);
    const date = new Date(Date.UTC(2014, 0, 1) + integer(random, 0, 1400) * DAY_MS);
    return [
      String(1_300_000 + 11 * at),
      ...place.slice(0, 9),
      `${pad(date.getUTCMonth() + 1, 2)}/${pad(date.getUTCDate(), 2)}/${date.getUTCFullYear()}`,
      skewed(random, ['Canvass', 'Complaint', 'License', 'Canvass Re-Inspection', 'Consultation']),
      skewed(random, ['Pass', 'Fail', 'Pass w/ Conditions', 'Out of Business', 'No Entry']),
      random() < 0.25
        ? ''
        : `${integer(random, 2, 60)}. ${phrase(random, 6, 20).toUpperCase()} - Comments: ${phrase(random, 5, 15)}.`,
      ...place.slice(9),
      `(${place[9]}, ${place[10]})`,
    ];
  });
  return table(
    'inspections',
    [
      ...(['inspection_id'].map((name) => [name, whole]) as Field[]),
      ...[['dba_name', text], ['aka_name', text], ['license', whole], ['facility_type', kind], ['risk', kind]] as Field[],
      ...[['address', text], ['city', kind], ['state', kind], ['zip', code, { pattern: '\\d{5}' }]] as Field[],
      ...[['inspection_date', of('date', 'MM/DD/YYYY')], ['inspection_type', kind], ['results', kind]] as Field[],
      ...[['violations', text], ['latitude', number], ['longitude', number], ['location', text]] as Field[],
    ], // prettier-ignore
    rows,
    {
      decided: ['dba_name', 'aka_name', 'facility_type', 'address', 'zip', 'city', 'state'],
      dependencies: ['license -> dba_name, address, zip'],
      exchanged: ['results', 'facility_type'],
    },
  );
}

export const MADE_TABLES: readonly ((random: Random) => CleanTable)[] = [
  sensors,
  products,
  stays,
  accounts,
  webLog,
  players,
  inspections,
];
