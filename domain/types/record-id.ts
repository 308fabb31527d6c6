/** Ids of requests and decisions. */
import { usageError } from './errors.js';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** True for text that PostgreSQL takes as a uuid in its usual form. Any other text is nobody's id. */
export function isRecordId(text: string): boolean {
  return UUID.test(text);
}

/**
 * The id as it was given, when it can be one at all: the database refuses other texts in words of its own.
 * @throws BalanceError `InvalidId`
 */
export function recordId(text: string): string {
  if (isRecordId(text)) return text;
  throw usageError({
    type: 'InvalidId',
    message: 'not an id of a request or decision',
    expected: 'a UUID, as `balance request` and `balance decisions` print it',
    got: text,
  });
}
