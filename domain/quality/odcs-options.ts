/** What the `logicalTypeOptions` of an ODCS 3.1 property say, in the terms of a column rule. */
import { z } from 'zod';
import { isMoment } from './column-rule.js';

const bound = z.union([z.number(), z.string(), z.date().transform((date) => date.toISOString().slice(0, 10))]);

/** An exclusive bound is the bound itself (3.1), or says of `minimum` or `maximum` that it is exclusive (3.0). */
const exclusive = z.union([z.boolean(), bound]);

export const odcsOptions = z.looseObject({
  format: z.string().optional(),
  pattern: z.string().optional(),
  minimum: bound.optional(),
  maximum: bound.optional(),
  exclusiveMinimum: exclusive.optional(),
  exclusiveMaximum: exclusive.optional(),
  minLength: z.number().int().nonnegative().optional(),
  maxLength: z.number().int().nonnegative().optional(),
});

export type OdcsOptions = z.infer<typeof odcsOptions>;

/** Formats of text that ODCS names, as patterns of the whole value; the others (`password`, `binary`) say nothing of it. */
const TEXT_FORMATS: ReadonlyMap<string, string> = new Map([
  ['email', '[^@\\s]+@[^@\\s]+\\.[^@\\s.]+'],
  ['uuid', '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'],
  ['uri', '[A-Za-z][A-Za-z0-9+.\\-]*:\\S+'],
  ['ipv4', '(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.(?!$)|$)){4}'],
]);

/** The pattern that text must match: of its own, of its format, of its length and of rules together; `undefined` for none. */
export function textPattern(
  { pattern, format, minLength, maxLength }: OdcsOptions,
  ofRules: readonly string[] = [],
): string | undefined {
  const length =
    minLength === undefined && maxLength === undefined ? undefined : `[\\s\\S]{${minLength ?? 0},${maxLength ?? ''}}`;
  const said = [length, TEXT_FORMATS.get(format ?? ''), ...ofRules, pattern].filter((one) => one !== undefined);
  const last = said.pop();
  return last === undefined || said.length === 0 ? last : `${said.map((one) => `(?=(?:${one})$)`).join('')}(?:${last})`;
}

type Bound = z.infer<typeof bound> | undefined;

/** A day as ISO 8601 writes it. */
const DAY = /^\d{4}-\d{2}-\d{2}$/;
const DAY_MS = 86_400_000;

/**
 * Least and greatest value; of whole numbers and days an exclusive bound is the next one inside, of other numbers the next
 * double. Of a time it stays as it is (`uncheckedOptions` says so).
 */
export function boundsOf(options: OdcsOptions, type: string | undefined): { readonly min: Bound; readonly max: Bound } {
  const inside = (inclusive: Bound, exclusively: z.infer<typeof exclusive> | undefined, step: 1 | -1): Bound => {
    if (exclusively === undefined || exclusively === false) return inclusive;
    const from = exclusively === true ? inclusive : exclusively;
    if (isDay(from, type)) return new Date(Date.parse(from) + step * DAY_MS).toISOString().slice(0, 10);
    if (typeof from !== 'number') return from;
    return type === 'integer' ? from + step : from + step * Math.max(Number.MIN_VALUE, Math.abs(from) * Number.EPSILON);
  };
  return {
    min: inside(options.minimum, options.exclusiveMinimum, 1),
    max: inside(options.maximum, options.exclusiveMaximum, -1),
  };
}

function isDay(bound: Bound, type: string | undefined): bound is string {
  return type === 'date' && typeof bound === 'string' && DAY.test(bound) && !Number.isNaN(Date.parse(bound));
}

/** Options that a column rule can say; of others (`multipleOf`, `timezone`, ...) nothing is checked. */
const CHECKED: readonly string[] = Object.keys(odcsOptions.shape);

/** What of the options is not checked: those without a rule, formats that say nothing of a text, exclusive bounds of times. */
export function uncheckedOptions(options: OdcsOptions, type: string | undefined): string[] {
  const { format } = options;
  const isExclusiveTime = (side: 'Minimum' | 'Maximum'): boolean => {
    const said = options[`exclusive${side}`];
    const from = said === true ? options[side === 'Minimum' ? 'minimum' : 'maximum'] : said;
    return typeof from === 'string' && !isDay(from, type);
  };
  return [
    ...Object.keys(options).filter((name) => !CHECKED.includes(name)),
    ...(format === undefined || isMoment(type) || TEXT_FORMATS.has(format) ? [] : [`format ${format}`]),
    ...(['Minimum', 'Maximum'] as const)
      .filter(isExclusiveTime)
      .map((side) => `exclusive${side} (the bound itself is let through)`),
  ];
}
