/** What is wrong with the vectors and texts that a need reads. */
import type { ProfiledText, ProfiledVectors } from '../quality/content-profile.js';
import { percent } from '../quality/gate-severity.js';
import { shareBounds } from '../quality/share-bounds.js';
import { detectDrift, type PairedColumn } from '../quality/shift.js';
import type { Finding, NeedView } from './analyzer.js';
import { about } from './requirement.js';

/** Least share of values without content that is told: two rows in a hundred, as for a delivery's figures. */
export const HIDDEN_SHARE_MIN = 0.02;

/** Severity = share of vectors that cannot be used beside the others, of all rows or of the latest ones, the larger. */
function judgeUnusable(need: NeedView, column: string, of: ProfiledVectors): Finding[] {
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

/** Vectors that cannot be used, and near duplicates that came since the last profile. */
export function judgeVectors(need: NeedView, column: string, of: ProfiledVectors): Finding[] {
  return [...judgeUnusable(need, column, of), ...judgeRepeats(need, column, of)];
}

/**
 * Near duplicates come in groups, so that their share varies by more than rows that are drawn one by one do: at least one
 * row in ten more than before is one, by more than chance.
 */
const REPEATS_CHANGE_MIN = 0.1;

function judgeRepeats(need: NeedView, column: string, { latest, before }: ProfiledVectors): Finding[] {
  const now = latest?.nearDuplicates;
  const then = before?.nearDuplicates;
  if (now === undefined || then === undefined || now.rows === 0 || then.rows === 0) return [];
  const most = shareBounds(then.share * then.rows, then.rows, now.rows)[1];
  if (now.share - then.share < REPEATS_CHANGE_MIN || now.share <= most) return [];
  return [
    {
      ...about(need),
      kind: 'vectors',
      column,
      severity: now.share - then.share,
      blocking: false,
      message: `${percent(now.share)} of the ${latest!.rows} latest vectors of ${column} of ${need.dataset} have another in nearly their direction, ${percent(then.share)} of those before`,
      expected: `at most ${percent(most)} near duplicates`,
      got: `${Math.round(now.share * now.rows)} of ${now.rows} looked at`,
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
  findings.push(...judgeLengths(need, column, before, latest));
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

/** Lengths are compared as `balance drift` compares numbers. */
function judgeLengths(
  need: NeedView,
  column: string,
  before: NonNullable<ProfiledText['before']>,
  latest: NonNullable<ProfiledText['latest']>,
): Finding[] {
  const { lengthBuckets: then } = before;
  const { lengthBuckets: now } = latest;
  if (then === undefined || now === undefined) return [];
  const [reference, current] = [new Map(then), new Map(now)];
  const values = [...new Set([...reference.keys(), ...current.keys()])].sort((a, b) => a - b);
  const counts = [reference, current].map((of) => values.map((bucket) => of.get(bucket) ?? 0));
  const present = counts.map((of) => of.reduce((sum, count) => sum + count, 0));
  const paired: PairedColumn = {
    ...{ column, kind: 'number', values, reference: counts[0], current: counts[1] },
    ...{ present: [present[0], present[1]], missing: [0, 0], malformed: [0, 0] },
  };
  const [judged] = detectDrift({ lengths: [paired] }).lengths.columns;
  if (!judged.drift) return [];
  const severity = Math.min(1, judged.effect - judged.floor);
  return [
    {
      ...about(need),
      ...{ kind: 'texts', column, severity, blocking: false },
      message: `the ${latest.rows} latest texts of ${column} of ${need.dataset} are not as long as those before: ${judged.reason}`,
      expected: `${judged.test} effect near ${judged.floor.toPrecision(3)}, what chance gives`,
      got: `${judged.effect.toPrecision(3)}, adjusted p ${judged.pAdjusted.toPrecision(2)}`,
    },
  ];
}
