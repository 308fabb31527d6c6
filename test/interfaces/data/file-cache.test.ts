import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileCache, type FileCache, type StoredFile } from '../../../interfaces/data/file-cache.js';

const folder = (): string => mkdtempSync(join(tmpdir(), 'balance-cache-'));
/** sha256 of `abc`: FIPS 180-2, appendix B.1. */
const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
/** Writes a file and waits until it is stored. */
async function store(cache: FileCache, write: (path: string) => Promise<void>): Promise<StoredFile> {
  return (await cache.write(write)).stored;
}
const later = Date.now() + 60_000;

describe('the shared cache', () => {
  it('names a file by its content, once, however many write it at the same time', async () => {
    const root = folder();
    const caches = [fileCache(root), fileCache(root)];
    const stored = await Promise.all(
      [0, 1, 2, 3].map((index) => store(caches[index % 2], (path) => writeFile(path, 'abc'))),
    );
    expect(stored).toEqual([0, 1, 2, 3].map(() => ({ digest: ABC, path: `ba/${ABC}.parquet`, fileBytes: 3 })));
    expect(readFileSync(join(root, stored[0].path), 'utf8')).toBe('abc');
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });

  it('stores content from memory as it stores a file, and makes the names of both last', async () => {
    const root = folder();
    const cache = fileCache(root);
    const stored = [await cache.store(Buffer.from('abc')), await store(cache, (path) => writeFile(path, 'other'))];
    expect(stored[0]).toEqual({ digest: ABC, path: `ba/${ABC}.parquet`, fileBytes: 3 });
    expect(readFileSync(join(root, stored[0].path), 'utf8')).toBe('abc');
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
    await cache.settle(stored);
    await expect(cache.settle([{ ...stored[0], path: 'no/file.parquet' }])).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('leaves nothing behind when content from memory cannot be stored', async () => {
    const root = folder();
    writeFileSync(join(root, 'ba'), 'a file where the folder should be');
    await expect(fileCache(root).store(Buffer.from('abc'))).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });

  it('leaves nothing behind when writing fails', async () => {
    const root = folder();
    const failing = store(fileCache(root), async (path) => {
      await writeFile(path, 'half');
      throw new Error('disk full');
    });
    await expect(failing).rejects.toThrow('disk full');
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });

  it('tells who waits that a written file could not be stored, and leaves nothing behind', async () => {
    const root = folder();
    writeFileSync(join(root, 'ba'), 'a file where the folder should be');
    const { stored } = await fileCache(root).write((path) => writeFile(path, 'abc'));
    await expect(stored).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
  });

  it('clears what a dead writer left an hour ago, and leaves a living one alone', async () => {
    const root = folder();
    mkdirSync(join(root, 'tmp'));
    for (const name of ['dead', 'living']) writeFileSync(join(root, 'tmp', name), '');
    const twoHoursAgo = Date.now() / 1000 - 7200;
    utimesSync(join(root, 'tmp/dead'), twoHoursAgo, twoHoursAgo);
    await store(fileCache(root), (path) => writeFile(path, 'abc'));
    expect(readdirSync(join(root, 'tmp'))).toEqual(['living']);
  });

  it('has a file only in its full size', async () => {
    const cache = fileCache(folder());
    const { path } = await store(cache, (temporary) => writeFile(temporary, 'abc'));
    expect(await Promise.all([cache.has(path, 3), cache.has(path, 4), cache.has('no/file.parquet', 3)])).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('removes old files, tolerates missing ones, keeps young ones and never leaves its root', async () => {
    const root = folder();
    const cache = fileCache(root);
    const { path } = await store(cache, (temporary) => writeFile(temporary, 'abc'));
    await cache.remove([path], Date.now() - 60_000);
    expect(existsSync(join(root, path))).toBe(true);
    await cache.remove([path, 'no/file.parquet'], later);
    expect(existsSync(join(root, path))).toBe(false);
    await expect(cache.remove(['../other'], later)).rejects.toMatchObject({ type: 'OutsideCache', kind: 'usage' });
    await expect(cache.has('/etc/hosts', 1)).rejects.toMatchObject({ type: 'OutsideCache' });
  });
});
