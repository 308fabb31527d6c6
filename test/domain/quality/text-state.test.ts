import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeTexts,
  EMPTY_TEXTS,
  encodeTexts,
  isFreeTextState,
  measureTexts,
  mergeTexts,
  summarizeTextState,
  TEXT_SAMPLE_MAX,
} from '../../../domain/quality/text-state.js';
import { hashText } from '../../../domain/quality/sketch.js';

/** What a source counts of texts: here the digest is a hash of the number that the text holds. */
function stateOf(texts: readonly string[]) {
  const counts = new Map<string, number>();
  const full = texts.filter((text) => /[\p{L}\p{N}]/u.test(text));
  for (const text of full) counts.set(text, (counts.get(text) ?? 0) + 1);
  const digest = (text: string): string => {
    const { high, low } = hashText(text);
    return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
  };
  return measureTexts(
    texts.length - full.length,
    full.map((text) => [text.length, 1] as const),
    [...counts].map(([text, rows]) => ({ digest: digest(text), text, rows })),
  );
}
const text = fc.oneof(
  fc.constantFrom('', '…', 'a b c'),
  fc.nat(5_000).map((n) => `the report of day ${n} says that the wind will come from the north`),
);

describe('the state of the texts of a column', () => {
  it('is that of all rows however they are split, and the same after it was kept', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 1_500, size: 'max' }), fc.nat(1_500), (texts, at) => {
        const [left, right] = [stateOf(texts.slice(0, at)), stateOf(texts.slice(at))];
        const whole = encodeTexts(stateOf(texts));
        expect(encodeTexts(mergeTexts(left, right))).toBe(whole);
        expect(encodeTexts(mergeTexts(right, decodeTexts(encodeTexts(left))))).toBe(whole);
        expect(encodeTexts(mergeTexts(EMPTY_TEXTS, stateOf(texts)))).toBe(whole);
      }),
      { numRuns: 20 },
    );
  });

  it('holds a bounded sample, and no text', () => {
    const state = stateOf(
      Array.from({ length: 3_000 }, (_, n) => `the report of day ${n} says that the wind will come from the north`),
    );
    expect(state.sample).toHaveLength(TEXT_SAMPLE_MAX);
    expect(encodeTexts(state)).not.toContain('report');
    expect(summarizeTextState(state)).toMatchObject({ rows: 3_000, empty: 0, languages: [{ language: 'eng' }] });
  });

  it('tells free text from names and classes', () => {
    expect(isFreeTextState(stateOf(['one word more 1', 'one word more 2']))).toBe(true);
    expect(isFreeTextState(stateOf(['Boston', 'New York']))).toBe(false);
    expect(isFreeTextState(stateOf(['the same again', 'the same again']))).toBe(false);
    expect(isFreeTextState(EMPTY_TEXTS)).toBe(false);
  });

  it('is refused where another version wrote it', () => {
    const other = encodeTexts(EMPTY_TEXTS).replace('"version":1', '"version":2');
    expect(() => decodeTexts(other)).toThrow('the state of a text column cannot be read');
  });
});
