/** Laws that every predictor of the registry keeps. */
import { expect, test } from 'vitest';
import { defaultPredictors } from '../../../domain/prediction/predictors.js';
import { describePredictor, learn, LEVELS } from './predictor-laws.js';

defaultPredictors.forEach((predictor) => describePredictor(predictor));

test('the seasonal naive repeats the longest season seen in full, before that the last value', () => {
  const naive = defaultPredictors.find(({ id }) => id === 'seasonal-naive')!;
  const wave = [1, 2, 3, 4, 5, 6];
  expect(learn(naive, wave.slice(0, 3), [6]).forecast(2, LEVELS).mean).toEqual([3, 3]);
  expect(learn(naive, [...wave, ...wave], [2, 6]).forecast(8, LEVELS).mean).toEqual([...wave, 1, 2]);
});
