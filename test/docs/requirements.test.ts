/** docs/REQUIREMENTS.md names files that exist, for every id of the brief. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const page = readFileSync('docs/REQUIREMENTS.md', 'utf8');
const rows = page
  .split('\n')
  .filter((line) => /^\| [A-Z]\d \|/.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, id, part, level, code, test]) => ({ id, part, level, code, test }));
const paths = (cell: string) =>
  [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]).filter((name) => name.includes('/') || name.includes('.'));

/** The ids of the requirement document. */
const IDS =
  'A1 A2 A3 A4 S1 S2 S3 S4 C1 C2 C3 C4 C5 P1 P2 P3 P4 P5 P6 P7 B1 B2 B3 B4 B5 B6 B7 Q1 Q2 Q3 I1 I2 I3 M1 M2 M3 O1 D1 D2 H1 F1 X1 X2'.split(
    ' ',
  );

describe('docs/REQUIREMENTS.md', () => {
  test('has one row for each id', () => {
    expect(rows.map(({ id }) => id)).toEqual(IDS);
  });

  test.each(rows)('$id: what it names exists', ({ code, test: proof }) => {
    for (const path of [...paths(code), ...paths(proof)]) expect(existsSync(path), path).toBe(true);
  });

  test.each(rows.filter(({ level }) => !level.startsWith('open')))(
    '$id: what is built names its test',
    ({ test: proof }) => {
      expect(paths(proof).length).toBeGreaterThan(0);
    },
  );
});
