/** `balance run`, `request`, `cancel`, `pause`, `resume`: asking for work. */
import { InvalidArgumentError, Option } from 'commander';
import { EXIT_CODES, usageError } from '../../domain/types/errors.js';
import { formatDuration, parseDurationMs } from '../../domain/types/units.js';
import { action, printJson, type RegisterCommand } from '../command.js';
import { withConnection, type ConnectionOptions } from '../connection-options.js';

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new InvalidArgumentError(`expected a whole number, got ${JSON.stringify(text)}`);
  return value;
};
const durationMs = (text: string): number => {
  try {
    return parseDurationMs(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message + ': expected 250ms, 30s, 15m, 6h, 2d');
  }
};
const timeout = (ms: number): Option =>
  new Option('--timeout <duration>', 'how long to wait').argParser(durationMs).default(ms, formatDuration(ms));
/** `a, "b, c"` names the columns `a` and `b, c`, quoted as in a predicate. */
export const fieldsOf = (text: string): string[] =>
  (text.match(/(?:"(?:[^"]|"")*"|[^,])+/g) ?? []).map((part) => {
    const name = part.trim();
    return /^"(?:[^"]|"")+"$/.test(name) ? name.slice(1, -1).replaceAll('""', '"') : name;
  });
/** An instant, or a duration from now. */
const instant = (text: string): Date => {
  const ms = /^\d+(\.\d+)?(ms|s|m|h|d|w)/.test(text) ? Date.now() + durationMs(text) : Date.parse(text);
  if (Number.isNaN(ms))
    throw new InvalidArgumentError(`expected a time in ISO 8601 or a duration from now, got ${JSON.stringify(text)}`);
  return new Date(ms);
};

interface RunOptions extends ConnectionOptions {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly asOf?: Date;
}
interface RequestOptions extends ConnectionOptions {
  readonly fields: string;
  readonly where?: string;
  readonly rows?: number;
  readonly seed?: number;
  readonly maxAge?: number;
  readonly deadline?: Date;
  readonly priority?: number;
  readonly datasetVersion?: string;
  readonly key?: string;
  readonly gang?: string;
  readonly gangSize?: number;
  readonly wait?: boolean;
  readonly timeout: number;
}

export const registerWork: RegisterCommand = (program) => {
  withConnection(program.command('run').description('ask for a cycle now'))
    .option('--wait', 'wait until its decision is closed')
    .addOption(timeout(300_000))
    .option('--as-of <time>', "event time to decide for, instead of the pool's clock", instant)
    .addHelpText('after', '\nExample:\n  balance run --wait')
    .action(action(run));
  withConnection(program.command('request <model> <dataset>').description('ask for data once'))
    .requiredOption('--fields <a,b>', 'columns, separated by commas; one with a comma in its name is "quoted"')
    .option(
      '--where <expr>',
      'AND of = != < <= > >= IN BETWEEN IS [NOT] NULL, for example "origin = \'SEA\' AND delay > 15"',
    )
    .option('--rows <n>', 'at most so many rows, picked by a hash of row and seed', whole)
    .option('--seed <s>', 'another seed picks other rows', whole)
    .option('--max-age <duration>', 'a result this old is good enough', durationMs)
    .option('--deadline <time>', 'ISO 8601, or a duration from now', instant)
    .option('--priority <1-5>', "1 is the most urgent (default: the model's)", whole)
    .option('--dataset-version <version>', 'pin a dataset version')
    .option('--key <key>', 'the same key is the same request, however often it is sent')
    .option('--gang <name>', 'served together with the other requests of this gang of the model, or not at all')
    .option('--gang-size <n>', 'how many requests the gang has', whole)
    .option('--wait', 'wait for the delivery')
    .addOption(timeout(60_000))
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 2 usage, 3 refused or quarantined, 4 wait timed out, 5 unreachable, 130 interrupted.\n\nExample:\n  balance request route-planner flights --fields origin,destination,distance --where "origin = \'SEA\'" --rows 1000 --wait',
    )
    .action(action(request));
  withConnection(program.command('cancel <request>').description('cancel a request that is not delivered yet'))
    .addHelpText('after', '\nExample:\n  balance cancel 0b4e7d5c-…')
    .action(action(cancel));
  withConnection(program.command('pause').description('run no further cycles of the pool'))
    .option('--reason <text>', 'told to whoever asks meanwhile')
    .addHelpText('after', '\nExample:\n  balance pause --reason "the lake is being moved"')
    .action(action((options: ConnectionOptions & { readonly reason?: string }) => change(options, 'paused')));
  withConnection(program.command('resume').description('run cycles again'))
    .addHelpText('after', '\nExample:\n  balance resume')
    .action(action((options: ConnectionOptions) => change(options, 'resumed')));
};

async function run(options: RunOptions): Promise<number> {
  const { withClient, withDatabase, resolveEndpoints } = await import('../connection.js');
  const { followDecision } = await import('../progress.js');
  const endpoints = resolveEndpoints(options);
  return withClient(options, async (client, pool) => {
    const { decisionId, cycleWorkflowId } = await client.balanceNow({ asOfMs: options.asOf?.getTime() ?? null });
    const url =
      endpoints.temporalUiUrl === undefined
        ? null
        : `${endpoints.temporalUiUrl}/namespaces/${endpoints.temporalNamespace}/workflows/${encodeURIComponent(cycleWorkflowId)}`;
    if (options.wait !== true) {
      if (options.json) printJson({ decisionId, workflowId: cycleWorkflowId, url });
      else process.stdout.write(`decision ${decisionId}\n${url === null ? '' : `${url}\n`}`);
      return 0;
    }
    return withDatabase(options, async (database) => {
      const closed = await followDecision(database, pool, decisionId, {
        timeoutMs: options.timeout,
        quiet: options.json === true,
        signal: interrupt(),
      });
      const explanation = await client.explain(decisionId);
      if (options.json) printJson(explanation);
      else {
        const { renderDecision } = await import('../render.js');
        process.stdout.write(
          renderDecision(explanation as never, {
            cacheDir: endpoints.cacheDir,
            namespace: endpoints.temporalNamespace,
            ...(endpoints.temporalUiUrl === undefined ? {} : { uiUrl: endpoints.temporalUiUrl }),
          }),
        );
      }
      return closed.outcome === 'failed'
        ? EXIT_CODES.internal
        : closed.outcome === 'rejected' || closed.outcome === 'cancelled'
          ? EXIT_CODES.refused
          : 0;
    });
  });
}

async function request(model: string, dataset: string, options: RequestOptions): Promise<number> {
  if ((options.gang === undefined) !== (options.gangSize === undefined)) {
    const got = options.gang === undefined ? 'only --gang-size' : 'only --gang';
    throw usageError({
      type: 'InvalidRequest',
      message: 'a gang has a name and a size',
      expected: '--gang and --gang-size together',
      got,
    });
  }
  const { withClient } = await import('../connection.js');
  return withClient(options, async (client) => {
    const { id, created } = await client.request({
      model,
      dataset,
      fields: fieldsOf(options.fields),
      ...(options.where === undefined ? {} : { where: options.where }),
      ...(options.rows === undefined ? {} : { rows: options.rows }),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      ...(options.maxAge === undefined ? {} : { maxAgeMs: options.maxAge }),
      ...(options.deadline === undefined ? {} : { deadline: options.deadline }),
      ...(options.priority === undefined ? {} : { priority: options.priority }),
      ...(options.datasetVersion === undefined ? {} : { version: options.datasetVersion }),
      ...(options.key === undefined ? {} : { key: options.key }),
      ...(options.gang === undefined ? {} : { gang: { name: options.gang, size: options.gangSize! } }),
    });
    if (options.wait !== true) {
      if (options.json) printJson({ id, created });
      else process.stdout.write(`request ${id}${created ? '' : ' (known by its key)'}\n`);
      return 0;
    }
    // Before it is told: from then on, somebody may interrupt it.
    const signal = interrupt();
    if (!options.json) process.stderr.write(`request ${id}\n`);
    const delivery = await client.waitForDelivery(id, { timeoutMs: options.timeout, signal });
    if (options.json) printJson({ id, created, delivery });
    else
      process.stdout.write(
        `${delivery.rows} rows, ${delivery.verdict} (${delivery.score.toFixed(2)}), ${delivery.served}\n${delivery.path}\ndecision ${delivery.decisionId}\n`,
      );
    return 0;
  });
}

const CANCELLED: Readonly<Record<string, string>> = {
  cancelled: 'cancelled\n',
  claimed: 'the running cycle will drop it\n',
};

async function cancel(id: string, options: ConnectionOptions): Promise<number> {
  const { withClient } = await import('../connection.js');
  return withClient(options, async (client) => {
    const state = await client.cancel(id);
    if (options.json) printJson({ id, state });
    else process.stdout.write(CANCELLED[state] ?? `nothing to cancel: it is ${state} already\n`);
    return state === 'cancelled' || state === 'claimed' ? 0 : EXIT_CODES.refused;
  });
}

async function change(
  options: ConnectionOptions & { readonly reason?: string },
  to: 'paused' | 'resumed',
): Promise<number> {
  const { withClient } = await import('../connection.js');
  return withClient(options, async (client, { pool }) => {
    await (to === 'paused' ? client.pause(options.reason) : client.resume());
    if (options.json) printJson({ pool, state: to });
    else process.stdout.write(`pool ${pool} ${to}\n`);
    return 0;
  });
}

/** Ctrl-C ends the wait with exit code 130; what was asked for goes on. */
function interrupt(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  process.once('SIGTERM', () => controller.abort());
  return controller.signal;
}
