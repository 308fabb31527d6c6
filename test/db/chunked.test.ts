import { expect, test } from 'vitest';
import { chunked } from '../../db/client.js';

test.each([0, 1, 6_500, 6_501, 10_000])(
  '%i rows of ten columns stay below the parameters of one statement, none is lost',
  (count) => {
    const rows = Array.from({ length: count }, (_, id) =>
      Object.fromEntries(Array.from({ length: 10 }, (_unused, column) => [`c${column}`, id])),
    );
    const chunks = chunked(rows);
    expect(chunks.flat()).toEqual(rows);
    for (const chunk of chunks) expect(chunk.length * 10).toBeLessThan(65_534);
  },
);
