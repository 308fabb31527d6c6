/** Loopback ports: the preferred one when it is free, another when it is not, and a line that says so. */
import { createServer } from 'node:net';

/** Takes one line about what is going on, for a person to read. */
export type Report = (line: string) => void;

/** The address every embedded server binds: nothing is reachable from outside the machine. */
export const LOOPBACK = '127.0.0.1';

/** Listens once on `port` (0: any free one) and lets go; the port that was bound, or undefined when it is taken. */
function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen({ host: LOOPBACK, port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}

/** A loopback port that nothing listens on now. Another process may still take it before it is used. */
export async function freePort(): Promise<number> {
  const port = await tryPort(0);
  if (port === undefined) throw new Error('no free loopback port');
  return port;
}

/** Whether nothing listens on a loopback port now. */
export async function isPortFree(port: number): Promise<boolean> {
  return (await tryPort(port)) !== undefined;
}

/**
 * Chooses a port for `what`: `preferred` when it is free, otherwise any free one, reported.
 * `preferred` 0 means any free one, without a word.
 */
export async function choosePort(what: string, preferred: number, report: Report): Promise<number> {
  if (preferred === 0) return freePort();
  if (await isPortFree(preferred)) return preferred;
  const port = await freePort();
  report(`port ${preferred} for ${what} is busy: taking ${port} instead`);
  return port;
}
