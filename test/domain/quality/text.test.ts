import { describe, expect, it } from 'vitest';
import { encodeColumn } from '../../../domain/quality/cell-table.js';
import { profileTable } from '../../../domain/quality/profile.js';
import { isFreeText, languageOf, lengthSignals, summarizeText } from '../../../domain/quality/text.js';

const SUBJECTS = ['The engine', 'Our pilot', 'A passenger', 'The ground crew', 'The control tower'];
const VERBS = [
  'reported a bird near',
  'noticed some damage on',
  'inspected carefully',
  'asked again about',
  'repaired',
];
const OBJECTS = ['the left wing', 'the runway lights', 'one of the windows', 'the landing gear', 'the fuel system'];
/** 200 English sentences, each once. */
const sentences = Array.from(
  { length: 200 },
  (_, at) =>
    `${SUBJECTS[at % 5]} ${VERBS[Math.floor(at / 5) % 5]} ${OBJECTS[Math.floor(at / 25) % 5]} on day number ${at}.`,
);
const german = 'Der Pilot meldete einen Vogel in der Nähe der Landebahn und bat um eine Untersuchung.';
const remarks = (change: Readonly<Record<number, string>> = {}) => sentences.map((text, at) => change[at] ?? text);

describe('free text', () => {
  it.each([
    ['sentences', sentences, true],
    ['sentences without spaces', Array.from({ length: 60 }, (_, at) => `今日は天気がいい${at}`), true],
    [
      'classes of several words',
      Array.from({ length: 200 }, (_, at) => ['in very good order', 'in rather bad order'][at % 2]),
      false,
    ],
    ['names', Array.from({ length: 200 }, (_, at) => `Anna${at} Smith`), false],
    ['dates', Array.from({ length: 200 }, (_, at) => `Jun 12 ${1800 + at}`), false],
    ['identifiers', Array.from({ length: 200 }, (_, at) => `a1b2-c3d4-${at}`), false],
    ['nothing', ['', '', 'N/A'], false],
  ])('is told from other columns: %s', (_, cells, expected) => {
    expect(isFreeText(encodeColumn('c', cells))).toBe(expected);
  });

  it('has lengths, empty rows and languages in its summary', () => {
    const column = encodeColumn('remarks', remarks({ 3: '', 5: '...', 7: 'short one here', 100: german }));
    const summary = summarizeText(column)!;
    expect(summary.empty).toBe(2);
    expect(summary.lengths.p50).toBeGreaterThan(40);
    expect(summary.lengths.p05).toBeLessThan(summary.lengths.p95);
    expect(summary.languages.map(({ language }) => language)).toEqual(['eng', 'deu']);
    expect(summary.languages[0].share).toBeGreaterThan(0.98);
    expect(summary.otherLanguageRows).toEqual([100]);
  });

  it('of two languages notes no row as the exception', () => {
    const mixed = sentences.map((text, at) => (at % 4 === 0 ? `${german} (${at})` : text));
    const { languages, otherLanguageRows } = summarizeText(encodeColumn('c', mixed))!;
    expect(languages.map(({ language }) => language)).toEqual(['eng', 'deu']);
    expect(otherLanguageRows).toEqual([]);
  });

  it('looks at a bounded sample of a long column', () => {
    const many = Array.from({ length: 5_000 }, (_, at) => `${sentences[at % 200]} Part ${at}.`);
    expect(summarizeText(encodeColumn('c', many))!.languageTexts).toBeLessThanOrEqual(500);
  });

  it.each([
    [german, 'deu'],
    ['Le pilote a signalé un oiseau près de la piste et il a demandé une inspection.', 'fra'],
    ['Пилот сообщил о птице возле взлётной полосы и попросил провести осмотр.', 'rus'],
    ['too short to tell', null],
    ['1234567890 1234567890 1234567890 1234567890 1234567890', null],
  ])('%s is in %s', (text, language) => {
    expect(languageOf(text)).toBe(language);
  });
});

describe('rows without a text', () => {
  const cells = (texts: readonly string[]) =>
    profileTable({ columns: ['remarks'], rows: texts.map((text) => [text]) }).cells.map(({ row, kind }) => [row, kind]);

  it('are found where nearly all others have one', () => {
    expect(cells(remarks({ 9: '', 11: '-.-' }))).toEqual([
      [9, 'empty-text'],
      [11, 'unusual-pattern'], // stronger evidence for the same cell
    ]);
  });

  it('are the custom where many have none', () => {
    expect(cells(remarks(Object.fromEntries([1, 2, 3, 4, 5, 6].map((at) => [at, '']))))).toEqual([]);
  });
});

describe('texts of another length', () => {
  const found = (text: string) => lengthSignals(encodeColumn('remarks', remarks({ 9: text })), 0);

  it('are found with their length and that of the others, far outside of theirs', () => {
    const [text] = remarks({});
    expect(found(Array.from({ length: 200 }, () => text).join(' '))).toMatchObject([
      {
        row: 9,
        kind: 'text-length',
        evidence: expect.stringMatching(/^\d+ characters where half of the texts have \d+ to \d+$/) as string,
      },
    ]);
    expect(found(`${text} ${text}`)).toEqual([]);
  });
});
