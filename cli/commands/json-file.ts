/** Reading a JSON file, or standard input, that a user names on the command line. */
import { readFileSync } from 'node:fs';
import { usageError } from '../../domain/types/errors.js';

/** Parses `path`; `-` is standard input. Throws `UnreadableFile` or `MalformedJson`. */
export function readJsonFile(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (cause) {
    const message = `cannot read ${path}: ${(cause as Error).message}`;
    throw usageError({ type: 'UnreadableFile', message, expected: 'a readable JSON file', got: path });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `${path} is not JSON: ${(cause as Error).message}`;
    throw usageError({ type: 'MalformedJson', message, expected: 'one JSON value', got: text.slice(0, 40) });
  }
}
