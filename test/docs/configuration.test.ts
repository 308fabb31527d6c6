/** docs/CONFIGURATION.md lists every key of the schema in its section, with its default, and no key that is none. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { configJsonSchema } from '../../interfaces/config/load.js';

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | false;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly default?: unknown;
  readonly type?: string;
}

/** Every key as `section key`, with the default that the schema states (durations and sizes state none there). */
function keysOf(schema: Schema, section = 'top level'): [string, unknown][] {
  const under = (child: string) => (section === 'top level' ? child : `${section}.${child}`);
  return [
    ...[...(schema.oneOf ?? []), ...(schema.anyOf ?? [])].flatMap((one) => keysOf(one, section)),
    ...(schema.items === undefined ? [] : keysOf(schema.items, `${section}[]`)),
    ...(schema.additionalProperties ? keysOf(schema.additionalProperties, under('ID')) : []),
    ...Object.entries(schema.properties ?? {}).flatMap(([key, value]): [string, unknown][] => [
      [`${section} ${key}`, schema.required?.includes(key) === true ? 'required' : value.default],
      ...keysOf(value, under(key)),
    ]),
  ];
}

const listed = new Map<string, string>();
let section = '';
for (const line of readFileSync('docs/CONFIGURATION.md', 'utf8').split('\n')) {
  if (line.startsWith('## ')) section = line.slice(3);
  const row = /^\| `(\w+)` \| (.*?) \| (.*?) \|/.exec(line);
  if (row !== null && section !== 'Environment') listed.set(`${section} ${row[1]}`, row[3].replaceAll('`', ''));
}
const keys = new Map(keysOf(configJsonSchema() as Schema));

describe('docs/CONFIGURATION.md', () => {
  test('lists exactly the keys that there are', () => {
    expect([...listed.keys()].sort()).toEqual([...keys.keys()].sort());
    expect(keys.size).toBeGreaterThan(60);
  });

  test.each([...keys].filter(([, value]) => value !== undefined))('%s has its default', (key, value) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    expect(listed.get(key)).toBe(text);
  });
});
