/** Reads balance.yaml: every message names the line, what was expected and what was found. */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { isMap, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { z } from 'zod';
import { configSchema, type BalanceConfig, type PoolDefinition } from '../../domain/types/pool.js';
import { BalanceError, usageError } from '../../domain/types/errors.js';
import type { ConfigIssue } from './issues.js';
import { checkReferences } from './references.js';

export interface LoadedConfig {
  readonly path: string;
  /** Folder of the file: relative roots start here. */
  readonly baseDir: string;
  readonly config: BalanceConfig;
}

/** Reads, validates and resolves a configuration file. */
export function loadConfig(path: string): LoadedConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new BalanceError(
      'usage',
      {
        type: 'ConfigNotFound',
        message: `cannot read ${path}: ${(cause as NodeJS.ErrnoException).code ?? (cause as Error).message}`,
        expected: 'a balance.yaml',
        got: path,
        hint: 'Name it with --config FILE, or start from the one in the README.',
      },
      { cause },
    );
  }
  const baseDir = dirname(resolve(path));
  return { path, baseDir, config: resolveRoots(parseConfig(text, path), baseDir) };
}

/** Parses and validates the text of a configuration. All problems are reported together, each with its line. */
export function parseConfig(text: string, name: string): BalanceConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw configError(
      name,
      document.errors.map((error) => ({
        line: lines.linePos(error.pos[0]).line,
        path: '',
        expected: 'valid YAML',
        got: error.message,
      })),
    );
  }
  const parsed = configSchema.safeParse(document.toJS(), { reportInput: true });
  const located = (issue: ConfigIssue) => ({
    line: lineOf(document, issue.path, lines),
    path: issue.path.join('.'),
    expected: issue.expected,
    got: issue.got,
  });
  if (!parsed.success) throw configError(name, parsed.error.issues.flatMap(flatten).map(located));
  const broken = checkReferences(parsed.data);
  if (broken.length > 0) throw configError(name, broken.map(located));
  return parsed.data;
}

/** JSON Schema of balance.yaml, for editors. */
export function configJsonSchema(): unknown {
  return z.toJSONSchema(configSchema, { io: 'input', target: 'draft-2020-12' });
}

interface LocatedIssue {
  readonly line: number;
  readonly path: string;
  readonly expected: string;
  readonly got: string;
}

function configError(name: string, issues: readonly LocatedIssue[]): BalanceError {
  const first = issues[0];
  const lines = issues.map(
    ({ line, path, expected, got }) =>
      `  line ${line}${path === '' ? '' : ` (${path})`}: expected ${expected}; found ${got}`,
  );
  return usageError({
    type: 'InvalidConfig',
    message: `${name} has ${issues.length} problem${issues.length === 1 ? '' : 's'}:\n${lines.join('\n')}`,
    expected: first.expected,
    got: `line ${first.line}: ${first.got}`,
    hint: 'Nothing was applied. docs/CONFIGURATION.md lists every key; dist/balance.schema.json gives it to editors.',
  });
}

function flatten(issue: z.core.$ZodIssue): ConfigIssue[] {
  const path = issue.path.map(String);
  const got = issue.input === undefined ? 'nothing' : JSON.stringify(issue.input).slice(0, 80);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...path, key],
        expected: 'a known key',
        got: `the unknown key ${JSON.stringify(key)}`,
      }));
    case 'invalid_type':
      return [{ path, expected: issue.expected, got }];
    case 'invalid_value':
      return [{ path, expected: `one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`, got }];
    case 'invalid_union':
      return [
        {
          path,
          expected:
            issue.errors.length > 0
              ? issue.errors
                  .map((branch) => branch[0]?.message ?? '')
                  .filter(Boolean)
                  .join(', or ')
              : issue.message,
          got,
        },
      ];
    default:
      return [{ path, expected: issue.message, got }];
  }
}

/** The line of the deepest node on the path that exists: a missing key is reported at its parent. */
function lineOf(document: Document, path: readonly string[], lines: LineCounter): number {
  let node: unknown = document.contents;
  let offset = (node as Node | null)?.range?.[0] ?? 0;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
      if (pair === undefined) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else {
      const child: unknown = (node as { items?: unknown[] } | null)?.items?.[Number(key)];
      if (child === undefined) break;
      offset = (child as Node).range?.[0] ?? offset;
      node = child;
    }
  }
  return lines.linePos(offset).line;
}

/** Relative roots become absolute; `package:` roots stay, they are resolved where the data is read. */
function resolveRoots(config: BalanceConfig, baseDir: string): BalanceConfig {
  const root = (path: string): string =>
    path.startsWith('package:') || isAbsolute(path) ? path : resolve(baseDir, path);
  const pools = Object.entries(config.pools).map(([id, pool]): [string, PoolDefinition] => [
    id,
    {
      ...pool,
      sources: Object.fromEntries(
        Object.entries(pool.sources).map(([name, source]) => [
          name,
          source.kind === 'files' ? { ...source, root: root(source.root) } : source,
        ]),
      ),
      datasets: Object.fromEntries(
        Object.entries(pool.datasets).map(([name, dataset]) => [
          name,
          dataset.load === undefined ? dataset : { ...dataset, load: root(dataset.load) },
        ]),
      ),
    },
  ]);
  return { ...config, pools: Object.fromEntries(pools) };
}
