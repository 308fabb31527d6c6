import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { searchAttributes } from '../../workflows/contract.js';
import { startTimeSkipping } from '../support/servers.js';

/** A time-skipping server that knows the search attributes of the workflows: by itself it knows no other (2 = Keyword, 7 = KeywordList). */
export async function startWorkflowEnvironment(): Promise<TestWorkflowEnvironment> {
  const env = await startTimeSkipping();
  await env.connection.operatorService.addSearchAttributes({
    namespace: env.namespace,
    searchAttributes: Object.fromEntries(
      Object.values(searchAttributes).map(({ name }) => [name, name === searchAttributes.models.name ? 7 : 2]),
    ),
  });
  return env;
}
