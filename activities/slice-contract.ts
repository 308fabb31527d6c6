/** Which contract the figures of a slice were counted under: of another one they say nothing. */
import { betweenRowsWithin } from '../domain/types/between-rows.js';
import type { DatasetDefinition } from '../domain/types/pool.js';
import { rulesWithin } from '../domain/types/rule.js';
import { digestOf } from './digest.js';
import type { MergedReadResult, SliceResult } from './ports.js';

/** Digest of what a dataset promises of slices with these columns and is counted in them when they are read. */
export function contractDigest(definition: DatasetDefinition, fields: readonly string[]): string {
  const { key, eventTime, columns, rules } = definition;
  const names = [...fields].sort();
  return digestOf({
    ...{ key, eventTime },
    columns: names.map((name) => {
      const promised = Object.hasOwn(columns, name) ? columns[name] : {};
      const { type, unit, format, values, min, max } = promised as Partial<DatasetDefinition['columns'][string]>;
      return { name, type, unit, format, values, min, max };
    }),
    rules: [...rulesWithin(rules, names), ...betweenRowsWithin(definition, names)].map(({ text }) => text).sort(),
  });
}

/** What was read, each slice with the contract that it was counted under. */
export function withContract(definition: DatasetDefinition, result: MergedReadResult): MergedReadResult {
  const counted = (slice: SliceResult): SliceResult => ({
    ...slice,
    contract: contractDigest(definition, Object.keys(slice.completeness)),
  });
  const { slices, joined } = result;
  return { ...result, slices: slices.map(counted), ...(joined === undefined ? {} : { joined: joined.map(counted) }) };
}
