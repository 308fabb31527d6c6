/** What the `logicalTypeOptions` of an ODCS 3.1 property say, in the terms of a column rule. */
import { z } from 'zod';

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

/** The pattern that text must match: of its own, of its format and of its length together; `undefined` for none. */
export function textPattern({ pattern, format, minLength, maxLength }: OdcsOptions): string | undefined {
  const length =
    minLength === undefined && maxLength === undefined ? undefined : `[\\s\\S]{${minLength ?? 0},${maxLength ?? ''}}`;
  const said = [length, TEXT_FORMATS.get(format ?? ''), pattern].filter((one) => one !== undefined);
  const last = said.pop();
  return last === undefined || said.length === 0 ? last : `${said.map((one) => `(?=(?:${one})$)`).join('')}(?:${last})`;
}

type Bound = z.infer<typeof bound> | undefined;

/** Least and greatest value; of whole numbers an exclusive bound is the next one inside, of others the next double. */
export function boundsOf(options: OdcsOptions, isWhole: boolean): { readonly min: Bound; readonly max: Bound } {
  const inside = (inclusive: Bound, exclusively: z.infer<typeof exclusive> | undefined, step: 1 | -1): Bound => {
    if (exclusively === undefined || exclusively === false) return inclusive;
    const from = exclusively === true ? inclusive : exclusively;
    if (typeof from !== 'number') return from;
    return isWhole ? from + step : from + step * Math.max(Number.MIN_VALUE, Math.abs(from) * Number.EPSILON);
  };
  return {
    min: inside(options.minimum, options.exclusiveMinimum, 1),
    max: inside(options.maximum, options.exclusiveMaximum, -1),
  };
}
