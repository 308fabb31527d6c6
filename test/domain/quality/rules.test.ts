import { describe, expect, it } from 'vitest';
import { bindContract, parseContract } from '../../../domain/quality/contract.js';
import { profileTable } from '../../../domain/quality/profile.js';

/** 40 trips: each arrives a day after it departs, and is closed if its number is even. */
function trips(change: Readonly<Record<string, Readonly<Record<string, string>>>> = {}) {
  const columns = ['trip', 'departs', 'arrives', 'seats', 'sold', 'status', 'closed_at'];
  const rows = Array.from({ length: 40 }, (_, at) => {
    const day = (more: number) =>
      `2020-${String(1 + Math.floor(at / 20)).padStart(2, '0')}-${String(1 + (at % 20) + more).padStart(2, '0')}`;
    const closed = at % 2 === 0;
    const row: Record<string, string> = {
      trip: String(100 + at),
      departs: day(0),
      arrives: day(1),
      seats: String(50 + at),
      sold: String(20 + at),
      status: closed ? 'closed' : 'open',
      closed_at: closed ? day(2) : '',
      ...change[at],
    };
    return columns.map((name) => row[name]);
  });
  return { columns, rows };
}

const found = (table: ReturnType<typeof trips>, contract: object) =>
  profileTable({ ...table, contract: parseContract(contract) })
    .cells.filter(({ kind }) => kind === 'rule')
    .map(({ row, column, score }) => [row, column, Number(score.toFixed(2))]);

describe('rules between columns', () => {
  const rules = ['arrives >= departs', 'sold <= seats', "status = 'closed' -> closed_at IS NOT NULL"];

  it('find nothing where all hold, and count what they looked at', () => {
    const profile = profileTable({ ...trips(), contract: parseContract({ rules }) });
    expect(profile.cells).toEqual([]);
    expect(profile.rules).toEqual([
      { rule: 'arrives >= departs', rows: 40, breaches: 0, share: 0, examples: [] },
      { rule: 'sold <= seats', rows: 40, breaches: 0, share: 0, examples: [] },
      { rule: "status = 'closed' -> closed_at IS NOT NULL", rows: 20, breaches: 0, share: 0, examples: [] },
    ]);
    expect(profile.scores.consistency).toBe(1);
  });

  it('blame both of two columns that nothing tells apart, each with one half', () => {
    const table = trips({ 7: { departs: '2020-01-10' } });
    expect(found(table, { rules })).toEqual([
      [7, 'departs', 0.51],
      [7, 'arrives', 0.51],
    ]);
  });

  it('blame the one that other evidence speaks against, and not its fellow', () => {
    const table = trips({ 7: { sold: '99999' } });
    const cells = profileTable({ ...table, contract: parseContract({ rules }) }).cells;
    expect(cells.map(({ row, column }) => [row, column])).toEqual([[7, 'sold']]);
    expect(cells[0].score).toBeGreaterThan(0.95);
  });

  it('blame what an implication demands, not its condition', () => {
    expect(found(trips({ 6: { closed_at: '' }, 8: { closed_at: 'N/A' } }), { rules })).toEqual([
      [6, 'closed_at', 0.95],
      [8, 'closed_at', 0.98], // a spelled-out null besides
    ]);
  });

  it('name the share and the first rows, and lower the consistency', () => {
    const broken = Object.fromEntries([1, 3, 5, 9, 11, 13, 15].map((at) => [at, { sold: '200' }]));
    const { rules: summaries, scores } = profileTable({ ...trips(broken), contract: parseContract({ rules }) });
    expect(summaries[1]).toEqual({
      rule: 'sold <= seats',
      rows: 40,
      breaches: 7,
      share: 7 / 40,
      examples: [1, 3, 5, 9, 11],
    });
    expect(scores.consistency).toBeLessThan(1);
  });

  it('take a missing or unreadable value as unknown, which breaks nothing', () => {
    const table = trips({ 1: { arrives: '' }, 3: { sold: 'many' } });
    expect(found(table, { rules })).toEqual([]);
    const [first, second] = profileTable({ ...table, contract: parseContract({ rules }) }).rules;
    expect([first.rows, second.rows]).toEqual([39, 39]);
  });

  it('compare numbers by value, times in their declared format, after the repairs of the contract', () => {
    const columns = ['low', 'high', 'from', 'to'];
    const rows = [
      ['9', '10', '31.12.2019', '01.01.2020'],
      ['9 kg', '10 kg', '1.2.2020', '01.03.2020'],
      ['10', '9', '01.01.2020', '31.12.2019'],
    ];
    const declared = { type: 'date', format: 'DD.MM.YYYY' };
    const contract = {
      columns: { low: { unit: 'kg' }, high: { unit: 'kg' }, from: declared, to: declared },
      rules: ['low < high', 'from <= to'],
    };
    const { rules: summaries } = profileTable({ columns, rows, contract: parseContract(contract) });
    expect(summaries.map(({ examples, rows: judged }) => [judged, examples])).toEqual([
      [3, [2]],
      [3, [2]],
    ]);
  });

  it('compare texts by their letters, and words for "missing" that the rule names as values', () => {
    const columns = ['a', 'b'];
    const rows = [
      ['none', 'x'],
      ['some', 'some'],
      ['some', 'other'],
    ];
    const judged = (rule: string) =>
      profileTable({ columns, rows, contract: parseContract({ rules: [rule] }) }).rules[0];
    expect(judged("a = 'none' -> b = 'x'")).toMatchObject({ rows: 1, breaches: 0 });
    expect(judged('a = b')).toMatchObject({ rows: 2, breaches: 1, examples: [2] });
  });
});

describe('contracts with rules and references', () => {
  it('are read in the short form and as ODCS 3.1', () => {
    const short = parseContract({ rules: ['a<=b'], references: ['c -> other.id'] });
    const odcs = parseContract({
      schema: [
        {
          name: 'orders',
          quality: [
            { type: 'custom', engine: 'balance', implementation: 'a <= b' },
            { type: 'sql', query: 'SELECT 1', mustBe: 1 },
          ],
          properties: [{ name: 'c', relationships: [{ type: 'foreignKey', to: 'other.id' }] }],
        },
      ],
    });
    expect({ rules: odcs.rules, references: odcs.references }).toEqual({
      rules: short.rules,
      references: short.references,
    });
    const composite = parseContract({
      schema: [{ name: 'o', relationships: [{ from: ['o.a', 'o.b'], to: ['other.x', 'other.y'] }] }],
    });
    expect(composite.references?.map(({ text }) => text)).toEqual(['a, b -> other(x, y)']);
  });

  it.each([
    [{ rules: ['a >='] }, 'invalid rule at position 5 of "a >="'],
    [{ rules: ['a > 1 OR b > 1'] }, 'invalid rule at position 7'],
    [{ references: ['a = b'] }, 'the reference "a = b" cannot be read'],
  ])('refuse %j', (contract, message) => {
    expect(() => parseContract(contract)).toThrow(
      expect.objectContaining({ type: 'InvalidContract', message: expect.stringContaining(message) }),
    );
  });

  it("take the table's spelling of the columns, and name those that it lacks", () => {
    const contract = parseContract({
      rules: ['arrives_at >= "departs at"', 'gone > 1'],
      references: ['Shop -> shops.id'],
    });
    const bound = bindContract(contract, ['Arrives At', 'departs-at', 'shop']);
    expect(bound.contract.rules?.map(({ text }) => text)).toEqual(['"Arrives At" >= "departs-at"']);
    expect(bound.contract.references?.map(({ text }) => text)).toEqual(['shop -> shops.id']);
    expect(bound.absent).toEqual(['gone']);
  });
});
