import { describe, expect, it } from 'vitest';
import type { NeedView } from '../../../domain/analyzers/analyzer.js';
import { judgeTexts, judgeVectors } from '../../../domain/analyzers/contents.js';
import { describeTexts, describeVectors } from '../../../domain/quality/content-profile.js';
import { randomFrom } from '../../../domain/quality/strategy-random.js';
import { measureTexts, mergeTexts, type TextState } from '../../../domain/quality/text-state.js';
import { measureVectors, mergeVectors } from '../../../domain/quality/vector-state.js';

const need = { id: 'n', model: 'm', dataset: 'd', fields: ['v'] } as unknown as NeedView;

/** Vectors at random; of each of them `copies` that are nearly it. */
function vectors(rows: number, seed: number, copies = 1): number[][] {
  const random = randomFrom(seed);
  const base = Array.from({ length: Math.ceil(rows / copies) }, () =>
    Array.from({ length: 32 }, () => 2 * random() - 1),
  );
  return Array.from({ length: rows }, (_, at) => base[Math.floor(at / copies)].map((x) => x + 0.01 * random()));
}

describe('vectors that came since the last profile', () => {
  const judge = (before: number[][], latest: number[][]) => {
    const parts = { before: measureVectors(before), latest: measureVectors(latest) };
    return judgeVectors(need, 'v', describeVectors(mergeVectors(parts.before, parts.latest), parts)!);
  };

  it('are told where they nearly repeat each other, with how many do', () => {
    expect(judge(vectors(800, 1), vectors(400, 2, 4))).toMatchObject([
      {
        kind: 'vectors',
        column: 'v',
        blocking: false,
        message: expect.stringContaining('nearly their direction') as string,
      },
    ]);
  });

  it.each([
    ['none do', 1, 1],
    ['those before do as well', 3, 3],
    ['fewer do', 3, 1],
  ])('are not where %s', (_name, before, latest) => {
    for (let seed = 1; seed <= 5; seed++)
      expect(judge(vectors(500, seed, before), vectors(200, seed + 100, latest))).toEqual([]);
  });
});

describe('texts that came since the last profile', () => {
  const state = (rows: number, seed: number, cut: number): TextState => {
    const random = randomFrom(seed);
    const texts = Array.from({ length: rows }, (_, at) =>
      `remark ${String(at).padStart(4, '0')} ${'of some more words '.repeat(1 + Math.floor(9 * random()))}`.slice(
        0,
        cut,
      ),
    );
    return measureTexts(
      0,
      texts.map((text) => [text.length, 1] as const),
      texts.map((text, at) => ({ digest: `${seed}${String(at).padStart(6, '0')}`, text, rows: 1 })),
    );
  };
  const judge = (before: TextState, latest: TextState) =>
    judgeTexts(need, 'v', describeTexts(mergeTexts(before, latest), { before, latest })!);

  it('are told where they are cut short', () => {
    expect(judge(state(2_000, 1, 500), state(300, 2, 60))).toMatchObject([
      { kind: 'texts', column: 'v', message: expect.stringContaining('not as long as those before') as string },
    ]);
  });

  it('are not where chance alone makes a difference', () => {
    let alarms = 0;
    for (let seed = 1; seed <= 20; seed++) alarms += judge(state(300, seed, 500), state(150, seed + 1_000, 500)).length;
    expect(alarms).toBe(0);
  });
});
