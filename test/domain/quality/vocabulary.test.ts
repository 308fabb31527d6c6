/** Values that nobody had before: which of them look misspelt, and how soon that is found without crying wolf. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Sample } from '../../../domain/quality/sample.js';
import { judgeUnusual, learnUsual } from '../../../domain/quality/usual.js';
import {
  mergeVocabularies,
  misspelt,
  VOCABULARY_MAX,
  vocabularyOf,
  type Vocabulary,
} from '../../../domain/quality/vocabulary.js';
import { seededRandom } from '../../simulation/faults.js';

/** A delivery of one column of texts; `listed` as its sample does up to 200 values. */
function sampleOf(texts: readonly string[], listed = new Set(texts).size <= 200): Sample {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  const column = { kind: 'category' as const, values: [...counts.keys()], counts: [...counts.values()] };
  return {
    rows: texts.length,
    columns: { c: { ...column, present: texts.length, ...(listed ? { listed: 'all' } : {}) } },
  };
}
const learned = (texts: readonly string[]): Vocabulary => vocabularyOf(sampleOf(texts));
const many = (text: string, rows: number) => new Array<string>(rows).fill(text);

describe('a value that nobody had before', () => {
  const known = learned([...many('Minnesota', 20), ...many('Utah', 20), ...many('Q-17', 20), ...many('Iowa', 2)]);
  it('looks misspelt a typing error away from a frequent one, and is told with it', () => {
    const rows = ['Minnesota', 'Minnxsota', 'Minesota', 'Utah'];
    expect(misspelt(known, sampleOf(rows)).c).toEqual({
      ...{ share: 0.5, examples: ['"Minesota" beside "Minnesota"', '"Minnxsota" beside "Minnesota"'] },
    });
  });
  it('does not where it is another word, another code, short, or near to a rare one', () => {
    for (const text of ['Nevada', 'Q-18', 'Ut', 'Iown', 'N/A', '12.50'])
      expect(misspelt(known, sampleOf(['Minnesota', text])).c.share).toBe(0);
  });
  it('says nothing in a column that has ever new ones, or of which nothing is known', () => {
    expect(misspelt({}, sampleOf(['Utah']))).toEqual({});
    expect(misspelt({ c: null }, sampleOf(['Utah']))).toEqual({});
    expect(misspelt(known, sampleOf(['Minesota'], false))).toEqual({});
  });
});

describe('a vocabulary', () => {
  it('merges in any order to the same, and a column with too many values stays open', () => {
    const column = fc.option(
      fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__', 'toString'), fc.integer({ min: 1, max: 9 })),
    );
    const one = fc.dictionary(fc.constantFrom('x', 'y'), column) as fc.Arbitrary<Vocabulary>;
    fc.assert(
      fc.property(one, one, one, (a, b, c) => {
        expect(mergeVocabularies(a, b)).toEqual(mergeVocabularies(b, a));
        expect(mergeVocabularies(mergeVocabularies(a, b), c)).toEqual(mergeVocabularies(a, mergeVocabularies(b, c)));
      }),
    );
    const long = { c: Object.fromEntries(Array.from({ length: VOCABULARY_MAX }, (_, i) => [`v${i}`, 1])) };
    expect(mergeVocabularies(long, { c: { v0: 1 } }).c).not.toBeNull();
    expect(mergeVocabularies(long, { c: { other: 1 } }).c).toBeNull();
  });
});

/** Letters of a code: words of so many letters that hardly two are alike, or of few. */
const word = (random: () => number, letters: number, of: number): string =>
  Array.from({ length: letters }, () => String.fromCharCode(97 + Math.floor(random() * of))).join('');
const misspell = (text: string, random: () => number): string => {
  const at = 1 + Math.floor(random() * (text.length - 2));
  return `${text.slice(0, at)}x${text.slice(at + 1)}`;
};

/** A stream of deliveries: whether each, from the 21st with a figure on, alarms. */
function alarmsOf(
  draw: () => string,
  deliveries: number,
  rows: number,
  change = (text: string, _: number) => text,
): boolean[] {
  let known: Vocabulary | null = null;
  const history: { atMs: number; value: number }[] = [];
  return Array.from({ length: deliveries }, (_, at) => {
    const sample = sampleOf(Array.from({ length: rows }, () => change(draw(), at)));
    const near = known === null ? undefined : misspelt(known, sample).c;
    known = mergeVocabularies(known ?? {}, vocabularyOf(sample));
    if (near === undefined) return false;
    const usual = learnUsual('misspelt', history, at * 3_600_000);
    history.push({ atMs: at * 3_600_000, value: near.share });
    if (usual === null) return false;
    return judgeUnusual([{ id: 'n', metric: 'misspelt', column: 'c', value: near.share, rows, usual }]).length > 0;
  });
}

describe('3 % misspelt values in deliveries of 200 rows', () => {
  it('are found in the first delivery in most cases, and within three in all, in a column with a closed list', () => {
    const random = seededRandom(5);
    const firsts = Array.from({ length: 40 }, () => {
      const list = Array.from({ length: 40 }, () => word(random, 8, 26));
      const draw = (): string => list[Math.floor(list.length * random() ** 2)];
      const alarms = alarmsOf(draw, 24, 200, (text, at) =>
        at >= 21 && random() < 0.03 ? misspell(text, random) : text,
      );
      expect(alarms.slice(0, 21)).not.toContain(true);
      return alarms.indexOf(true) - 20;
    });
    expect(firsts.filter((first) => first === 1).length).toBeGreaterThanOrEqual(32);
    expect(firsts.every((first) => first >= 1 && first <= 3)).toBe(true);
  });
});

describe('columns without a misspelling', () => {
  it.each([
    ['of names, alike and ever new', (random: () => number) => () => word(random, 5, 4)],
    [
      'of a vocabulary that grows (Zipf)',
      (random: () => number) => () => `w${word(seededRandom(1 + Math.floor(1 / random() ** 1.2)), 6, 26)}`,
    ],
    [
      'of codes that count on',
      () =>
        (() => {
          let next = 0;
          return () => `order-${next++}`;
        })(),
    ],
    ['of a closed list of words that are alike', (random: () => number) => () => `code${word(random, 1, 26)}`],
    [
      'of free text',
      (random: () => number) => () => `${word(random, 5, 26)} ${word(random, 4, 26)} ${word(random, 6, 26)}`,
    ],
  ])('%s raise at most one alarm in a thousand deliveries', (_, make) => {
    const random = seededRandom(9);
    const alarms = Array.from({ length: 5 }, () => alarmsOf(make(random), 121, 100)).flat();
    expect(alarms.filter((one) => one).length).toBe(0);
  });
});
