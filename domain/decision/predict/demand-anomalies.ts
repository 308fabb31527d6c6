/** Demand that is not as it was: named and told once, within a bound a week; and asked for beyond all expectation, now. */
import type { ForecastUse } from '../forecast-use.js';
import type { SeriesInput, SeriesOutcome } from './series-outcome.js';
import type { OpenWarning, Warning } from './shortage.js';

/** Demand in the running step that is beyond the forecast's 99 % quantile and well beyond its band. */
export interface Surge {
  readonly series: string;
  /** Rows claimed now: newly asked, and left over from before. */
  readonly asked: number;
  /** The most that was to be expected of them: this much counts with the model's weight. */
  readonly upper: number;
}

/** Beyond the upper end by this share of it: less is within the noise of a quantile. */
const SURGE_MARGIN = 0.25;

/**
 * Series whose running step asks for clearly more than the highest quantile of a forecast that can be relied on. What
 * scarcity left of a surge goes on being one; what it left of usual demand was to be expected.
 */
export function demandSurges(inputs: readonly SeriesInput[], outcomes: readonly SeriesOutcome[]): Surge[] {
  return outcomes.flatMap(({ prediction: { series, reliable }, distribution }, index): Surge[] => {
    const { asked, backlog = { rows: 0, beyond: 0 } } = inputs[index];
    const usual = distribution.at(-1)!.values[0];
    const surges = reliable && series.includes('/') && usual > 0 && asked + backlog.beyond > (1 + SURGE_MARGIN) * usual;
    return surges ? [{ series, asked: asked + backlog.rows, upper: usual + backlog.rows - backlog.beyond }] : [];
  });
}

/** The forecasts of the running step that surges were measured by. */
export function surgeForecasts(
  inputs: readonly SeriesInput[],
  outcomes: readonly SeriesOutcome[],
  surges: readonly Surge[],
  stepMs: number,
): ForecastUse[] {
  const surging = new Set(surges.map(({ series }) => series));
  return outcomes.flatMap(({ prediction: { series }, distribution }, index): ForecastUse[] => {
    if (!surging.has(series)) return [];
    const { probability, values } = distribution.at(-1)!;
    const stepEndMs = inputs[index].upToMs + stepMs;
    return [{ what: 'surge', metric: 'demand', series, stepEndMs, quantile: probability, foreseen: values[0] }];
  });
}

const SEVERITIES = ['low', 'medium', 'high'] as const;

/**
 * New alarms become warnings, the most severe first and at most `left` of them; a warning is over when its series has
 * had a step without surprise since.
 */
export function warnAnomalies(
  inputs: readonly SeriesInput[],
  outcomes: readonly SeriesOutcome[],
  open: readonly OpenWarning[],
  asOfMs: number,
  left: number,
): { readonly warnings: Warning[]; readonly withheld: number } {
  const before = new Map(open.filter(({ kind }) => kind === 'anomaly').map((one) => [one.subject, one]));
  const alarmed = outcomes
    .flatMap(({ prediction: { series }, alarms }) => {
      const alarm = alarms.at(-1);
      return alarm === undefined || before.has(series) ? [] : [{ series, alarm }];
    })
    .sort(
      (a, b) =>
        SEVERITIES.indexOf(b.alarm.severity) - SEVERITIES.indexOf(a.alarm.severity) || (a.series < b.series ? -1 : 1),
    );
  const raised = alarmed.slice(0, Math.max(0, left)).map(({ series, alarm }): Warning => {
    const { type, severity, action, atMs, value } = alarm;
    const what = value === null ? 'no value' : `${Math.round(value)}`;
    const message = `${series}: ${type} in the step to ${new Date(atMs).toISOString()} (${what})`;
    return { kind: 'anomaly', subject: series, raisedMs: asOfMs, state: 'raised', severity, message, action };
  });
  const goneOn = outcomes.flatMap(({ prediction: { series }, alarms, outlying }, index): Warning[] => {
    const warned = before.get(series);
    if (warned === undefined) return [];
    const { seenUpToMs, upToMs } = inputs[index];
    const hasNew = seenUpToMs === null || upToMs > seenUpToMs;
    const over = hasNew && !outlying && alarms.length === 0;
    const message = over ? `${series} is as expected again` : `${series}: the anomaly goes on`;
    return [{ ...warned, state: over ? 'cleared' : 'still', severity: 'low', message, action: 'none' }];
  });
  const gone = [...before.values()]
    .filter(({ subject }) => !outcomes.some(({ prediction }) => prediction.series === subject))
    .map((one): Warning => {
      return {
        ...one,
        state: 'cleared',
        severity: 'low',
        message: `${one.subject} is no longer asked`,
        action: 'none',
      };
    });
  const warnings = [...raised, ...goneOn, ...gone].sort((a, b) => (a.subject < b.subject ? -1 : 1));
  return { warnings, withheld: alarmed.length - raised.length };
}
