/** Decisions as text for a terminal. */
import type { Explanation, RequestExplanation } from '../db/decision-store.js';
import { presentShare } from '../domain/analyzers/quality.js';
import { waitsForMembers } from './render-request.js';
import { formatBytes, formatDuration } from '../domain/types/units.js';
import { CORRECTION_HEADER, correctionRows } from './render-correction.js';
import { effectLines, sharedLines, wayLines } from './render-effects.js';

/** Left-aligned columns, two spaces apart; the last one is not padded. */
export function table(rows: readonly (readonly string[])[], indent = '  '): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column].length))) ?? [];
  return rows
    .map(
      (row) =>
        indent +
        row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]))).join('  ') +
        '\n',
    )
    .join('');
}

/** Waiting requests listed in one explanation. */
const WAITS_SHOWN = 50;
/** Reads listed in one explanation. */
const READS_SHOWN = 50;

export interface RenderOptions {
  readonly cacheDir: string;
  readonly uiUrl?: string;
  readonly namespace: string;
}

/** A whole decision: what was out of balance, what was read for whom, who got what and why, where it is. */
export function renderDecision(explanation: Explanation, options: RenderOptions): string {
  const { decision, requests, waits, batches } = explanation;
  const delivered = requests.filter(({ delivery }) => delivery !== null);
  const others = requests.filter(({ delivery }) => delivery === null);
  const lines = [
    `Cycle ${decision.cycle}${askedBy(decision)} as of ${iso(decision.asOfMs)}: ${decision.outcome ?? 'open'}. ${decision.summary ?? ''}. ${riskOf(explanation)}\n`,
    aftermath(decision.outcome),
    section('Released', stageReasons(explanation, 'release')),
    section('Out of balance', unlessTold(explanation).slice(0, 8)),
    section('What the faults do to the models', firstOf(effectLines(explanation.effects), 12)),
    section(
      'Not profiled',
      Object.keys(explanation.unprofiled)
        .sort()
        .map((dataset) => `${dataset}: ${explanation.unprofiled[dataset]}`),
    ),
    section(
      'Warnings',
      explanation.warnings.map(
        ({ state, message, action }) => `${state}: ${message}${action === 'none' ? '' : `: ${action}`}`,
      ),
    ),
    section('Expected next', reliable(explanation)),
    section(
      'Batched',
      batches.map(({ requests: count, dataset, askedBytes, actualBytes }) => {
        const read = actualBytes === null ? 'not read' : `${formatBytes(actualBytes)} read`;
        if (count === 1) return `1 request on ${dataset}: ${read}`;
        // What was asked is an estimate: without a saving it says nothing beside what was read.
        const saving = (askedBytes ?? 0) - (actualBytes ?? 0);
        const [asked, saved] =
          actualBytes === null || saving <= 0
            ? ['', '']
            : [`${formatBytes(askedBytes!)} asked, `, `, ${formatBytes(saving)} saved`];
        return `${count} requests on ${dataset} as one read: ${asked}${read}${saved}`;
      }),
    ),
    section('Shared', sharing(explanation)),
    section('Read ahead', explanation.prefetches.map(prefetched)),
  ];
  if (delivered.length > 0) {
    lines.push(
      'Who got what\n',
      table([['NEED', 'ROWS', 'BYTES', 'VERDICT', 'SERVED', 'WHY'], ...delivered.map(deliveredRow)]),
    );
    lines.push(
      'Deliveries in ' + options.cacheDir + '\n',
      table(delivered.map(({ needId, id, delivery }) => [needId ?? id, delivery!.path])),
    );
  }
  if (others.length > 0)
    lines.push(
      'Not delivered\n',
      table(others.map(({ needId, id, state, why }) => [needId ?? id, state, reasonOf(why)])),
    );
  if (waits.length > 0) {
    const more = waits.length - WAITS_SHOWN;
    lines.push(
      'Waiting\n',
      table(waits.slice(0, WAITS_SHOWN).map((wait) => [wait.itemId, reasonOf(wait)])),
      more > 0 ? `  and ${more} more: balance status REQUEST tells why\n` : '',
    );
  }
  lines.push(`Decision      ${decision.id}   (balance explain ${decision.id})\n`);
  if (options.uiUrl !== undefined)
    lines.push(
      `Temporal      ${options.uiUrl}/namespaces/${options.namespace}/workflows/${encodeURIComponent(decision.workflowId)}/${decision.runId}\n`,
    );
  return lines.filter((line) => line !== '').join('');
}

/** Everything about one decision that the short form leaves out: stages with digests, forecasts, findings. */
export function renderDetails(explanation: Explanation): string {
  const { stages, forecasts, forecastsUsed, decision, requests, batches, profiles } = explanation;
  const lines = [
    'Stages\n',
    table([
      ['STAGE', 'STATE', 'TOOK', 'INPUTS', 'OUTCOME'],
      ...stages.map(({ stage, state, ms, inputDigest, outcomeDigest }) => [
        stage,
        state,
        formatDuration(ms),
        inputDigest.slice(0, 12),
        outcomeDigest.slice(0, 12),
      ]),
    ]),
    ...stages.flatMap(({ stage, reasons }) =>
      reasons.length === 0 ? [] : [`  ${stage}\n`, ...reasons.slice(0, 30).map((reason) => `    ${reason}\n`)],
    ),
  ];
  if (Object.keys(profiles).length > 0) lines.push('Profiles\n', table(profileRows(profiles)));
  const known = forecasts.filter(({ reliable }) => reliable);
  if (known.length > 0) {
    lines.push(
      'Forecasts\n',
      table([
        ['SERIES', 'FOR', 'MEAN', 'RANGE', 'METHOD', 'CAME'],
        ...known.map((one) => [
          one.series,
          iso(one.targetMs),
          one.mean.toFixed(0),
          `${one.lower.toFixed(0)} to ${one.upper.toFixed(0)}`,
          one.method,
          one.actual?.toFixed(0) ?? '-',
        ]),
      ]),
    );
  }
  if (forecastsUsed.length > 0) lines.push('Forecasts used\n', table(forecastUseRows(forecastsUsed)));
  if (batches.length > 0) lines.push('Reads\n', table(readRows(batches)));
  const findings = requests.flatMap(({ needId, id, delivery }) =>
    ((delivery?.report as { findings?: { severity: string; message: string }[] } | undefined)?.findings ?? []).map(
      ({ severity, message }) => [needId ?? id, severity, message],
    ),
  );
  if (findings.length > 0) lines.push('Quality findings\n', table(findings));
  lines.push(section('Done once for all', sharedLines(explanation.effects)));
  const ways = wayLines(explanation.effects);
  if (ways.length > 0) lines.push('What could be done\n', table(ways));
  const corrected = requests.flatMap(({ needId, id, delivery }) => correctionRows(needId ?? id, delivery?.report));
  if (corrected.length > 0) lines.push('Corrections\n', table([[...CORRECTION_HEADER], ...corrected]));
  lines.push(
    'Versions\n',
    table(Object.entries(decision.versions).map(([name, version]) => [name, version])),
    `  pool definition  ${decision.poolVersion}\n`,
    `  digest           ${decision.digest ?? '-'}\n`,
  );
  return lines.join('');
}

function forecastUseRows(used: Explanation['forecastsUsed']): string[][] {
  return [
    ['FOR', 'SERIES', 'STEP TO', 'QUANTILE', 'FORESEEN', 'CAME'],
    ...used.map(({ what, metric, series, summed, stepEndMs, quantile, foreseen, came }) => {
      const isBytes = metric === 'demand' && !series.includes('/');
      const amount = (value: number): string => (isBytes ? formatBytes(value) : `${value.toFixed(0)} rows`);
      return [
        what,
        // Rows to come are recorded by need and question.
        series.split('#')[0] + (summed ? ' (sum of the demand on it)' : ''),
        ...[iso(stepEndMs), `${Math.round(100 * quantile)} %`, amount(foreseen), came === null ? '-' : amount(came)],
      ];
    }),
  ];
}

/** One row for each profiled column; how much was read for it, and why all of it was, stands beside the first. */
function profileRows(profiles: Explanation['profiles']): string[][] {
  const number = (value: number | null): string => (value === null ? '-' : String(Number(value.toPrecision(4))));
  const rows = Object.entries(profiles).flatMap(([dataset, { rows: count, run, columns, vectors = {}, omitted }]) => {
    const read = `${run.rowsRead} rows read (${run.kind}${run.reason === null ? '' : `: ${run.reason}`})`;
    const named = [
      ...Object.entries(columns).map(([name, of]) => [
        ...[name, of.inferredType, percent(presentShare(of))],
        // The estimate of a sketch may exceed the rows that there are.
        ...[String(Math.min(of.distinct, of.rows)), number(of.min), number(of.median), number(of.max)],
      ]),
      ...Object.entries(vectors).map(([name, of]) => [
        ...[name, `${of.dimension} numbers`, percent(of.rows / count), '-'],
        ...[of.norms?.p05, of.norms?.p50, of.norms?.p95].map((norm) => (norm == null ? '-' : `norm ${number(norm)}`)),
      ]),
      ...omitted.map((name) => [name, 'no profile: too many distinct values, or no plain ones']),
    ];
    return named.map((cells, at) => (at === 0 ? [dataset, String(count), read, ...cells] : ['', '', '', ...cells]));
  });
  return [['DATASET', 'ROWS', 'PROFILED', 'COLUMN', 'TYPE', 'PRESENT', 'DISTINCT', 'MIN', 'MEDIAN', 'MAX'], ...rows];
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(2))} %`;
}

/** Each read: when it was to start, what was foreseen and what came of it, and what it saved against reads of their own. */
function readRows(batches: Explanation['batches']): string[][] {
  const of = (value: number | null | undefined, format: (known: number) => string): string =>
    value == null ? '-' : format(value);
  return [
    ['READ', 'SLICES', 'START', 'TOOK', 'FORESEEN', 'MEMORY', 'FORESEEN', 'SAVED'],
    ...batches
      .slice(0, READS_SHOWN)
      .map((one) => [
        one.dataset,
        String(one.requests),
        of(one.predictedStartMs, (ms) => `+${formatDuration(ms)}`),
        one.outlasted && one.actualMs === null ? (one.error ?? 'under way') : of(one.actualMs, formatDuration),
        of(one.predictedMs, formatDuration),
        of(one.actualMemoryBytes, formatBytes),
        of(one.predictedMemoryBytes, formatBytes),
        one.efficiency === null ? '-' : savedOf(one.efficiency.saved),
      ]),
  ];
}

function savedOf({
  operations,
  bytes,
  ms,
}: NonNullable<Explanation['batches'][number]['efficiency']>['saved']): string {
  return `${operations} reads, ${formatBytes(bytes)}, ${formatDuration(ms)}`;
}

export function reasonOf(why: unknown): string {
  const { reason, hint, earliestMs, tier, resource } = (why ?? {}) as {
    reason?: string;
    hint?: string;
    earliestMs?: number | null;
    tier?: string;
    resource?: string | null;
  };
  if (reason === undefined) return '';
  // What is asked wrongly is looked at again, and not served, until that is mended: its hint says how.
  const isTimed = earliestMs != null && tier !== 'misconfigured' && !waitsForMembers({ tier, resource });
  const when = isTimed ? `; earliest ${iso(earliestMs)}` : '';
  return `${tier === undefined ? '' : `${tier}: `}${reason}${when}${hint == null ? '' : ` (${hint})`}`;
}

/** Who asked for the cycle, where that says something. */
function askedBy({ trigger, scheduleId, nominalMs }: Explanation['decision']): string {
  if (scheduleId !== null)
    return ` (${trigger === 'backfill' ? 'backfill of ' : ''}schedule ${scheduleId}, run of ${iso(nominalMs!)})`;
  return trigger === 'backfill' ? ' (a time of the past)' : '';
}

/** What a cycle that did not decide anything means for those who waited for it. */
function aftermath(outcome: string | null): string {
  if (outcome === 'failed' || outcome === 'cancelled')
    return 'Nothing was handed out. Its requests went back to the queue and are tried again; its standing needs are due again in the next cycle.\n';
  return outcome === null ? 'It is still under way.\n' : '';
}

/** The risk of the decision, and what makes it one. */
function riskOf({ decision }: Explanation): string {
  const impact = (decision.impact ?? []) as readonly { model: string; risk: string; reasons: readonly string[] }[];
  const why = impact
    .filter(({ risk }) => risk === decision.risk && risk !== 'low')
    .map(({ model, reasons }) => `${model}: ${reasons[0] ?? ''}`);
  return `Risk ${decision.risk ?? 'unknown'}${why.length === 0 ? '' : ` (${why.join('; ')})`}.`;
}

function deliveredRow({ needId, id, delivery }: RequestExplanation): string[] {
  const { rows, bytes, verdict, served, report } = delivery!;
  const { grantReason, readReason, reason, corrections } = report as {
    grantReason?: string;
    readReason?: string;
    reason?: string;
    corrections?: string[];
  };
  const why = [
    grantReason ?? '',
    readReason ?? '',
    ...(corrections ?? []),
    ...(verdict === 'pass' ? [] : [reason ?? '']),
  ]
    .filter((part) => part !== '')
    .join('; ');
  return [needId ?? id, String(rows), formatBytes(bytes), verdict, served, why];
}

function stageReasons({ stages }: Explanation, stage: string): readonly string[] {
  return stages.find((one) => one.stage === stage)?.reasons ?? [];
}
/** What was out of balance, without what is told again as it hits the models. */
function unlessTold(explanation: Explanation): string[] {
  const told = new Set(explanation.effects?.faults.map(({ message }) => message));
  return stageReasons(explanation, 'analyze').filter((reason) => !told.has(reason));
}
/** The first lines, and how many more there are. */
function firstOf(lines: readonly string[], max: number): string[] {
  return lines.length <= max ? [...lines] : [...lines.slice(0, max), `and ${lines.length - max} more: --json has them`];
}
function reliable({ forecasts }: Explanation): string[] {
  const first = new Map<string, Explanation['forecasts'][number]>();
  for (const forecast of forecasts) if (!first.has(forecast.series)) first.set(forecast.series, forecast);
  const known = [...first.values()].filter((forecast) => forecast.reliable);
  const unknown = first.size - known.length;
  return [
    ...known.map(({ series, mean, lower, upper, method }) =>
      series.includes('/')
        ? `${series}: ${mean.toFixed(0)} rows (${lower.toFixed(0)} to ${upper.toFixed(0)}, ${method})`
        : `${series}: ${formatBytes(mean)} (${formatBytes(lower)} to ${formatBytes(upper)}, ${method})`,
    ),
    ...(unknown > 0 ? [`${unknown} other series: too little history to rely on`] : []),
  ];
}
function sharing(explanation: Explanation): string[] {
  return stageReasons(explanation, 'batch').filter((reason) => /^(\S+@\S+: Gets|cohort \S+: has) /.test(reason));
}
function prefetched({ model, dataset, bytes, probability, untilMs, came, served }: Explanation['prefetches'][number]) {
  const then =
    came === 'yes' ? `came; ${served} served from the cache` : came === 'no' ? 'did not come' : `until ${iso(untilMs)}`;
  return `${formatBytes(bytes)} of ${dataset} for ${model}: expected with at least ${Math.round(probability * 100)} % (${then})`;
}
function section(title: string, items: readonly string[]): string {
  return items.length === 0 ? '' : `${title}\n${items.map((item) => `  ${item}\n`).join('')}`;
}
function iso(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
