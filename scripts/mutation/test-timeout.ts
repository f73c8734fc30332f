/** Stryker gives tests no timeout of their own; with one, a mutant that hangs is found out in the first test, not after all. */
const TEST_TIMEOUT_MS = 12_000

export const mochaHooks = {
  beforeEach(this: Mocha.Context) {
    if (this.currentTest?.timeout() === 0) this.currentTest.timeout(TEST_TIMEOUT_MS)
  },
}
