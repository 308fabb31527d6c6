/** Ids that follow from names, so that a retried write finds what its first try stored. */
import { createHash } from 'node:crypto';

/** UUID version 8 (RFC 9562, 5.8) from the sha256 of its parts: the same parts give the same id. */
export function nameUuid(...parts: readonly string[]): string {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  const variant = ((parseInt(hex[16], 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
