/** Faults that the stages of the loop must name, in deliveries of a real table with nothing promised. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawPair, injectFault, newestTime, seededRandom, type FaultKind } from './faults.js';
import { openLoop, type LoopPast } from './loop.js';
import { REAL_TABLES } from './tables.js';

const SIZE = 1_000;
const { columns, read } = REAL_TABLES[1];
const table = read();
const loop = await openLoop();
afterAll(() => loop.close());

let past: LoopPast;
beforeAll(async () => {
  const deliveries = Array.from({ length: 20 }, (_, at) => drawPair(table, SIZE, seededRandom(100 + at))[0]);
  past = { ...(await loop.learn(deliveries, columns)), promised: {} };
});

test.each<[FaultKind, string, RegExp | null]>([
  ['none', 'pass', null],
  ['typos', 'degrade', /^drift Origin State$/],
  ['duplicates', 'degrade', /^unusual-duplicates /],
  ['late data', 'quarantine', /^stale /],
  ['vanished class', 'degrade', /^drift Wildlife Size$/],
  ['unit change', 'degrade', /^drift Speed IAS in knots$/],
])('%s: %s', async (kind, verdict, finding) => {
  const random = seededRandom(3);
  const sound = drawPair(table, SIZE, random)[1];
  const judged = await loop.judge(past, injectFault(kind, sound, columns, random), newestTime(sound, columns));
  expect(judged.verdict).toBe(verdict);
  const named = judged.findings.map((one) => `${one.kind} ${one.column ?? ''}`);
  if (finding === null) expect(named).toEqual([]);
  else expect(named).toContainEqual(expect.stringMatching(finding));
});
