import { describe, expect, it } from 'vitest';
import {
  nextReference,
  SETTLED_AFTER,
  type HandedOut,
  type NeedReference,
} from '../../../../domain/decision/quality/reference.js';

const sample = { rows: 10, columns: {} };
const handed = (more: Partial<HandedOut> = {}): HandedOut => ({
  ...{ asOfMs: 20, decisionId: 'new', question: 'q', verdict: 'pass', findings: [], sample, population: { a: 1 } },
  ...more,
});
const before: NeedReference = {
  ...{
    asOfMs: 10,
    decisionId: 'old',
    question: 'q',
    sample: { rows: 5, columns: {} },
    population: { a: 2 },
    settling: 0,
  },
};
const finding = (kind: string) => ({ kind, severity: 'degrade' as const, message: '', expected: '', got: '' });
const drifted = handed({ verdict: 'degrade', findings: [finding('drift')] });

describe('the reference of a need', () => {
  it('is the last delivery in good order', () => {
    expect(nextReference(null, handed())).toMatchObject({
      decisionId: 'new',
      sample,
      population: { a: 1 },
      settling: 0,
    });
    expect(nextReference(before, handed())).toMatchObject({ decisionId: 'new' });
  });
  it('is not one with a fault', () => {
    expect(nextReference(before, handed({ verdict: 'degrade', findings: [finding('missing-values')] }))).toBeNull();
    expect(
      nextReference(null, handed({ verdict: 'degrade', findings: [finding('volume'), finding('drift')] })),
    ).toBeNull();
  });
  it('keeps the columns of the last plain draw while draws are by class', () => {
    expect(nextReference(before, handed({ sample: null }))).toMatchObject({
      sample: before.sample,
      population: { a: 1 },
    });
  });
  it('moves on when drift alone lasts, and only then', () => {
    let reference = before;
    for (let time = 1; time < SETTLED_AFTER; time++) {
      reference = nextReference(reference, drifted)!;
      expect(reference).toMatchObject({ decisionId: 'old', settling: time });
    }
    expect(nextReference(reference, drifted)).toMatchObject({ decisionId: 'new', settling: 0 });
    expect(nextReference(reference, handed({ asOfMs: 21 }))).toMatchObject({ settling: 0 });
  });
  it('is not changed by an older delivery, and begins anew with another question', () => {
    expect(nextReference(before, handed({ asOfMs: 9 }))).toBeNull();
    expect(nextReference(before, handed({ question: 'other', sample: null }))).toMatchObject({ sample: null });
  });
});
