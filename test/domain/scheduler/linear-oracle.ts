/** HiGHS as an independent oracle: lexicographic max-min of a flat instance, and Pareto slack of any, by linear programs. */
import highsLoader, { type Highs } from 'highs';
import type { AllocationInstance } from '../../../domain/scheduler/resource-allocator.js';
import type { ScheduleInstance, ScheduleTask } from '../../../domain/scheduler/schedule-instance.js';

// The package is CommonJS: its default export is the loader itself, which its types do not say.
const highs = await (highsLoader as unknown as () => Promise<Highs>)();

/** Maximises `objective` subject to `rows` in CPLEX LP format; variables x0.. are at least 0. */
export function maximize(
  objective: string,
  rows: readonly string[],
  tail = '',
): { value: number; at: (name: string) => number } {
  const lp = `Maximize\n obj: ${objective}\nSubject To\n${rows.map((row, i) => ` r${i}: ${row}`).join('\n')}\n${tail}End\n`;
  const solution = highs.solve(lp, { primal_feasibility_tolerance: 1e-10, dual_feasibility_tolerance: 1e-10 });
  if (solution.Status !== 'Optimal') throw new Error(`oracle: ${solution.Status}\n${lp}`);
  const columns = solution.Columns as unknown as Record<string, { Primal: number }>;
  return { value: solution.ObjectiveValue, at: (name) => columns[name].Primal };
}

/** Capacity rows over variables x0.. (units of each model). */
function capacityRows({ resources, models }: AllocationInstance): string[] {
  return Object.entries(resources).flatMap(([name, capacity]) => {
    const terms = models.flatMap((model, i) =>
      (model.demand?.[name] ?? 0) > 0 ? [`${model.demand![name]} x${i}`] : [],
    );
    return terms.length === 0 ? [] : [`${terms.join(' + ')} <= ${capacity}`];
  });
}

/** Units of the lexicographic max-min of weighted dominant shares; all weights, demands and capacities above 0. */
export function lexicographicMaxMin(instance: AllocationInstance): number[] {
  const { models, resources } = instance;
  const share = models.map((model) =>
    Math.max(...Object.entries(model.demand ?? {}).map(([name, need]) => need / resources[name])),
  );
  const fixed: (number | undefined)[] = models.map(() => undefined);
  const units = () => models.map((_, i) => fixed[i] ?? 0);
  for (let round = 0; round <= models.length && fixed.includes(undefined); round++) {
    const rows = (level: string | number) =>
      models.map((model, i) => {
        const speed = (model.weight ?? 1) / share[i];
        if (fixed[i] !== undefined) return `x${i} = ${fixed[i]}`;
        return typeof level === 'string'
          ? `x${i} - ${speed} ${level} >= 0`
          : `x${i} >= ${Math.min(speed * level, model.cap ?? Infinity) * (1 - 1e-12)}`;
      });
    const caps = models.flatMap((model, i) => (model.cap == null ? [] : [`x${i} <= ${model.cap}`]));
    const base = capacityRows(instance);
    const { value: level } = maximize('t', [...base, ...caps, ...rows('t')]);
    for (const i of models.keys()) {
      if (fixed[i] !== undefined) continue;
      const own = ((models[i].weight ?? 1) / share[i]) * level;
      const most = maximize(`x${i}`, [...base, ...caps, ...rows(level)]).value;
      if (most <= own * (1 + 1e-9)) fixed[i] = own;
    }
  }
  return units();
}

/** Most that the units of all models could still grow in sum, none shrinking: 0 for a Pareto-efficient allocation. */
export function paretoSlack(instance: AllocationInstance, units: readonly number[]): number {
  const extra = instance.models.map((_, i) => i);
  const rows = Object.entries(instance.resources).flatMap(([name, capacity]) => {
    const users = extra.filter((i) => (instance.models[i].demand?.[name] ?? 0) > 0);
    const used = users.reduce((sum, i) => sum + units[i] * instance.models[i].demand![name], 0);
    return users.length === 0
      ? []
      : [
          `${users.map((i) => `${instance.models[i].demand![name]} x${i}`).join(' + ')} <= ${Math.max(0, capacity - used)}`,
        ];
  });
  const caps = extra.flatMap((i) =>
    instance.models[i].cap == null ? [] : [`x${i} <= ${Math.max(0, instance.models[i].cap - units[i])}`],
  );
  return maximize(extra.map((i) => `x${i}`).join(' + '), [...rows, ...caps]).value;
}

/** Least makespan of tasks with integer durations, precedence and capacities: the time-indexed mixed-integer programme. */
export function makespanByMilp({ capacity, tasks }: ScheduleInstance, horizon: number): number {
  const times = (task: ScheduleTask) => Array.from({ length: horizon - task.duration + 1 }, (_, t) => t);
  const at = (i: number, t: number) => `y${i}_${t}`;
  const rows: string[] = [];
  const startOf = (i: number, sign: '+' | '-') =>
    times(tasks[i])
      .filter((t) => t > 0)
      .map((t) => `${sign} ${t} ${at(i, t)}`)
      .join(' ');
  for (const [i, task] of tasks.entries()) {
    rows.push(
      `${times(task)
        .map((t) => at(i, t))
        .join(' + ')} = 1`,
      `m ${startOf(i, '-')} >= ${task.duration}`,
    );
    for (const need of new Set(task.after)) {
      const j = tasks.findIndex(({ id }) => id === need);
      rows.push(`${startOf(i, '+')} ${startOf(j, '-')} + 0 m >= ${tasks[j].duration}`);
    }
  }
  for (const [name, limit] of Object.entries(capacity)) {
    for (let now = 0; now < horizon; now++) {
      const running = tasks.flatMap((task, i) =>
        (task.demand?.[name] ?? 0) === 0
          ? []
          : times(task)
              .filter((t) => t <= now && now < t + task.duration)
              .map((t) => `${task.demand![name]} ${at(i, t)}`),
      );
      if (running.length > 0) rows.push(`${running.join(' + ')} <= ${limit}`);
    }
  }
  const binaries = tasks.flatMap((task, i) => times(task).map((t) => at(i, t)));
  return -maximize('- m', rows, `Binary\n ${binaries.join('\n ')}\n`).value;
}
