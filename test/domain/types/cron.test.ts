import { expect, test } from 'vitest';
import { checkedCron } from '../../../domain/types/cron.js';

test.each([
  '0 6 * * *',
  '*/15 * * * *',
  '0,30 8-18/2 1 1-6 mon-fri',
  '5/10 0 1-31 January,dec 0-7',
  '0 0 * * * 2030',
  '30 0 6 * * * 2026-2030',
  '05 +6 * * *',
  '@daily',
  '@every 6h',
  '@every 14h/3h',
  'TZ=Europe/Berlin 0 6 * * *',
])('%s is taken', (text) => {
  expect(checkedCron(text)).toBe(text);
});

test.each([
  ['nonsense', 'found 1 fields'],
  ['', 'found 0 fields'],
  ['0 6 * *', 'found 4 fields'],
  ['60 6 * * *', '"60" is no minute from 0 to 59'],
  ['0 24 * * *', '"24" is no hour from 0 to 23'],
  ['0 0 0 * *', '"0" is no day of month from 1 to 31'],
  ['0 0 * ja *', '"ja" is no month from 1 to 12'],
  ['0 0 * * 8', '"8" is no day of week from 0 to 7'],
  ['0 0 * * m', '"m" is no day of week from 0 to 7'],
  ['5-1 * * * *', '"5-1" is no minute from 0 to 59'],
  ['*/0 * * * *', '"*/0" is no minute from 0 to 59'],
  ['1/2/3 * * * *', '"1/2/3" is no minute from 0 to 59'],
  ['0 0 * * * 1999', '"1999" is no year from 2000 to 2100'],
  ['@often', 'found 1 fields'],
  ['TZ=Nowhere/Land 0 6 * * *', 'no time zone Nowhere/Land'],
])('%s is refused: %s', (text, why) => {
  expect(() => checkedCron(text)).toThrow(why);
});
