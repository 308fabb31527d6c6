/** Reading a JSON file, or standard input, that a user names on the command line. */
import { readFileSync } from 'node:fs';
import { BalanceError, usageError } from '../../domain/types/errors.js';

/** Parses `path`; `-` is standard input. Throws `UnreadableFile` or `MalformedJson`. */
export function readJsonFile(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8').replace(/^\ufeff/, '');
  } catch (cause) {
    const message = `cannot read ${path}: ${(cause as Error).message}`;
    const hint = 'Give the path of a file, or - for standard input.';
    throw usageError({ type: 'UnreadableFile', message, expected: 'a readable JSON file', got: path, hint });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `${path} is not JSON: ${(cause as Error).message}`;
    const got = text.trim() === '' ? 'nothing' : text.slice(0, 40);
    const hint = 'Correct it at that position: texts and names are in "double quotes", and nothing follows the value.';
    throw usageError({ type: 'MalformedJson', message, expected: 'one JSON value', got, hint });
  }
}

/** One instance, or each of an array of them. Errors in an array say which of them it is, counted from 0. */
export function eachInstance<T>(input: unknown, run: (instance: unknown) => T): T | T[] {
  if (!Array.isArray(input)) return run(input);
  return input.map((instance: unknown, index) => {
    try {
      return run(instance);
    } catch (error) {
      if (!(error instanceof BalanceError)) throw error;
      const facts = error.facts();
      throw new BalanceError(
        error.kind,
        { ...facts, message: `instance [${index}]: ${facts.message}` },
        { cause: error },
      );
    }
  });
}
