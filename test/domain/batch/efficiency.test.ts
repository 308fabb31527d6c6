import { describe, expect, it } from 'vitest';
import { batchEfficiency, totalEfficiency } from '../../../domain/batch/efficiency.js';

const volume = (operations: number, rows: number, bytes: number, ms: number) => ({ operations, rows, bytes, ms });
const record = {
  asked: [volume(1, 100, 1000, 8), volume(1, 60, 600, 6)],
  read: volume(1, 120, 1200, 10),
  predictedMs: 8,
  predictedBytes: 1600,
};

describe('efficiency', () => {
  it('is asked less read, and measured over predicted', () => {
    expect(batchEfficiency(record)).toEqual({
      members: 2,
      saved: volume(1, 40, 400, 4),
      savedShare: 0.25,
      msError: 0.25,
      bytesError: -0.25,
    });
  });
  it('shows a batch that cost more than it saved, and one without members', () => {
    expect(batchEfficiency({ ...record, asked: [volume(1, 60, 600, 6)] }).savedShare).toBe(-1);
    expect(batchEfficiency({ ...record, asked: [], predictedMs: null, predictedBytes: 0 })).toEqual({
      members: 0,
      saved: volume(-1, -120, -1200, -10),
      savedShare: 0,
      msError: null,
      bytesError: null,
    });
  });
  it('sums batches, and predictions only where there were any', () => {
    const total = totalEfficiency([record, { ...record, predictedMs: null, predictedBytes: 800 }]);
    expect(total).toMatchObject({
      members: 4,
      saved: volume(2, 80, 800, 8),
      savedShare: 0.25,
      msError: 0.25,
      bytesError: 0,
    });
    expect(totalEfficiency([])).toMatchObject({ members: 0, savedShare: 0, msError: null });
  });
});
