/** Contract files: YAML or JSON (which YAML contains) in, a parsed contract out. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { parseContract, type QualityContract } from '../../domain/quality/contract.js';
import { usageError } from '../../domain/types/errors.js';

/**
 * Reads an ODCS 3.1 contract or its short form.
 *
 * @throws BalanceError `UnreadableFile` if the file or its YAML cannot be read, `InvalidContract` if it does not fit
 */
export function readContractFile(path: string): QualityContract {
  let input: unknown;
  try {
    input = parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw usageError({
      type: 'UnreadableFile',
      message: `cannot read the contract ${path}: ${(cause as Error).message}`,
      expected: 'a readable YAML or JSON file',
      got: path,
    });
  }
  return parseContract(input);
}
