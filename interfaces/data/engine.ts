/**
 * The embedded analytical engine: one DuckDB instance per process with bounded threads, memory and connections.
 *
 * A connection is leased for one job and closed after it, which drops its temporary tables, so no job can see or
 * leak another's rows. An aborted signal interrupts the running statement and rejects with the signal's reason.
 */
import { DuckDBInstance, type DuckDBConnection, type DuckDBDataChunk, type DuckDBValue } from '@duckdb/node-api';
import { BalanceError } from '../../domain/types/errors.js';

export interface EngineOptions {
  /** Threads that scans share. Default 2. */
  readonly threads?: number;
  /** DuckDB's size text, for example `1GB`; beyond it temporary tables go to disk. Default `1GB`. */
  readonly memoryLimit?: string;
  /** Folder for what does not fit in memory. */
  readonly tempDir: string;
  /** Jobs at the same time; further ones wait in order. Default 4. */
  readonly connectionsMax?: number;
}

/** Pause between interrupts of a job whose signal was aborted. */
const INTERRUPT_EVERY_MS = 20;

/** A value of a result row as this data plane uses them. */
export type Cell = string | number | bigint | boolean | null;
export type ResultRow = Readonly<Record<string, Cell>>;

/** One leased connection. Values are always bound, never pasted into the statement. */
export interface Session {
  readonly connection: DuckDBConnection;
  readonly signal: AbortSignal;
  run(sql: string, values?: readonly DuckDBValue[]): Promise<void>;
  rows(sql: string, values?: readonly DuckDBValue[]): Promise<readonly ResultRow[]>;
  /** The result column by column, every value as the engine holds it: times in their unit, decimals unscaled. */
  columns(sql: string, values?: readonly DuckDBValue[]): Promise<readonly (readonly DuckDBValue[])[]>;
  /** The same, held by the engine and handed over in pieces of at most 2,048 rows: other work runs between them. */
  pieces(sql: string): Promise<Pieces>;
  /**
   * The result as it is computed, which goes on only as pieces are asked for: the engine is at most a buffer ahead (1 MB of
   * rows; of a file, a row group or 32 MB of text for each thread). On a connection of its own: it sees no temporary table,
   * and the session's is free meanwhile.
   */
  stream(sql: string, values?: readonly DuckDBValue[]): AsyncIterable<DuckDBDataChunk>;
}

export interface Pieces {
  /** Rows of all pieces. */
  readonly rows: number;
  /** The next piece, column by column; null after the last. */
  next(): Promise<readonly (readonly DuckDBValue[])[] | null>;
}

export interface Engine {
  /** Runs `job` on a connection of its own. Waits while all connections are taken. */
  session<T>(signal: AbortSignal, job: (session: Session) => Promise<T>): Promise<T>;
  close(): void;
}

/** `"name"` with quotes doubled: any text is a legal identifier. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `'text'` with quotes doubled; only for file paths of table functions and COPY, which take no bound values. */
export function quoteText(text: string): string {
  // The engine's parser ends at a zero byte.
  return text
    .split('\0')
    .map((part) => `'${part.replaceAll("'", "''")}'`)
    .join(' || chr(0) || ');
}

/** Opens the engine. Nothing is downloaded or loaded at run time: extensions that are not built in do not exist here. */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(options.threads ?? 2),
    memory_limit: options.memoryLimit ?? '1GB',
    temp_directory: options.tempDir,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    preserve_insertion_order: 'true',
  });
  const setup = await instance.connect();
  // All times are UTC: a text with an offset is converted, one without is taken as UTC.
  await setup.run("SET GLOBAL TimeZone = 'UTC'");
  setup.closeSync();
  const seats = seatQueue(options.connectionsMax ?? 4);
  return {
    async session(signal, job) {
      signal.throwIfAborted();
      const leave = await seats(signal);
      const connection = await instance.connect();
      // Asked again until the job ends: an interrupt that meets a statement still being planned has no effect.
      let asking: NodeJS.Timeout | undefined;
      const interrupt = (): void => {
        connection.interrupt();
        asking = setInterval(() => connection.interrupt(), INTERRUPT_EVERY_MS);
      };
      signal.addEventListener('abort', interrupt, { once: true });
      try {
        signal.throwIfAborted();
        return await job(sessionOn(connection, signal, () => instance.connect()));
      } finally {
        signal.removeEventListener('abort', interrupt);
        clearInterval(asking);
        connection.closeSync();
        leave();
      }
    },
    close: () => instance.closeSync(),
  };
}

function sessionOn(
  connection: DuckDBConnection,
  signal: AbortSignal,
  connect: () => Promise<DuckDBConnection>,
): Session {
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      throw engineError(error);
    }
  };
  return {
    connection,
    signal,
    run: (sql, values) =>
      guarded(async () => {
        await connection.run(sql, values && [...values]);
      }),
    rows: (sql, values) =>
      guarded(async () => {
        const reader = await connection.runAndReadAll(sql, values && [...values]);
        return reader.getRowObjectsJS() as ResultRow[];
      }),
    columns: (sql, values) =>
      guarded(async () => {
        const reader = await connection.runAndReadAll(sql, values && [...values]);
        // Without a row there is no chunk, and without a chunk no column.
        return reader.currentRowCount === 0 ? reader.columnNames().map(() => []) : reader.getColumns();
      }),
    pieces: (sql) =>
      guarded(async () => {
        const result = await connection.run(sql);
        return {
          rows: result.rowCount,
          next: () =>
            guarded(async () => {
              const chunk = await result.fetchChunk();
              return chunk === null || chunk.rowCount === 0 ? null : chunk.getColumns();
            }),
        };
      }),
    async *stream(sql, values) {
      const own = await connect();
      const interrupt = (): void => own.interrupt();
      signal.addEventListener('abort', interrupt);
      try {
        const result = await guarded(() => own.stream(sql, values && [...values]));
        for (;;) {
          const piece = await guarded(() => result.fetchChunk());
          if (piece === null || piece.rowCount === 0) return;
          yield piece;
        }
      } finally {
        signal.removeEventListener('abort', interrupt);
        own.closeSync();
      }
    },
  };
}

/** First-come-first-served seats; a waiter whose signal aborts leaves the queue. */
function seatQueue(seats: number): (signal: AbortSignal) => Promise<() => void> {
  let free = seats;
  const waiting: (() => void)[] = [];
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  };
  return (signal) =>
    new Promise((resolve, reject) => {
      if (free > 0) {
        free--;
        resolve(leave);
        return;
      }
      const enter = (): void => {
        signal.removeEventListener('abort', abandon);
        resolve(leave);
      };
      const abandon = (): void => {
        waiting.splice(waiting.indexOf(enter), 1);
        reject(signal.reason as Error);
      };
      waiting.push(enter);
      signal.addEventListener('abort', abandon, { once: true });
    });
}

/** What DuckDB's message classes mean to a user of a dataset; the rest is a fault of ours. */
const ENGINE_FAULTS: readonly [
  prefix: RegExp,
  kind: 'usage' | 'unreachable' | 'internal',
  type: string,
  hint: string,
][] = [
  [/^IO Error/, 'unreachable', 'UnreadableSource', 'Is the file there, complete and readable by this user?'],
  [
    /^(Invalid Input|Conversion|Serialization) Error/,
    'usage',
    'UnreadableSource',
    'Is the file of the declared format, with one type for each column?',
  ],
  [/^Out of Memory Error/, 'internal', 'OutOfMemory', 'Give the engine more memory or a temp folder with more space.'],
];

/** Maps a DuckDB error to the facts a user needs; anything else passes unchanged. */
export function engineError(error: unknown): Error {
  if (!(error instanceof Error) || error instanceof BalanceError) return error as Error;
  const message = error.message.split('\n', 1)[0];
  const fault = ENGINE_FAULTS.find(([prefix]) => prefix.test(message));
  if (fault === undefined) return error;
  const [, kind, type, hint] = fault;
  return new BalanceError(kind, { type, message, hint }, { cause: error });
}
