/** A definition that an older version stored lacks the keys that came later: they take their defaults when it is loaded. */
import { z } from 'zod';
import { poolSchema, type PoolDefinition } from './pool.js';

/**
 * The stored definition with every default that it lacks; what it has stays as it is, and unknown keys stay too.
 * It cannot be parsed again as a whole: durations, sizes and predicates are stored as parsed, not as written.
 */
export function completeDefinition(stored: unknown): PoolDefinition {
  return complete(poolSchema, stored) as PoolDefinition;
}

/** Walks schema and value together. An absent value becomes the schema's default, where it has one. */
function complete(schema: unknown, value: unknown): unknown {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return value === undefined ? schema.parse(undefined) : complete(schema.unwrap(), value);
  if (value === undefined || value === null) return value;
  if (schema instanceof z.ZodOptional) return complete(schema.unwrap(), value);
  if (schema instanceof z.ZodArray) return (value as unknown[]).map((item) => complete(schema.element, item));
  if (schema instanceof z.ZodRecord) return mapValues(value, (item) => complete(schema.valueType, item));
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const { kind } = value as { kind?: unknown };
    const option = schema.options.find((one) => one instanceof z.ZodObject && isKind(one, kind));
    return option === undefined ? value : complete(option, value);
  }
  if (!(schema instanceof z.ZodObject)) return value;
  const known = value as Record<string, unknown>;
  const completed: Record<string, unknown> = { ...known };
  for (const [key, of] of Object.entries(schema.shape)) {
    const item = complete(of, known[key]);
    if (item !== undefined) completed[key] = item;
  }
  return completed;
}

/** Every union of the schema is told apart by `kind`. */
function isKind(option: z.ZodObject, kind: unknown): boolean {
  return (option.shape.kind as z.ZodType).safeParse(kind).success;
}

function mapValues(value: object, each: (item: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, each(item)]));
}
