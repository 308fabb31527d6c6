/**
 * The data plane over DuckDB: describes and measures datasets, counts arrivals, and reads once for many requesters.
 * Sources differ only in how they are opened and scanned; every statement here runs over a scan's neutral columns.
 */
import type {
  DataPlane,
  DatasetRef,
  DatasetState,
  MeasureAnswer,
  MeasureAsk,
  MergedRead,
} from '../../activities/ports.js';
import { keptProfile, profileDataset } from './dataset-profile.js';
import { datasetScope, type DatasetScope } from './dataset-scope.js';
import type { Engine, Session } from './engine.js';
import { fileCache, insideCache } from './file-cache.js';
import { filesSource } from './files-source.js';
import { arrivals, describe, measure } from './measure.js';
import { readMerged } from './merged-read.js';
import { countOrphans } from './orphans.js';
import { sampleDataset } from './dataset-sample.js';
import { postgresSource } from './postgres-source.js';
import type { DataSource, OpenDataset } from './source.js';

export interface DataPlaneOptions {
  readonly engine: Engine;
  /** Root of the shared cache. */
  readonly cacheDir: string;
  /** Variables for `${NAME}` in source URLs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder of balance.yaml. */
  readonly baseDir: string;
  /** Folder whose node_modules `package:` roots point into. */
  readonly projectRoot: string;
}

const scopeOf = (open: OpenDataset, { dataset, asOfMs }: MergedRead): DatasetScope =>
  datasetScope(open, dataset, asOfMs);

/** Descriptions, and answers to what was asked, that are kept in memory. */
const DESCRIPTIONS_MAX = 1_000;
const ANSWERS_MAX = 10_000;

/** Creates the data plane. It owns nothing that needs closing: the engine belongs to the caller. */
export function createDataPlane(options: DataPlaneOptions): DataPlane {
  const sources: Readonly<Record<string, DataSource>> = {
    files: filesSource(options),
    postgres: postgresSource(options),
  };
  const cache = fileCache(options.cacheDir);
  const descriptions = new Map<string, DatasetState>();
  const answers = new Map<string, MeasureAnswer>();
  const opened = <T>(
    dataset: DatasetRef,
    signal: AbortSignal,
    job: (open: OpenDataset, session: Session) => Promise<T>,
  ): Promise<T> =>
    options.engine.session(signal, async (session) => {
      const open = await sources[dataset.source.kind].open(dataset, session);
      try {
        const result = await job(open, session);
        await open.finish();
        return result;
      } catch (error) {
        await open.abandon();
        throw error;
      }
    });
  return {
    describe: (dataset, asOfMs, signal) =>
      opened(dataset, signal, async (open, session) => {
        const at = datasetScope(open, dataset, asOfMs); // Checked even where its content is known: promises change.
        const key = contentKey(open, dataset, asOfMs);
        if (descriptions.has(key)) return descriptions.get(key)!;
        const state = await describe(at, session);
        if (descriptions.size >= DESCRIPTIONS_MAX) descriptions.clear();
        descriptions.set(key, state);
        return state;
      }),
    measure: (dataset, asOfMs, asks, signal) =>
      asks.length === 0
        ? Promise.resolve([])
        : opened(dataset, signal, (open, session) =>
            measureFresh(datasetScope(open, dataset, asOfMs), asks, answers, session),
          ),
    profile: async (dataset, asOfMs, ask, signal) => {
      const { hashedBy } = sources[dataset.source.kind];
      const kept = await options.engine.session(signal, (session) =>
        keptProfile(dataset, hashedBy, asOfMs, ask, session),
      );
      return (
        kept ??
        opened(dataset, signal, (open, session) => profileDataset(datasetScope(open, dataset, asOfMs), ask, session))
      );
    },
    sample: (dataset, asOfMs, ask, signal) =>
      opened(dataset, signal, (open, session) => sampleDataset(datasetScope(open, dataset, asOfMs), ask, session)),
    arrivals: (dataset, asOfMs, asks, stepMs, steps, signal) =>
      opened(dataset, signal, (open, session) =>
        arrivals(datasetScope(open, dataset, asOfMs), asks, { stepMs, steps }, session),
      ),
    orphans: (dataset, asOfMs, asks, signal) =>
      opened(dataset, signal, async (open, session) => {
        const located = (path: string): string => insideCache(options.cacheDir, path);
        const answers = await countOrphans(datasetScope(open, dataset, asOfMs), asks, located, session);
        return { contentId: open.contentId, answers };
      }),
    read: (read, signal, joining, pace) =>
      opened(read.dataset, signal, (open, session) =>
        withMemory(session, () => readMerged(read, scopeOf(open, read), session, cache, joining, pace)),
      ),
  };
}

/** The answers, of which those that are known are not measured again. */
async function measureFresh(
  at: DatasetScope,
  asks: readonly MeasureAsk[],
  answers: Map<string, MeasureAnswer>,
  session: Session,
): Promise<readonly MeasureAnswer[]> {
  const content = contentKey(at.open, at.dataset, at.asOfMs);
  const keyOf = (ask: MeasureAsk): string => JSON.stringify([content, { ...ask, id: null }]);
  const fresh = asks.filter((ask) => !answers.has(keyOf(ask)));
  const known = new Map(asks.map((ask) => [ask.id, answers.get(keyOf(ask))]));
  const measured = fresh.length === 0 ? [] : await measure(at, fresh, session);
  if (answers.size + measured.length > ANSWERS_MAX) answers.clear();
  for (const [index, answer] of measured.entries()) {
    known.set(answer.id, answer);
    answers.set(keyOf(fresh[index]), answer);
  }
  return asks.map(({ id }) => ({ ...known.get(id)!, id }));
}

/** A result with the memory that the engine holds more at its end. */
async function withMemory<T>(session: Session, job: () => Promise<T>): Promise<T & { memoryBytes: number }> {
  const before = await memoryHeld(session);
  const result = await job();
  return { ...result, memoryBytes: Math.max(0, (await memoryHeld(session)) - before) };
}

/** What the engine holds now, the temporary tables of running sessions included. */
async function memoryHeld(session: Session): Promise<number> {
  const [row] = await session.rows('SELECT sum(memory_usage_bytes) AS held FROM duckdb_memory()');
  return Number(row.held);
}

/** What a question's answer depends on besides itself: the content, and the time when rows arrive over time. */
function contentKey(open: OpenDataset, dataset: DatasetRef, asOfMs: number): string {
  const { eventTime } = dataset.definition;
  return JSON.stringify([open.contentId, open.columns, ...(eventTime === undefined ? [] : [eventTime, asOfMs])]);
}
