import { describe, expect, it } from 'vitest';
import { planProfile, type ProfileBasis } from '../../../domain/quality/dataset-profile.js';

const kept: ProfileBasis = {
  ...{ contentId: 'one', upToMs: 100, parts: { 'a.csv': 'aa' }, fingerprint: '7', engine: 'e' },
  columns: { x: 'BIGINT' },
  event: { name: 'at', type: 'TIMESTAMP' },
};
const plain: ProfileBasis = { ...kept, upToMs: null, fingerprint: null, event: null };

describe('what a profile has to read', () => {
  const cases: [string, ProfileBasis | null, Partial<ProfileBasis>, object][] = [
    ['everything at first', null, {}, { kind: 'full', reason: 'it is the first profile' }],
    ['nothing of the same at the same time', kept, {}, { kind: 'unchanged' }],
    ['nothing of the same without a time', plain, { upToMs: null, event: null }, { kind: 'unchanged' }],
    ['what has arrived of the same content since', kept, { upToMs: 120 }, { kind: 'new-rows', afterMs: 100 }],
    ['everything for an earlier time', kept, { upToMs: 90 }, { kind: 'full' }],
    [
      'new files beside the known ones',
      kept,
      { contentId: 'two', upToMs: 120, parts: { 'a.csv': 'aa', 'b.csv': 'bb', 'c.csv': 'cc' } },
      { kind: 'new-files', files: ['b.csv', 'c.csv'], afterMs: 100 },
    ],
    [
      'what is proved to be new where a known file is another',
      kept,
      { contentId: 'two', parts: { 'a.csv': 'ab', 'b.csv': 'bb' } },
      { kind: 'prove', afterMs: 100 },
    ],
    [
      'everything where no time tells',
      plain,
      { contentId: 'two', upToMs: null, parts: {}, event: null },
      { kind: 'full' },
    ],
    [
      'everything for another column',
      kept,
      { columns: { x: 'BIGINT', y: 'DATE' } },
      { kind: 'full', reason: 'columns were not profiled so before: y' },
    ],
    ['everything for another type', kept, { columns: { x: 'VARCHAR' } }, { kind: 'full' }],
    ['everything for no event time', kept, { upToMs: null, event: null }, { kind: 'full' }],
    [
      'everything for another event time',
      kept,
      { upToMs: 120, event: { name: 'seen', type: 'TIMESTAMP' } },
      { kind: 'full', reason: 'its event time was at (TIMESTAMP) before, and is seen (TIMESTAMP) now' },
    ],
    [
      'everything for an event time of another type, whatever files came',
      kept,
      { contentId: 'two', parts: { 'a.csv': 'aa', 'b.csv': 'bb' }, event: { name: 'at', type: 'VARCHAR' } },
      { kind: 'full' },
    ],
    ['everything after another engine', kept, { engine: 'f' }, { kind: 'full' }],
  ];
  it.each(cases)('%s', (_, before, now, plan) => {
    expect(planProfile(before, { ...kept, ...now })).toMatchObject(plan);
  });
});
