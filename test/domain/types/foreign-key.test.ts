import { describe, expect, it } from 'vitest';
import { parseForeignKey } from '../../../domain/types/foreign-key.js';

describe('parseForeignKey', () => {
  const cases: [string, object][] = [
    ['customer_id -> customers.id', { columns: ['customer_id'], dataset: 'customers', keys: ['id'] }],
    ['a->shop.eu.orders.no', { columns: ['a'], dataset: 'shop.eu.orders', keys: ['no'] }],
    ['shop , day -> openings( shop, date )', { columns: ['shop', 'day'], dataset: 'openings', keys: ['shop', 'date'] }],
    ['a -> orders(no.x)', { columns: ['a'], dataset: 'orders', keys: ['no.x'] }],
  ];
  it.each(cases)('reads %s', (text, parsed) => {
    const reference = parseForeignKey(text);
    expect(reference).toMatchObject(parsed);
    expect(parseForeignKey(reference.text)).toEqual(reference);
  });

  it.each(['', 'a', 'a -> b', 'a -> .id', '-> b.c', 'a, b -> c.d', 'a -> b(c, d)', 'a, -> b(c, d)', 'a -> b.c -> d.e'])(
    'refuses %j',
    (text) => {
      expect(() => parseForeignKey(text)).toThrow(
        expect.objectContaining({ kind: 'usage', type: 'InvalidReference', got: JSON.stringify(text) }),
      );
    },
  );
});
