/** Columns that every table shares the shape of. */
import { bigint, customType, text, timestamp } from 'drizzle-orm/pg-core';
import type { PoolDefinition } from '../domain/types/pool.js';
import { completeDefinition } from '../domain/types/stored-definition.js';

/** Tenant and pool: they lead every primary key. */
export const scope = () => ({ tenant: text().notNull(), pool: text().notNull() });
export const at = () => timestamp({ withTimezone: true, mode: 'date' });
export const big = () => bigint({ mode: 'number' });

/** A definition as JSON. One that an older version stored is completed with the defaults of later keys as it is read. */
export const definition = customType<{ data: PoolDefinition; driverData: string }>({
  dataType: () => 'jsonb',
  toDriver: (value) => JSON.stringify(value),
  fromDriver: (stored: unknown) => completeDefinition(typeof stored === 'string' ? JSON.parse(stored) : stored),
});
