/**
 * Histories as JSON files. Not the SDK's own `historyToJSON`: it fails (`type must be a Type`) where npm installs more
 * than one copy of protobufjs, as it does here.
 */
import { createRequire } from 'node:module';
import type { History } from '@temporalio/common/lib/proto-utils.js';

const require = createRequire(import.meta.url);
/** The copy of the message types that the SDK itself uses. */
const { temporal } = createRequire(require.resolve('@temporalio/testing'))('@temporalio/proto') as {
  temporal: { api: { history: { v1: { History: Codec } } } };
};
interface Codec {
  fromObject(object: object): History;
  toObject(history: History, options: object): object;
}
const codec = temporal.api.history.v1.History;

/** Who ran it, and where, is nobody's business and no part of a replay. */
const ANONYMOUS: Readonly<Record<string, string>> = { identity: 'worker', stackTrace: '', workerControlTaskQueue: '' };

export function historyText(history: History): string {
  const plain = codec.toObject(history, { longs: Number, bytes: String, enums: String });
  return `${JSON.stringify(plain, (key, value: unknown) => ANONYMOUS[key] ?? value, 1)}\n`;
}

export function parseHistory(text: string): History {
  return codec.fromObject(JSON.parse(text) as object);
}
