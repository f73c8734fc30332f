/**
 * Stryker sets no timeout for a test. With one, a mutant that hangs is found in the first test, and not after all
 * tests.
 */
const TEST_TIMEOUT_MS = 12_000

export const mochaHooks = {
  beforeEach(this: Mocha.Context) {
    if (this.currentTest?.timeout() === 0) this.currentTest.timeout(TEST_TIMEOUT_MS)
  },
}
