/** What to do about each type of anomaly: the default advice shown to people and executed by the action executor. */
import type { AnomalyType } from './anomaly-event.js';

export type AnomalySeverity = 'low' | 'medium' | 'high';

/** Corrective action for each type; `missing` is a flatline whose values do not arrive at all. */
const ACTIONS: Readonly<Record<AnomalyType | 'missing', string>> = {
  spike: 'exclude the value from training, check the source for a burst or a double count',
  dip: 'exclude the value from training, check the source for lost or partial data',
  'level-shift': 'confirm the change with the source, then re-baseline forecasts and capacity to the new level',
  trend: 'raise the forecast horizon, re-plan capacity before the drift reaches its limit',
  variance: 'widen intervals and safety margins, look for a new mixture of clients or a failing sensor',
  flatline: 'check the sensor or collector for a stuck value, impute from the forecast meanwhile',
  missing: 'check the source and its transport, impute from the forecast, request the data again',
  'season-break': 'suspend the seasonal forecast, relearn the profile, check the calendar and schedules',
};

/** Advice for an anomaly type. */
export function suggestedAction(type: AnomalyType | 'missing'): string {
  return ACTIONS[type];
}

/** Severity from the surprise of the event in nats and the surprise that raises an alarm: 2 and 4 times as much. */
export function severityOf(surprise: number, alarmSurprise: number): AnomalySeverity {
  if (surprise >= 4 * alarmSurprise) return 'high';
  return surprise >= 2 * alarmSurprise ? 'medium' : 'low';
}
