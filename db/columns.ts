/** Columns that every table shares the shape of. */
import { bigint, text, timestamp } from 'drizzle-orm/pg-core';

/** Tenant and pool: they lead every key. */
export const scope = () => ({ tenant: text().notNull(), pool: text().notNull() });
export const at = () => timestamp({ withTimezone: true, mode: 'date' });
export const big = () => bigint({ mode: 'number' });
