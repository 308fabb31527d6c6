/**
 * One series in use: every predictor runs beside the others on the same values, the champion speaks, and a challenger
 * takes its place only when it has been clearly better for long enough. Values that no model of the past explains are
 * scored, named and kept out of what is learned, unless they stay: then they are the new normal.
 */
import {
  createAccuracyMonitor,
  restoreAccuracyMonitor,
  type AccuracyReport,
  type AccuracySnapshot,
} from './accuracy-monitor.js';
import { createAnomalyDetector, restoreAnomalyDetector, type AnomalySnapshot } from './anomaly.js';
import type { AnomalySeverity } from './anomaly-actions.js';
import type { AnomalyType } from './anomaly-event.js';
import { isBetter, issue, JUDGED_LEVEL, learned, type Contender, type Issued } from './contender.js';
import { LED, LedRun, ledPredictor, type Leader } from './led-run.js';
import type { Predictor } from './predictor.js';
import type { SeriesForecast } from './series-forecaster.js';
import { detectSeasons } from './series-seasons.js';

/** A value farther outside the 95 % interval than that is wide: six standard deviations of a normal error. */
const FAR = 1;
/** An interval counts as at least this share of the forecast wide: a constant series may still change a little. */
const WIDTH_SHARE_MIN = 0.1;
/** So many surprises within the settling time are no outliers any more, in a row or one by one: they are learned. */
const HELD_STEPS_MAX = 3;
/** Seasons for which the phase of a surprise is remembered: when it comes again at that phase, it is a habit. */
const HABIT_SEASONS = 4;
/** Steps from one switch, or one look for better seasons, to the next: what the accuracy monitor looks back on. */
const SETTLE_STEPS = 100;
/** Values kept to learn a series again from: a fortnight of hours less a day. */
const RECENT_STEPS = 312;
/** A fresh start must be this much better on the newer half of them to be worth it, as for a challenger. */
const RETUNE_RATIO = 0.97;
/** Of what a run that follows a leader leaves behind. */
const LED_VERSION = 1;
/** Series that drift together are learned again one after the other, in this many steps. */
const RETUNE_PHASES = 8;

export interface TrackOptions {
  readonly series: string;
  readonly seasons: readonly number[];
  readonly stepMs: number;
  /** Alarms of the series in a week, at most. */
  readonly alarmsPerWeek: number;
  /** Snapshots of tracks of series that behave alike. */
  readonly similar: readonly TrackSnapshot[];
}

export interface TrackAlarm {
  readonly atMs: number;
  readonly value: number | null;
  readonly type: AnomalyType;
  readonly severity: AnomalySeverity;
  readonly action: string;
}
/** A change of who forecasts, or of how. */
export interface TrackChange {
  readonly atMs: number;
  readonly kind: 'switch' | 'retune';
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

interface RunState {
  readonly id: string;
  readonly version: number;
  readonly snapshot: unknown;
  readonly accuracy: AccuracySnapshot;
  readonly issued: Issued | null;
}
/** Plain JSON. */
export interface TrackSnapshot {
  readonly version: 1;
  readonly seasons: readonly number[];
  readonly champion: string;
  readonly runs: readonly RunState[];
  readonly settled: number;
  readonly steps: number;
  /** Steps whose values were kept out, ascending. */
  readonly heldAt: readonly number[];
  /** Seasons that were proposed last, and tried; absent: none. */
  readonly proposed?: readonly number[];
  readonly last: number | null;
  readonly recent: readonly (number | null)[];
  readonly anomaly: AnomalySnapshot;
}

export class SeriesTrack {
  readonly alarms: TrackAlarm[] = [];
  readonly changes: TrackChange[] = [];
  /** Steps whose value was kept out of what is learned. */
  withheld = 0;
  /** Values replayed for fresh starts: what tuning has cost. */
  tuned = 0;
  private recent: (number | null)[] = [];
  private settled = 0;
  private steps = 0;
  private heldAt: readonly number[] = [];
  private proposed: readonly number[] | undefined;
  private last: number | null = null;

  private constructor(
    private readonly predictors: readonly Predictor[],
    private readonly options: Pick<TrackOptions, 'series' | 'stepMs'>,
    private seasons: readonly number[],
    private readonly contenders: Contender[],
    private champion: Contender,
    private readonly detector: ReturnType<typeof createAnomalyDetector>,
  ) {}

  /** A series without a past. */
  static create(predictors: readonly Predictor[], options: TrackOptions): SeriesTrack {
    const { seasons, stepMs, alarmsPerWeek, similar } = options;
    const contenders = predictors.map((predictor): Contender => {
      const alike = similar.flatMap(({ runs }) =>
        runs.filter((run) => isOf(run, predictor)).map((run) => run.snapshot),
      );
      const run = predictor.create({ seasons, similar: alike });
      return { predictor, run, accuracy: createAccuracyMonitor(JUDGED_LEVEL), issued: null };
    });
    const detector = createAnomalyDetector({ maxPerWeek: alarmsPerWeek, stepSeconds: stepMs / 1000 });
    return new SeriesTrack(predictors, options, seasons, contenders, contenders[0], detector);
  }

  /**
   * The track that wrote the snapshot: it goes on identically. A predictor that is new, or of another version, learns
   * from the values kept; one that is gone steps down, and so does the one that follows another leader than this.
   */
  static restore(
    predictors: readonly Predictor[],
    options: Pick<TrackOptions, 'series' | 'stepMs'>,
    snapshot: TrackSnapshot,
    leader?: Leader,
  ): SeriesTrack {
    const contenders = predictors.map((predictor): Contender => {
      const state = snapshot.runs.find((run) => isOf(run, predictor));
      if (state === undefined) return learned(predictor, snapshot.seasons, snapshot.recent);
      return {
        predictor,
        run: predictor.restore(state.snapshot),
        accuracy: restoreAccuracyMonitor(state.accuracy),
        issued: state.issued,
      };
    });
    const state = snapshot.runs.find(({ id, version }) => id === LED && version === LED_VERSION);
    const led = state === undefined ? undefined : LedRun.restore(() => contenders[0].run, state.snapshot);
    if (led !== undefined && leader !== undefined && led.follows(leader))
      contenders.push({
        ...{ predictor: { id: LED, version: LED_VERSION }, run: led },
        ...{ accuracy: restoreAccuracyMonitor(state!.accuracy), issued: state!.issued },
      });
    const champion = contenders.find(({ predictor }) => predictor.id === snapshot.champion) ?? contenders[0];
    const detector = restoreAnomalyDetector(snapshot.anomaly);
    const track = new SeriesTrack(predictors, options, snapshot.seasons, contenders, champion, detector);
    track.recent = [...snapshot.recent];
    Object.assign(track, {
      settled: snapshot.settled,
      steps: snapshot.steps,
      heldAt: snapshot.heldAt,
      proposed: snapshot.proposed,
      last: snapshot.last,
    });
    return track;
  }

  /** Whether one of its predictors has learned from this leader. */
  isLedBy(leader: Leader): boolean {
    return this.led?.follows(leader) === true;
  }

  /** From now on a challenger follows this leader, whose newest `leads` stand beside the values kept. */
  follow(atMs: number, leader: Leader, leads: readonly (number | null)[]): void {
    const { contenders, recent, seasons } = this;
    const beside = recent.map((_, index) => leads.at(index - recent.length) ?? null);
    const predictor = ledPredictor(this.predictors[0], leader, recent, beside);
    const { accuracy, run } = learned(predictor, seasons, recent);
    this.tuned += recent.length;
    const led = run.led.over(() => contenders[0].run);
    contenders.push({ predictor: { id: LED, version: LED_VERSION }, run: led, accuracy, issued: issue(led) });
    if (this.settled >= SETTLE_STEPS) this.reconsider(atMs);
  }

  /** Seasons that were found in a longer past: tried once, kept where they forecast better. Gives whether they were new. */
  propose(atMs: number, seasons: readonly number[]): boolean {
    if (this.proposed?.join() === seasons.join() || this.champion.predictor.id === LED) return false;
    this.proposed = seasons;
    if (seasons.join() !== this.seasons.join()) this.learnAgain(atMs, [seasons]);
    return true;
  }

  /** One complete step; null: nothing was recorded. `lead`: what its leader did in it. */
  update(atMs: number, value: number | null, lead: number | null = null): void {
    const { isAnomaly, type, severity, action } = this.detector.update(atMs / 1000, value);
    if (isAnomaly) this.alarms.push({ atMs, value, type: type!, severity: severity!, action: action! });
    const outlier = value !== null && this.isFar(value) && !this.isHabit();
    if (outlier) this.holdBack();
    const usable = outlier ? null : value;
    this.steps++;
    this.settled++;
    if (this.led !== undefined) this.led.lead = lead;
    for (const contender of this.contenders) {
      if (contender.issued !== null && usable !== null && this.last !== null)
        contender.accuracy.observe({
          ...contender.issued,
          forecast: contender.issued.mean,
          naive: this.last,
          actual: usable,
        });
      contender.run.update(usable);
      contender.issued = issue(contender.run);
    }
    this.last = usable ?? this.last;
    this.recent.push(usable);
    if (this.recent.length > RECENT_STEPS) this.recent.shift();
    if (this.settled >= SETTLE_STEPS) this.reconsider(atMs);
  }

  forecast(horizon: number, levels: readonly number[]): SeriesForecast {
    return this.champion.run.forecast(horizon, levels);
  }

  /** The last values that were learned from, oldest first; null: missing, or kept out. */
  recentValues(): readonly (number | null)[] {
    return this.recent;
  }

  get championId(): string {
    return this.champion.predictor.id;
  }

  /** Rolling accuracy of every predictor on the same steps, the champion first. */
  accuracy(): readonly (AccuracyReport & { readonly predictor: string })[] {
    const rivals = this.contenders.filter((one) => one !== this.champion);
    return [this.champion, ...rivals].map(({ predictor, accuracy }) => ({
      predictor: predictor.id,
      ...accuracy.report(),
    }));
  }

  snapshot(): TrackSnapshot {
    const { seasons, settled, steps, heldAt, last, recent } = this;
    return {
      ...{
        version: 1,
        seasons,
        champion: this.champion.predictor.id,
        settled,
        steps,
        heldAt,
        last,
        recent: [...recent],
      },
      ...(this.proposed === undefined ? {} : { proposed: this.proposed }),
      runs: this.contenders.map(({ predictor: { id, version }, run, accuracy, issued }) => {
        return { id, version, snapshot: run.snapshot(), accuracy: accuracy.snapshot(), issued };
      }),
      anomaly: this.detector.snapshot(),
    };
  }

  private get led(): LedRun | undefined {
    const { run } = this.contenders[this.contenders.length - 1];
    return run instanceof LedRun ? run : undefined;
  }

  private isFar(value: number): boolean {
    const { issued, run } = this.champion;
    if (issued === null) return false;
    const { wideLower, wideUpper, mean } = issued;
    const width = Math.max(wideUpper - wideLower, WIDTH_SHARE_MIN * Math.abs(mean));
    const far = value > wideUpper + FAR * width || value < wideLower - FAR * width;
    return far && run.forecast(1, [JUDGED_LEVEL]).reliable;
  }

  /** Surprises as frequent as that, or at a phase of a season at which there was one, belong to the series. */
  private isHabit(): boolean {
    const { heldAt, steps, seasons } = this;
    if (heldAt.filter((step) => step > steps - SETTLE_STEPS).length >= HELD_STEPS_MAX) return true;
    return heldAt.some((step) => seasons.some((season) => (steps - step) % season === 0));
  }

  private holdBack(): void {
    const { heldAt, steps, seasons } = this;
    this.withheld++;
    const since = steps - Math.max(SETTLE_STEPS, HABIT_SEASONS * (seasons.at(-1) ?? 0));
    this.heldAt = [...heldAt.filter((step) => step > since), steps];
  }

  /** A better challenger takes over; without one, a champion that is wrong more than it was, or than the last value, is learned again. */
  private reconsider(atMs: number): void {
    const { champion } = this;
    const better = this.contenders
      .filter((one) => one !== champion && isBetter(one, champion))
      .sort((a, b) => a.accuracy.snapshot().error - b.accuracy.snapshot().error)
      .at(0);
    if (better !== undefined) {
      const [was, is] = [champion, better].map(({ accuracy }) => accuracy.snapshot().error);
      const reason = `mean error ${short(is)} against ${short(was)} over the last ${SETTLE_STEPS} steps`;
      this.changes.push({ atMs, kind: 'switch', from: champion.predictor.id, to: better.predictor.id, reason });
      this.champion = better;
      this.settle();
    } else if (
      champion.predictor.id !== LED &&
      ['retune', 'step-aside'].includes(champion.accuracy.report().advice) &&
      this.steps % RETUNE_PHASES === phaseOf(this.options.series)
    ) {
      this.retune(atMs);
    }
  }

  /** Learns the champion again from the values kept, with today's seasons and with those that they show. */
  private retune(atMs: number): void {
    const { recent, seasons } = this;
    const found = detectSeasons(recent.filter((value) => value !== null));
    this.learnAgain(atMs, found.length > 0 && found.join() !== seasons.join() ? [seasons, found] : [seasons]);
  }

  /** Learns the champion again with each choice of seasons; the best stays, where it is better than what there is. */
  private learnAgain(atMs: number, choices: readonly (readonly number[])[]): void {
    const { champion, recent } = this;
    const error = champion.accuracy.snapshot().error;
    const predictor = this.predictors.find((one) => one.id === champion.predictor.id)!;
    const fresh = choices.map((one) => ({ seasons: one, ...learned(predictor, one, recent) }));
    this.tuned += choices.length * recent.length;
    const best = fresh.sort((a, b) => a.accuracy.snapshot().error - b.accuracy.snapshot().error)[0];
    const bestError = best.accuracy.snapshot().error;
    if (bestError < RETUNE_RATIO * error) {
      const id = champion.predictor.id;
      const reason = `learned again from the last ${recent.length} steps with seasons ${best.seasons.join(', ') || 'none'}: mean error ${short(bestError)} against ${short(error)}`;
      this.changes.push({ atMs, kind: 'retune', from: id, to: id, reason });
      this.seasons = best.seasons;
      Object.assign(champion, { run: best.run, issued: best.issued });
    }
    champion.accuracy.acknowledge();
    this.settle();
  }

  private settle(): void {
    this.settled = 0;
  }
}

const short = (value: number): string => Number(value.toPrecision(3)).toString();

function isOf(run: RunState, { id, version }: Predictor): boolean {
  return run.id === id && run.version === version;
}

/** Which of the phases a series has: FNV-1a of its name (Fowler, Noll, Vo 1991), modulo. */
function phaseOf(series: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < series.length; i++) hash = Math.imul(hash ^ series.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % RETUNE_PHASES;
}
