/** Whose turn it is to be looked at for patterns: series of which little is known hold nobody up. */
import { expect, test } from 'vitest';
import type { StageDependencies } from '../../activities/dependencies.js';
import { patternInputs } from '../../activities/pattern-inputs.js';
import type { CycleContext } from '../../activities/store-ports.js';
import type { KnownPatterns } from '../../domain/prediction/pattern-watch.js';

const HOUR = 3_600_000;

test('every series has its turn, however many were never asked, or are no more', async () => {
  const known = new Map<string, KnownPatterns>();
  const rich = ['y/events', 'z/events'];
  const names = [...Array.from({ length: 9 }, (_, index) => `a${index}/events`), ...rich];
  /** Steps of the last two days; `y` is asked no more after the first of these cycles. */
  const stepsBefore = (upToMs: number) => Array.from({ length: 60 }, (_, ago) => upToMs - ago * HOUR);
  let cycle = 0;
  const series = {
    patterns: () => Promise.resolve([...known.values()]),
    recordedSteps: (_ref: unknown, _fromMs: number, upToMs: number) => Promise.resolve(stepsBefore(upToMs)),
    recorded: (
      _ref: unknown,
      asks: readonly { metric: string; subject: string }[],
      _fromMs: number,
      upToMs: number,
    ) => {
      const values = stepsBefore(upToMs).map((atMs) => ({ atMs, value: 10 + ((atMs / HOUR) % 7) }));
      const asked = (subject: string) => subject === 'z/events' || (subject === 'y/events' && cycle < 4);
      return Promise.resolve(asks.map((ask) => ({ ...ask, values: asked(ask.subject) ? values : [] })));
    },
  };
  const deps = { series } as unknown as StageDependencies;
  const context = { definition: { models: {} } } as unknown as CycleContext;
  const looked: string[] = [];
  for (; cycle < 60; cycle++) {
    const found = await patternInputs(deps, context, names, { stepMs: HOUR, upToMs: (1_000 + cycle) * HOUR });
    for (const one of found.looked) known.set(one.series, one);
    looked.push(...found.inputs.looked);
  }
  // Each again after a day.
  for (const name of names) expect(looked.filter((one) => one === name).length).toBe(3);
  expect(known.get('z/events')!.behaviour.recent.count).toBeGreaterThan(0);
  expect(known.get('a0/events')).toMatchObject({ periods: [], related: [], tested: 0 });
});
