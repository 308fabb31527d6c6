/**
 * The shared cache of results: immutable Parquet files named by the sha256 of their content.
 *
 * A file is written under `tmp/`, synced, hashed and renamed into place, so a reader sees all of it or nothing, and
 * two writers of the same content agree on the name whoever comes last.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import type { CacheFiles } from '../../activities/ports.js';
import { usageError } from '../../domain/types/errors.js';

/** A temporary file older than this has lost its writer: no write takes an hour. */
const ORPHAN_AGE_MS = 3_600_000;

export interface StoredFile {
  readonly digest: string;
  /** Relative to the cache root: `ab/abcdef….parquet`. */
  readonly path: string;
  readonly fileBytes: number;
}

/** A file whose content is written, on its way into the cache. */
export interface Written {
  /** Settles when the content is on the disk under its name, or was removed because that failed. */
  readonly stored: Promise<StoredFile>;
}

export interface FileCache extends CacheFiles {
  /** Files older than `writtenBeforeMs` whose digest begins with this hex digit, a folder of the cache at a time. */
  older(digit: string, writtenBeforeMs: number): AsyncGenerator<readonly string[]>;
  /** Lets `write` fill a new file and resolves as soon as it is filled. Nothing is left behind on failure. */
  write(write: (temporaryPath: string) => Promise<void>): Promise<Written>;
  /** Stores a file whose content is in memory. */
  store(content: Uint8Array): Promise<StoredFile>;
  /** Makes the names of stored files durable, as their contents are: what is told after it survives a power failure. */
  settle(files: readonly StoredFile[]): Promise<void>;
}

/** sha256 of a file's content in hex. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** The absolute path of a file of the cache in `root`. @throws `OutsideCache` for one that would lie elsewhere */
export function insideCache(root: string, path: string): string {
  const absolute = resolve(root, path);
  if (absolute.startsWith(resolve(root) + sep)) return absolute;
  throw usageError({
    type: 'OutsideCache',
    message: 'a cache path must stay inside the cache',
    expected: 'ab/abcdef….parquet',
    got: path,
  });
}

/** The cache in `root`. The first write makes the folder when it is absent and clears what dead writers left. */
export function fileCache(root: string): FileCache {
  const temporary = join(root, 'tmp');
  let prepared: Promise<void> | undefined;
  const located = (path: string): string => insideCache(root, path);
  const newPath = async (): Promise<string> => {
    await (prepared ??= prepare(temporary));
    return join(temporary, `${randomUUID()}.parquet`);
  };
  return {
    async write(write) {
      const temporaryPath = await newPath();
      await cleaned(temporaryPath, write(temporaryPath));
      const stored = cleaned(
        temporaryPath,
        syncToDisk(temporaryPath).then(async (fileBytes) => {
          return intoPlace(root, temporaryPath, await fileDigest(temporaryPath), fileBytes);
        }),
      );
      // Whoever waits sees the failure; a reader that has failed before it waits must not end the process.
      stored.catch(() => undefined);
      return { stored };
    },
    async store(content) {
      const temporaryPath = await newPath();
      const digest = createHash('sha256').update(content).digest('hex');
      return cleaned(
        temporaryPath,
        writeFile(temporaryPath, content, { flush: true }).then(() =>
          intoPlace(root, temporaryPath, digest, content.length),
        ),
      );
    },
    async settle(files) {
      const folders = new Set(files.map(({ path }) => dirname(join(root, path))));
      // A folder that is new is an entry of the root.
      if (folders.size > 0) folders.add(root);
      await Promise.all([...folders].map(syncFolder));
    },
    async has(path, fileBytes) {
      const found = await stat(located(path)).catch(() => null);
      return found !== null && found.isFile() && found.size === fileBytes;
    },
    async *older(digit, writtenBeforeMs) {
      const names = await readdir(root).catch(() => []);
      for (const name of names.filter((one) => /^[0-9a-f]{2}$/.test(one) && one.startsWith(digit)).sort()) {
        const paths: string[] = [];
        for (const file of (await readdir(join(root, name))).sort()) {
          const found = await stat(join(root, name, file)).catch(() => null);
          if (found !== null && found.isFile() && found.mtimeMs < writtenBeforeMs) paths.push(`${name}/${file}`);
        }
        if (paths.length > 0) yield paths;
      }
    },
    async remove(paths, writtenBeforeMs) {
      for (const path of paths) {
        const found = await stat(located(path)).catch(() => null);
        if (found !== null && found.mtimeMs < writtenBeforeMs) await rm(located(path), { force: true });
      }
    },
  };
}

/** Waits for a step of a file's way into the cache; one that fails leaves nothing behind. */
async function cleaned<T>(temporaryPath: string, step: Promise<T>): Promise<T> {
  try {
    return await step;
  } catch (error) {
    await rm(temporaryPath, { force: true });
    throw error;
  }
}

/** Gives a file that is on the disk its content's name. */
async function intoPlace(root: string, temporaryPath: string, digest: string, fileBytes: number): Promise<StoredFile> {
  const path = `${digest.slice(0, 2)}/${digest}.parquet`;
  const target = join(root, path);
  // The folder is there but for the first of its files.
  await rename(temporaryPath, target).catch(async () => {
    await mkdir(dirname(target), { recursive: true });
    await rename(temporaryPath, target);
  });
  return { digest, path, fileBytes };
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function syncToDisk(path: string): Promise<number> {
  const file = await open(path, 'r+');
  try {
    await file.datasync();
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

async function prepare(temporary: string): Promise<void> {
  await mkdir(temporary, { recursive: true });
  for (const name of await readdir(temporary)) {
    const path = join(temporary, name);
    const found = await stat(path).catch(() => null);
    if (found !== null && Date.now() - found.mtimeMs > ORPHAN_AGE_MS) await rm(path, { force: true });
  }
}
