import { defineConfig } from 'vitest/config';

/** Rooms whose tests start servers, or use those of the run. */
const SERVER_TESTS = ['test/{workflows,activities,workers,db,e2e,replay}/**/*.test.ts'];

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Two projects: laws and kernels run side by side; tests that start servers run one file at a time.
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: SERVER_TESTS } },
      {
        extends: true,
        test: {
          name: 'servers',
          include: SERVER_TESTS,
          fileParallelism: false,
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 120_000,
        },
      },
    ],
  },
});
