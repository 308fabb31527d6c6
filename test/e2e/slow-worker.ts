/** A worker in a process of its own: settings as JSON in argv[2]; with `"hold": true` its reads never end. Says what it does, a line each. */
import { startWorker } from '../../workers/worker.js';

const { hold, ...settings } = JSON.parse(process.argv[2]) as Parameters<typeof startWorker>[0] & { hold: boolean };
await startWorker(settings, {
  onError: (error) => process.stderr.write(`${error.message}\n`),
  replace: (deps) => ({
    ...deps,
    data: {
      ...deps.data,
      read: async (read, signal) => {
        const result = await deps.data.read(read, signal);
        process.stdout.write('reading\n');
        return hold ? new Promise(() => undefined) : result;
      },
    },
  }),
});
process.stdout.write('working\n');
