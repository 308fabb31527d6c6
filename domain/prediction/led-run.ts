/** A predictor of one series that follows another: the series' own forecast, with what the leader adds to it. */
import { LeaderRegression, type LeaderSnapshot } from './leader-regression.js';
import type { Predictor, PredictorOptions, PredictorRun } from './predictor.js';
import type { SeriesForecast } from './series-forecaster.js';

/** Id of it among the predictors of a series. */
export const LED = 'leader';
/** Horizon of the own forecasts that it learns from. */
const OWN_STEPS = 4;

/** Which series another one follows, and how many steps later. */
export interface Leader {
  readonly series: string;
  readonly lagSteps: number;
}
interface LedState {
  readonly leader: Leader;
  readonly regression: LeaderSnapshot;
}

export class LedRun implements PredictorRun {
  /** What the leader did in the step that is learned next; null: unknown. */
  lead: number | null = null;

  /** @param own the predictor of the series itself, which has learned each value before this run does */
  constructor(
    private readonly own: () => PredictorRun,
    readonly leader: Leader,
    private readonly regression: LeaderRegression,
  ) {}

  static restore(own: () => PredictorRun, snapshot: unknown): LedRun {
    const { leader, regression } = snapshot as LedState;
    return new LedRun(own, leader, LeaderRegression.restore(regression));
  }

  /** The same, over another run of the series itself. */
  over(own: () => PredictorRun): LedRun {
    return new LedRun(own, this.leader, this.regression);
  }

  follows({ series, lagSteps }: Leader): boolean {
    return this.leader.series === series && this.leader.lagSteps === lagSteps;
  }

  update(value: number | null): void {
    this.regression.observe(value, this.lead, this.own().forecast(OWN_STEPS, []).mean);
  }

  forecast(horizon: number, levels: readonly number[]): SeriesForecast {
    const { series, lagSteps } = this.leader;
    const forecast = this.regression.forecast(this.own().forecast(horizon, levels));
    return { ...forecast, method: `following ${series} after ${lagSteps} ${lagSteps === 1 ? 'step' : 'steps'}` };
  }

  snapshot(): LedState {
    return { leader: this.leader, regression: this.regression.snapshot() };
  }
}

/** Whether a stored run, if it is one that follows a leader, follows this one. */
export function followsIn(
  { id, snapshot }: { readonly id: string; readonly snapshot: unknown },
  leader: Leader,
): boolean {
  const state = snapshot as LedState;
  return id === LED && state.leader.series === leader.series && state.leader.lagSteps === leader.lagSteps;
}

/** A predictor that learns a series together with its leader from the past of both; `leads` are aligned with the values. */
export function ledPredictor(
  own: Pick<Predictor, 'create'>,
  leader: Leader,
  values: readonly (number | null)[],
  leads: readonly (number | null)[],
): Pick<Predictor, 'id' | 'version'> & { readonly create: (options: PredictorOptions) => LearningRun } {
  const scales = [magnitude(values), magnitude(leads)] as const;
  return {
    ...{ id: LED, version: 1 },
    create: ({ seasons }) => {
      const base = own.create({ seasons, similar: [] });
      const led = new LedRun(() => base, leader, new LeaderRegression(leader.lagSteps, scales));
      let step = 0;
      return {
        led,
        update: (value) => {
          base.update(value);
          led.lead = leads[step++] ?? null;
          led.update(value);
        },
        forecast: (horizon, levels) => led.forecast(horizon, levels),
        snapshot: () => led.snapshot(),
      };
    },
  };
}
export interface LearningRun extends PredictorRun {
  readonly led: LedRun;
}

/** Mean magnitude of what is known; 1 where that is nothing but zeros. */
function magnitude(values: readonly (number | null)[]): number {
  const known = values.filter((value) => value !== null);
  const sum = known.reduce((all, value) => all + Math.abs(value), 0);
  return sum > 0 ? sum / known.length : 1;
}
