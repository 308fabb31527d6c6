import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatAge, parseDurationMs } from '../../../domain/types/units.js';

test.each([
  [0, '0ms'],
  [999, '999ms'],
  [1_000, '1s'],
  [1_001, '1.1s'],
  [59_500, '59.5s'],
  [60_000, '1m'],
  [60_001, '1m 1s'],
  [7_380_000, '2h 3m'],
  [7_199_999, '2h'],
  [86_400_000, '1d'],
  [86_400_001, '1d 1h'],
  [1_123_200_000, '13d'],
])('%i ms are %s', (ageMs, text) => {
  expect(formatAge(ageMs)).toBe(text);
});

test('an age that exceeds another by whatever never reads as less, and is told to within a twelfth', () => {
  fc.assert(
    fc.property(fc.nat(4e9), fc.nat(4e9), (one, other) => {
      const [less, more] = [Math.min(one, other), Math.max(one, other)];
      const told = (ms: number): number => parseDurationMs(formatAge(ms).replace(' ', ''));
      expect(told(less)).toBeLessThanOrEqual(told(more));
      expect(told(less)).toBeGreaterThanOrEqual(less);
      expect(told(less)).toBeLessThanOrEqual(less + Math.max(100, less / 12));
    }),
  );
});
