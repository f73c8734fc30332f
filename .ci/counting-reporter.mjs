/** Mocha's spec reporter, which also appends this run's counts and failures as a line of JSON to the file TEST_COUNTS names. */
import { appendFileSync } from 'node:fs'
import Mocha from 'mocha'

export default class CountingReporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    const failed = []
    runner.on('fail', (test, error) => failed.push(`${test.fullTitle()}: ${error.message}`))
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats
      appendFileSync(process.env.TEST_COUNTS, `${JSON.stringify({ passes, failures, pending, failed })}\n`)
    })
  }
}
