import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Two projects: laws and kernels run side by side; tests that start servers run one file at a time.
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/{domain,cli,interfaces,docs}/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'servers',
          include: ['test/{workflows,activities,workers,db,e2e,replay}/**/*.test.ts'],
          fileParallelism: false,
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 120_000,
        },
      },
    ],
  },
});
