/** Texts of balance.yaml that a parser of their own reads. */
import { z } from 'zod';

/** Runs a parser inside zod, so that its message becomes the issue's message. */
export function parsed<T>(parse: (text: string) => T, description: string) {
  return z
    .string()
    .transform((text, context): T => {
      try {
        return parse(text);
      } catch (error) {
        const { expected, message } = error as { expected?: string; message: string };
        context.addIssue({
          code: 'custom',
          message: expected === undefined ? message : `${expected} (${message})`,
        });
        return z.NEVER;
      }
    })
    .describe(description);
}
