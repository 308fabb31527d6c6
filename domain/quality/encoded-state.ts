/** States that are kept as text: read back whole, or refused. */
import type { z } from 'zod';
import { usageError } from '../types/errors.js';

/**
 * The parsed content of a state's text.
 *
 * @param refusal what the error says of a text that holds no such state
 * @throws BalanceError `CorruptState` for any text that `schema` does not fit
 */
export function parseState<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  refusal: { readonly message: string; readonly expected: string },
): z.infer<Schema> {
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch {
    input = undefined;
  }
  const parsed = schema.safeParse(input);
  if (!parsed.success) throw usageError({ type: 'CorruptState', ...refusal, got: text.slice(0, 80) });
  return parsed.data;
}
