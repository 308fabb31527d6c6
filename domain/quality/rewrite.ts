/** Rewrites learned from examples: a wrong value and its correction give small programs that other values may share. */
import { compileFormat, type MomentFormat } from './format.js';
import { styleOf } from './pattern.js';

/** A program on text. `apply` gives `undefined` where it does not apply. */
export interface Rewrite {
  /** Equal names are the same program. */
  readonly name: string;
  /** Whether it touches marks, digits or ends rather than letters within: such programs generalise from one example. */
  readonly isStructural: boolean;
  /** Changes nothing but letter case: names may keep a case of their own. */
  readonly isCase?: boolean;
  readonly apply: (text: string) => string | undefined;
}

const FORMATS: readonly MomentFormat[] = [
  'YYYY-MM-DD',
  'M/D/YY',
  'MM/DD/YY',
  'M/D/YYYY',
  'MM/DD/YYYY',
  'YYYY/MM/DD',
  'D/M/YYYY',
  'D MMMM YYYY',
  'MMMM D, YYYY',
  'MMM-YY',
  'YYYYMMDD',
  'HH:mm',
  'h:mm a.m.',
  'h:mm AM',
].map((source) => compileFormat(source));

const NUMBER_WITHIN = /^[^\d+-]*([+-]?\d+(?:,\d{3})*(?:\.\d+)?)[^\d]*$/;

const PLAIN_NUMBER = /^[+-]?\d+(?:\.\d+)?$/;

/** Every program of the small language below that turns `wrong` into `right`. */
export function inferRewrites(wrong: string, right: string): Rewrite[] {
  const candidates = [
    ...affixRewrites(wrong, right),
    replaceRewrite(wrong, right),
    ...numberRewrites(),
    ...caseRewrites(wrong),
    ...padRewrites(wrong, right),
    ...formatRewrites(wrong, right),
  ];
  const seen = new Set<string>();
  return candidates.filter((rewrite): rewrite is Rewrite => {
    if (rewrite === undefined || seen.has(rewrite.name) || rewrite.apply(wrong) !== right) return false;
    seen.add(rewrite.name);
    return true;
  });
}

function affixRewrites(wrong: string, right: string): Rewrite[] {
  const rewrites: Rewrite[] = [];
  const cut = right === '' ? -1 : wrong.indexOf(right);
  if (cut >= 0) {
    const prefix = wrong.slice(0, cut);
    const suffix = wrong.slice(cut + right.length);
    rewrites.push({
      name: `drop ${JSON.stringify([prefix, suffix])}`,
      isStructural: !cutsToken(prefix, right, suffix),
      apply: (text) =>
        text.length > prefix.length + suffix.length && text.startsWith(prefix) && text.endsWith(suffix)
          ? text.slice(prefix.length, text.length - suffix.length)
          : undefined,
    });
  }
  const grown = wrong === '' ? -1 : right.indexOf(wrong);
  if (grown >= 0) {
    const prefix = right.slice(0, grown);
    const suffix = right.slice(grown + wrong.length);
    // A value that already carries the affix is not to be given a second one.
    rewrites.push({
      name: `add ${JSON.stringify([prefix, suffix])}`,
      isStructural: !cutsToken(prefix, wrong, suffix),
      apply: (text) =>
        text === '' || (text.startsWith(prefix) && text.endsWith(suffix)) ? undefined : prefix + text + suffix,
    });
  }
  return rewrites;
}

/** Whether the affixes are further digits of one number or letters of one word: what is said changes, not how it is written. */
function cutsToken(prefix: string, kept: string, suffix: string): boolean {
  const within = /\d\|\d|\p{L}\|\p{L}/u;
  return within.test(`${prefix}|${kept}`) || within.test(`${kept}|${suffix}`);
}

/** Replaces every occurrence of what differs between the two. */
function replaceRewrite(wrong: string, right: string): Rewrite | undefined {
  let start = 0;
  while (start < wrong.length && start < right.length && wrong[start] === right[start]) start++;
  let end = 0;
  while (end < Math.min(wrong.length, right.length) - start && wrong.at(-1 - end) === right.at(-1 - end)) end++;
  const from = wrong.slice(start, wrong.length - end);
  const to = right.slice(start, right.length - end);
  // Another value altogether is a translation, not a way of writing.
  if (from === '' || (from === wrong && to !== '')) return undefined;
  return {
    name: `replace ${JSON.stringify([from, to])}`,
    isStructural: !/[\p{L}\d]/u.test(from + to),
    apply: (text) => (text.includes(from) ? text.replaceAll(from, to) : undefined),
  };
}

function numberRewrites(): Rewrite[] {
  const read = (text: string): string | undefined => NUMBER_WITHIN.exec(text)?.[1].replaceAll(',', '');
  return [
    { name: 'keep the number', isStructural: true, apply: read },
    {
      name: 'keep the number, shortest form',
      isStructural: true,
      // Of "12.0 oz" nothing is learned about a plain 52.40: that takes an example of its own.
      apply: (text) => {
        const number = PLAIN_NUMBER.test(text) ? undefined : read(text);
        return number === undefined ? undefined : String(Number(number));
      },
    },
    {
      name: 'shortest form of the number',
      isStructural: true,
      apply: (text) => (PLAIN_NUMBER.test(text) ? String(Number(text)) : undefined),
    },
  ];
}

/** Ways of writing letters, for text in the letter case of the example: `lCayton` is a slip of another kind than `clayton`. */
function caseRewrites(wrong: string): Rewrite[] {
  const style = styleOf(wrong);
  const inStyle = (name: string, write: (text: string) => string): Rewrite => ({
    name: `${name} of ${style} case`,
    isStructural: true,
    isCase: true,
    apply: (text) => (styleOf(text) === style ? write(text) : undefined),
  });
  return [
    inStyle('lower case', (text) => text.toLowerCase()),
    inStyle('upper case', (text) => text.toUpperCase()),
    inStyle('capital first letter', (text) => text.replace(/\p{L}/u, (letter) => letter.toUpperCase())),
    inStyle('capital first letter of each word', (text) =>
      text.replace(/(?<![\p{L}\p{M}'’])\p{L}/gu, (letter) => letter.toUpperCase()),
    ),
    { name: 'trim', isStructural: true, apply: (text) => text.trim().replace(/\s+/g, ' ') },
  ];
}

function padRewrites(wrong: string, right: string): Rewrite[] {
  if (!/^\d+$/.test(wrong) || wrong.length >= right.length) return [];
  const width = right.length;
  return [
    {
      name: `pad to ${width} digits`,
      isStructural: true,
      apply: (text) => (/^\d+$/.test(text) ? text.padStart(width, '0') : undefined),
    },
  ];
}

function formatRewrites(wrong: string, right: string): Rewrite[] {
  const sources = FORMATS.filter((format) => format.parse(wrong) !== undefined);
  const targets = FORMATS.filter((format) => format.parse(right) !== undefined);
  return sources.flatMap((source) =>
    targets.map((target) => ({
      name: `write ${source.source} as ${target.source}`,
      isStructural: true,
      apply: (text: string): string | undefined => {
        const parts = source.parse(text);
        return parts === undefined ? undefined : target.render(parts);
      },
    })),
  );
}
