/** What is wrong with the vectors and texts that a need reads. */
import type { ProfiledText, ProfiledVectors } from '../quality/content-profile.js';
import { percent } from '../quality/gate-severity.js';
import { shareBounds } from '../quality/share-bounds.js';
import type { Finding, NeedView } from './analyzer.js';
import { about } from './requirement.js';

/** Least share of values without content that is told: two rows in a hundred, as for a delivery's figures. */
export const HIDDEN_SHARE_MIN = 0.02;

/** Severity = share of vectors that cannot be used beside the others, of all rows or of the latest ones, the larger. */
export function judgeVectors(need: NeedView, column: string, of: ProfiledVectors): Finding[] {
  const share = of.unusable / of.rows;
  const latest = of.latest === null ? 0 : of.latest.unusable / of.latest.rows;
  const severity = Math.max(share, latest);
  if (severity === 0) return [];
  const other = of.dimensions.slice(1).map(({ dimension, rows }) => `${rows} of dimension ${dimension}`);
  const faults = [
    ...other,
    ...(of.nonFinite === 0 ? [] : [`${of.nonFinite} with a number that is missing, NaN or infinite`]),
    ...(of.zeros === 0 ? [] : [`${of.zeros} of norm zero`]),
  ];
  const among =
    latest > share ? `${percent(latest)} of the ${of.latest!.rows} latest vectors` : `${percent(share)} of the vectors`;
  return [
    {
      ...about(need),
      kind: 'vectors',
      column,
      severity,
      blocking: false,
      message: `${among} of ${column} of ${need.dataset} cannot be used beside the others: ${faults.join(', ')}`,
      expected: `finite vectors of dimension ${of.dimension}`,
      got: `${of.unusable} of ${of.rows} that are not`,
    },
  ];
}

/** Texts that came since the last profile: emptier than those before, or in another language, by more than chance. */
export function judgeTexts(need: NeedView, column: string, { before, latest }: ProfiledText): Finding[] {
  if (before === null || latest === null) return [];
  const found = { ...about(need), kind: 'texts' as const, column, blocking: false };
  const findings: Finding[] = [];
  const [usual, emptied] = [before, latest].map(({ empty, rows }) => (rows === 0 ? 0 : empty / rows));
  if (emptied - usual >= HIDDEN_SHARE_MIN && emptied > shareBounds(before.empty, before.rows, latest.rows)[1])
    findings.push({
      ...found,
      severity: emptied - usual,
      message: `${percent(emptied)} of the ${latest.rows} latest texts of ${column} of ${need.dataset} are empty, ${percent(usual)} of those before`,
      expected: `at most ${percent(shareBounds(before.empty, before.rows, latest.rows)[1])} empty`,
      got: `${latest.empty} of ${latest.rows}`,
    });
  const [own] = before.languages;
  const [now] = latest.languages;
  if (own === undefined || now === undefined) return findings;
  const still = latest.languages.find(({ language }) => language === own.language)?.texts ?? 0;
  const [share, left] = [own.texts / before.languageTexts, still / latest.languageTexts];
  const [least] = shareBounds(own.texts, before.languageTexts, latest.languageTexts);
  if (share - left >= LANGUAGE_CHANGE_MIN && left < least)
    findings.push({
      ...found,
      severity: share - left,
      message: `${percent(left)} of the latest long texts of ${column} of ${need.dataset} are in the language that ${percent(share)} of those before are in (${own.language}); most are in ${now.language}`,
      expected: `at least ${percent(least)} in ${own.language}`,
      got: latest.languages.map(({ language, texts }) => `${texts} in ${language}`).join(', '),
    });
  return findings;
}

/** Least change of a language's share that is told: the guess itself is wrong for two texts in a hundred, and more for some kinds of text. */
const LANGUAGE_CHANGE_MIN = 0.1;
