/** `.balance/endpoints.json`: where the servers of a running project are, for commands and clients. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { BalanceError } from '../../domain/types/errors.js';
import { stateDir } from './processes.js';

const endpointsSchema = z.object({
  /** The process that `balance up` is. */
  pid: z.int().positive(),
  /** ISO 8601, UTC. */
  startedAt: z.string(),
  temporalAddress: z.string(),
  temporalNamespace: z.string(),
  /** Absent when the Temporal server is not ours and its web page is unknown. */
  temporalUiUrl: z.string().optional(),
  /** Holds the password: the file has mode 0600. */
  databaseUrl: z.string(),
  /** Absolute path of the shared cache of deliveries. */
  cacheDir: z.string(),
  /** Absolute path of the project's state. */
  dataDir: z.string(),
});

/** What a command or client needs to reach a running project. */
export type Endpoints = Readonly<z.infer<typeof endpointsSchema>>;

function endpointsPath(projectDir: string): string {
  return join(stateDir(projectDir), 'endpoints.json');
}

/** Writes the endpoints whole or not at all, readable by this user only. */
export function writeEndpoints(projectDir: string, endpoints: Endpoints): void {
  const draft = `${endpointsPath(projectDir)}.new`;
  rmSync(draft, { force: true });
  writeFileSync(draft, JSON.stringify(endpoints, null, 2) + '\n', { mode: 0o600 });
  renameSync(draft, endpointsPath(projectDir));
}

/**
 * Reads the endpoints of a project; undefined when it does not run.
 * @throws BalanceError `BadEndpoints` when the file is there but is not what `balance up` writes.
 */
export function readEndpoints(projectDir: string): Endpoints | undefined {
  const path = endpointsPath(projectDir);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = endpointsSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BalanceError('usage', {
    type: 'BadEndpoints',
    message: `${path} cannot be read.`,
    expected: 'the JSON that `balance up` writes',
    got: value === undefined ? 'text that is not JSON' : z.prettifyError(parsed.error).replaceAll('\n', '; '),
    hint: 'Run `balance stop`, then `balance up`.',
  });
}

/** Removes the endpoints of a project that stopped. */
export function removeEndpoints(projectDir: string): void {
  rmSync(endpointsPath(projectDir), { force: true });
}
