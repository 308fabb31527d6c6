/** Conformance kit: the laws that every column meter and every analyzer keeps. A plug-in's test calls one line. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnalysisSnapshot, Analyzer, ColumnMeter } from '../../../domain/analyzers/analyzer.js';

/** Registers the laws of a meter; `value` makes one cell of a column that the meter applies to. */
export function describeMeter<State>(meter: ColumnMeter<State>, value: fc.Arbitrary<unknown>): void {
  const batch = fc.array(fc.option(value, { freq: 5 }), { maxLength: 40 });
  const stateOf = (values: readonly unknown[]): State => meter.update(meter.empty(), values);
  const text = (state: State): string => meter.encode(state);

  describe(`meter ${meter.id} version ${meter.version}`, () => {
    it('merge is associative and commutative, and empty changes nothing', () => {
      fc.assert(
        fc.property(batch, batch, batch, (a, b, c) => {
          const [x, y, z] = [stateOf(a), stateOf(b), stateOf(c)];
          expect(text(meter.merge(meter.merge(x, y), z))).toBe(text(meter.merge(x, meter.merge(y, z))));
          expect(text(meter.merge(x, y))).toBe(text(meter.merge(y, x)));
          expect(text(meter.merge(x, meter.empty()))).toBe(text(x));
        }),
      );
    });
    it('a batch may be split anywhere and taken in any order', () => {
      fc.assert(
        fc.property(batch, fc.nat(40), (values, cut) => {
          const [head, tail] = [values.slice(0, cut), values.slice(cut)];
          expect(text(meter.merge(stateOf(head), stateOf(tail)))).toBe(text(stateOf(values)));
          expect(text(meter.update(stateOf(head), tail))).toBe(text(stateOf(values)));
          expect(text(stateOf([...values].reverse()))).toBe(text(stateOf(values)));
        }),
      );
    });
    it('a state survives its text, and the metric with it', () => {
      fc.assert(
        fc.property(batch, (values) => {
          const state = stateOf(values);
          const back = meter.decode(text(state));
          expect(text(back)).toBe(text(state));
          expect(meter.metric(back)).toEqual(meter.metric(state));
        }),
      );
    });
    it('no call changes its arguments', () => {
      fc.assert(
        fc.property(batch, batch, (a, b) => {
          const [x, y] = [stateOf(a), stateOf(b)];
          const before = [text(x), text(y)];
          meter.merge(x, y);
          meter.update(x, b);
          expect([text(x), text(y)]).toEqual(before);
        }),
      );
    });
    it('has a failure value for an empty state, and refuses text that it did not write', () => {
      expect(meter.metric(meter.empty())).toMatchObject({ ok: false });
      for (const wrong of ['', 'null', '{"rows":-1}', '[1]']) expect(() => meter.decode(wrong)).toThrow('not a state');
    });
  });
}

/** Checks an analyzer on given snapshots: pure, order of input irrelevant, severities in [0, 1], plain JSON. */
export function expectAnalyzerLaws(analyzer: Analyzer, snapshots: readonly AnalysisSnapshot[]): void {
  for (const snapshot of snapshots) {
    const before = JSON.stringify(snapshot);
    const outcome = analyzer.analyze(snapshot);
    expect(JSON.stringify(snapshot)).toBe(before);
    expect(analyzer.analyze(snapshot)).toEqual(outcome);
    expect(JSON.parse(JSON.stringify(outcome))).toEqual(outcome);
    const reversed = analyzer.analyze({
      ...snapshot,
      needs: [...snapshot.needs].reverse(),
      datasets: [...snapshot.datasets].reverse(),
      measurements: [...snapshot.measurements].reverse(),
    });
    if (!outcome.ok || !reversed.ok) {
      expect(reversed).toEqual(outcome);
      continue;
    }
    const texts = (list: readonly unknown[]): string[] => list.map((entry) => JSON.stringify(entry)).sort();
    expect(texts(reversed.findings)).toEqual(texts(outcome.findings));
    expect(texts(reversed.scores)).toEqual(texts(outcome.scores));
    const ids = new Set(snapshot.needs.map((need) => need.id));
    for (const finding of outcome.findings) {
      expect(ids.has(finding.needId)).toBe(true);
      expect(finding.severity).toBeGreaterThanOrEqual(0);
      expect(finding.severity).toBeLessThanOrEqual(1);
    }
    for (const score of outcome.scores) {
      expect(score.score).toBeGreaterThanOrEqual(0);
      expect(score.score).toBeLessThanOrEqual(1);
    }
  }
}
