/** `balance status`, `decisions`, `explain`: looking at what is and why. */
import type { Replayed } from '../../activities/replay.js';
import type { DecisionStore } from '../../db/decision-store.js';
import type { WarningRow } from '../../db/warning-store.js';
import type { Circuits } from '../../domain/decision/quality/circuit.js';
import type { PoolRef } from '../../domain/types/pool.js';
import { recordId } from '../../domain/types/record-id.js';
import { action, printJson, type RegisterCommand } from '../command.js';
import { withConnection, type ConnectionOptions } from '../connection-options.js';

/** Rows shown in lists. */
const LIMIT = 20;

export const registerLook: RegisterCommand = (program) => {
  withConnection(program.command('status [request]').description('pools, loops and newest requests; or one request'))
    .addHelpText('after', '\nExample:\n  balance status')
    .action(action(status));
  withConnection(program.command('decisions [id]').description('newest decisions; or one decision'))
    .addHelpText('after', '\nExample:\n  balance decisions --json')
    .action(action(decisions));
  withConnection(
    program.command('explain <id>').description('why: everything behind a decision, or what became of a request'),
  )
    .option('--verify', 'replay the stored inputs of every stage and compare the digests')
    .addHelpText(
      'after',
      '\nAnswers from Postgres alone. Exit code 3 when --verify finds a difference, or a stage that it cannot run again (one made by rules of an older version is none: it is named).\n\nExample:\n  balance explain 0b4e7d5c-… --verify',
    )
    .action(action(explain));
};

async function status(id: string | undefined, options: ConnectionOptions): Promise<number> {
  const { withClient, withDatabase } = await import('../connection.js');
  if (id !== undefined) {
    return withClient(options, async (client) => {
      const found = await client.status(id);
      if (options.json) printJson(found);
      else {
        const { reasonOf } = await import('../render.js');
        const { delivery } = found;
        const why = reasonOf(found.reason);
        process.stdout.write(
          `${found.state}${why === '' ? '' : `: ${why}`}\n${delivery === null ? '' : `${delivery.rows} rows, ${delivery.verdict}, ${delivery.path}\n`}`,
        );
      }
      return 0;
    });
  }
  return withClient(options, (client, pool) =>
    withDatabase(options, async (database) => {
      const { createRequestStore } = await import('../../db/request-store.js');
      const loop = await client.state();
      const requests = await createRequestStore(database.db).list(pool, LIMIT);
      const { listWarnings } = await import('../../db/warning-store.js');
      const warnings = await listWarnings(database.db, pool, LIMIT);
      const { learnedOf } = await import('../../db/learned-store.js');
      const { describeCircuit } = await import('../../domain/decision/quality/circuit.js');
      const circuits = Object.entries((await learnedOf(database.db, pool, 'circuit')) as Circuits).filter(
        ([, { failures }]) => failures > 0,
      );
      if (options.json) printJson({ ...pool, loop, warnings, circuits: Object.fromEntries(circuits), requests });
      else {
        const { table, reasonOf } = await import('../render.js');
        const doing = loop.paused
          ? `paused${loop.pauseReason === null ? '' : `: ${loop.pauseReason}`}`
          : loop.running === null
            ? loop.held === null
              ? 'idle'
              : `idle (${loop.held})`
            : `running ${loop.running.decisionId}`;
        process.stdout.write(`pool ${pool.pool}: ${doing}; ${loop.cycles} cycles, ${loop.queued.length} queued\n`);
        if (loop.last !== null)
          process.stdout.write(`last decision ${loop.last.decisionId}: ${loop.last.outcome}. ${loop.last.summary}\n`);
        if (warnings.length > 0) process.stdout.write(`warnings\n${warnings.map(warningLines).join('')}`);
        for (const [id, circuit] of circuits) process.stdout.write(`${describeCircuit(id, circuit, false)}\n`);
        if (requests.length > 0)
          process.stdout.write(
            table([
              ['REQUEST', 'MODEL', 'DATASET', 'STATE', 'WHY'],
              ...requests.map((one) => [
                one.id,
                one.model,
                one.dataset,
                one.state,
                one.state === 'claimed' ? '' : reasonOf(one.waiting),
              ]),
            ]),
          );
      }
      return 0;
    }),
  );
}

/** Sentences are too long for columns. */
function warningLines({ kind, subject, raisedMs, clearedMs, severity, message, action }: WarningRow): string {
  const at = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');
  const state = clearedMs === null ? 'open' : `cleared ${at(clearedMs)}`;
  const todo = action === 'none' ? '' : `    to do: ${action}\n`;
  return `  ${kind} ${subject}, ${severity}, since ${at(raisedMs)}, ${state}\n    ${message}\n${todo}`;
}

async function decisions(id: string | undefined, options: ConnectionOptions): Promise<number> {
  if (id !== undefined) return explain(id, options);
  const { resolvePool, withDatabase } = await import('../connection.js');
  return withDatabase(options, async (database) => {
    const { createDecisionStore } = await import('../../db/decision-store.js');
    const list = await createDecisionStore(database.db).listDecisions(await resolvePool(database, options), LIMIT);
    if (options.json) printJson(list);
    else {
      const { table } = await import('../render.js');
      process.stdout.write(
        table([
          ['CYCLE', 'DECISION', 'AS OF', 'TRIGGER', 'OUTCOME', 'RISK', 'SUMMARY'],
          ...list.map((one) => [
            String(one.cycle),
            one.id,
            new Date(one.asOfMs).toISOString(),
            one.trigger,
            one.outcome ?? 'open',
            one.risk ?? '-',
            one.summary ?? '',
          ]),
        ]),
      );
    }
    return 0;
  });
}

async function explain(id: string, options: ConnectionOptions & { readonly verify?: boolean }): Promise<number> {
  const { resolveEndpoints, resolvePool, withDatabase } = await import('../connection.js');
  recordId(id);
  const endpoints = resolveEndpoints(options);
  return withDatabase(options, async (database) => {
    const { createDecisionStore } = await import('../../db/decision-store.js');
    const { renderDecision, renderDetails } = await import('../render.js');
    const { renderRequest } = await import('../render-request.js');
    const store = createDecisionStore(database.db);
    const ref = await resolvePool(database, options);
    const found = await store.explain(ref, id);
    // A request is verified by the decision that ended it, or that it waits in.
    const decisionId = 'decision' in found ? found.decision.id : found.decisionId;
    const replayed = options.verify && decisionId !== null ? await verify(store, ref, decisionId) : null;
    if (options.json) printJson(replayed === null ? found : { ...found, replayed });
    else if ('decision' in found) {
      const ui = endpoints.temporalUiUrl === undefined ? {} : { uiUrl: endpoints.temporalUiUrl };
      process.stdout.write(
        renderDecision(found, { cacheDir: endpoints.cacheDir, namespace: endpoints.temporalNamespace, ...ui }) +
          renderDetails(found),
      );
    } else process.stdout.write(renderRequest(found, endpoints.cacheDir));
    if (options.json !== true && options.verify === true) {
      process.stdout.write(replayed === null ? 'Replay\n  no cycle has decided on it yet\n' : 'Replay\n');
      for (const one of replayed ?? []) process.stdout.write(`  ${one.stage}: ${describeReplayed(one)}\n`);
    }
    return replayed?.some(({ same, older }) => !same && older === undefined) ? 3 : 0;
  });
}

function describeReplayed({ same, older, failed }: Replayed): string {
  if (same) return 'replayed, same digest';
  if (older !== undefined)
    return `made by rules ${older.rules}, this program has rules ${older.now}: inputs and outcome have their digests, and cannot be replayed`;
  if (failed !== undefined) return `inputs and outcome have their digests, but CANNOT BE REPLAYED: ${failed}`;
  return 'replayed, ANOTHER digest';
}

async function verify(store: DecisionStore, ref: PoolRef, id: string): Promise<readonly Replayed[]> {
  const { replayDecision } = await import('../../activities/replay.js');
  const { loadPredictors } = await import('../../workers/predictor-plugins.js');
  const [stages, predictors] = await Promise.all([
    store.decisionStages(ref, id),
    loadPredictors(process.env, process.cwd()),
  ]);
  return replayDecision(stages, await store.decisionStates(ref, stages), undefined, predictors);
}
