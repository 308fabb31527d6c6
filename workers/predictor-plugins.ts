/** Predictors from outside: modules that the operator names, beside those of the project. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Predictor } from '../domain/prediction/predictor.js';
import { defaultPredictors } from '../domain/prediction/predictors.js';
import { usageError } from '../domain/types/errors.js';

/** Paths of modules, separated by commas: each exports a predictor, or a list of them, as its default. */
export const PREDICTORS_VARIABLE = 'BALANCE_PREDICTORS';

/** The project's predictors, and those of the modules that the environment names; paths are relative to `baseDir`. */
export async function loadPredictors(
  env: Readonly<Record<string, string | undefined>>,
  baseDir: string,
): Promise<readonly Predictor[]> {
  const paths = (env[PREDICTORS_VARIABLE] ?? '').split(',').map((path) => path.trim());
  const predictors = [...defaultPredictors];
  for (const path of paths.filter((one) => one !== '')) {
    for (const found of await predictorsOf(resolve(baseDir, path))) {
      if (predictors.some(({ id }) => id === found.id)) throw invalid(path, `another predictor called ${found.id}`);
      predictors.push(found);
    }
  }
  return predictors;
}

async function predictorsOf(path: string): Promise<Predictor[]> {
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as typeof module;
  } catch (error) {
    throw invalid(path, (error as Error).message);
  }
  const found: unknown[] = Array.isArray(module.default) ? module.default : [module.default];
  for (const one of found) if (!isPredictor(one)) throw invalid(path, JSON.stringify(one) ?? 'no default export');
  return found as Predictor[];
}

function isPredictor(value: unknown): value is Predictor {
  const { id, version, create, restore } = (value ?? {}) as Partial<Record<keyof Predictor, unknown>>;
  const named = typeof id === 'string' && /^[a-z0-9][a-z0-9.-]*$/.test(id) && Number.isInteger(version);
  return named && typeof create === 'function' && typeof restore === 'function';
}

function invalid(path: string, got: string) {
  return usageError({
    type: 'InvalidPredictor',
    message: `${PREDICTORS_VARIABLE}: ${path} gives no predictor`,
    expected:
      'a module whose default export is { id, version, create, restore }, or a list of these, with ids of their own (docs/FORECASTING.md)',
    got,
  });
}
