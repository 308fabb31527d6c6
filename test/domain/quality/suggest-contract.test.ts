import { describe, expect, it } from 'vitest';
import { parseContract } from '../../../domain/quality/contract.js';
import { profileTable } from '../../../domain/quality/profile.js';
import { suggestContract } from '../../../domain/quality/suggest-contract.js';

const columns = ['id', 'kind', 'size', 'note', 'day', 'shift'];
const rows = Array.from({ length: 200 }, (_, at) => [
  `o${at}`,
  at % 3 === 0 ? 'trade' : 'retail',
  String(at % 11),
  at % 2 === 0 ? '' : `text ${at}`,
  `2026-01-${String(1 + (at % 28)).padStart(2, '0')}`,
  String((at % 21) - 10),
]);

describe('suggestContract', () => {
  it('says what 200 rows are evidence for', () => {
    expect(suggestContract(columns, rows)).toEqual({
      columns: {
        id: { required: true },
        kind: { required: true, values: ['retail', 'trade'] },
        size: { type: 'integer', required: true, min: 0, max: 11 },
        note: {},
        day: { type: 'date', required: true },
        shift: { type: 'integer', required: true, min: -12, max: 12 },
      },
      unique: [['id']],
      dependencies: [],
    });
  });

  it('is a contract that the table itself keeps', () => {
    const contract = parseContract(suggestContract(columns, rows));
    const kinds = profileTable({ columns, rows, contract }).cells.map(({ kind }) => kind);
    expect(kinds.filter((kind) => ['missing', 'type', 'domain', 'range', 'format'].includes(kind))).toEqual([]);
  });

  it('needs 171 rows for any rule', () => {
    const few = (count: number): unknown =>
      suggestContract(
        ['a'],
        Array.from({ length: count }, () => ['x']),
      ).columns;
    expect(few(170)).toEqual({ a: {} });
    expect(few(171)).toEqual({ a: { required: true, values: ['x'] } });
    expect(suggestContract(['a'], [])).toEqual({ columns: { a: {} }, unique: [], dependencies: [] });
  });

  it('lets a list hold the word that the column uses for a missing value', () => {
    const cells = Array.from({ length: 300 }, (_, at) => [at % 20 === 0 ? '?' : at % 2 === 0 ? 'Private' : 'State']);
    expect(suggestContract(['sector'], cells).columns.sector.values).toEqual(['?', 'Private', 'State']);
    const slip = cells.map(([cell], at) => [at === 1 ? 'N/A' : cell === '?' ? 'State' : cell]);
    expect(suggestContract(['sector'], slip).columns.sector.values).toEqual(['Private', 'State']);
  });

  it('takes over the mined dependencies whose bound on breaches is low', () => {
    const rule = (name: string, confidence: number, covered: number) => ({
      rule: name,
      confidence,
      rows: covered,
      declared: false,
    });
    const mined = [
      rule('b -> c', 0.999, 5000),
      rule('a -> b', 1, 500),
      rule('c -> d', 0.95, 5000),
      rule('d -> e', 1, 50),
    ];
    expect(suggestContract([], [], mined).dependencies).toEqual(['a -> b', 'b -> c']);
  });
});
