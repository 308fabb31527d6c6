/** The real tables that faults are put into: public data that the development packages bring. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCsvFile } from '../../interfaces/data/csv.js';
import type { FaultColumns, TextTable } from './faults.js';

const folder = join(import.meta.dirname, '../../node_modules/vega-datasets/data');

export interface RealTable {
  readonly name: string;
  readonly columns: Required<FaultColumns>;
  readonly read: () => TextTable;
}

function readMovies(): TextTable {
  const records = JSON.parse(readFileSync(join(folder, 'movies.json'), 'utf8')) as Record<
    string,
    string | number | null
  >[];
  const columns = Object.keys(records[0]);
  const cell = (name: string, value: string | number | null): string =>
    name === 'Release Date' && value !== null
      ? new Date(Date.parse(`${value} UTC`)).toISOString().slice(0, 10)
      : String(value ?? '');
  return { columns, rows: records.map((record) => columns.map((name) => cell(name, record[name]))) };
}

export const REAL_TABLES: readonly RealTable[] = [
  {
    name: 'weather',
    columns: { label: 'weather', text: 'weather', number: 'wind', swapped: ['temp_max', 'temp_min'], time: 'date' },
    read: () => readCsvFile(join(folder, 'weather.csv')),
  },
  {
    name: 'birdstrikes',
    columns: {
      label: 'Wildlife Size',
      text: 'Origin State',
      number: 'Speed IAS in knots',
      swapped: ['Cost Repair', 'Cost Total $'],
      time: 'Flight Date',
    },
    read: () => readCsvFile(join(folder, 'birdstrikes.csv')),
  },
  {
    name: 'movies',
    columns: {
      label: 'MPAA Rating',
      text: 'Distributor',
      number: 'IMDB Rating',
      swapped: ['US Gross', 'Worldwide Gross'],
      time: 'Release Date',
    },
    read: readMovies,
  },
];
