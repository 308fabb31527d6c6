/** Everything the worker bundles. */
export { balanceCycle } from './balance-cycle.js';
export { balanceLoop } from './balance-loop.js';
export { balanceBackfill } from './balance-backfill.js';
export { balanceTrigger } from './balance-trigger.js';
export { processBatch } from './process-batch.js';
