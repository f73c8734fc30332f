/**
 * Random programs of several actors, a few at a time. `MODEL_SECONDS` sets how long (default 10, all topologies
 * together). A failure prints the `FC_SEED` and `FC_PATH` that repeat it, shrunk.
 */
import fc from 'fast-check'
import { onEveryTopology, type TopologyName } from '../support/topologies.ts'
import { program, users, violationsOf } from './program.ts'
import { World } from './world.ts'

const { MODEL_SECONDS = '10', FC_SEED, FC_PATH } = process.env
const shares: Partial<Record<TopologyName, number>> = { server: 0.6, cluster: 0.4 }
const lanes = FC_SEED === undefined ? 16 : 1
const firstSeed = FC_SEED === undefined ? Date.now() % 2 ** 31 : Number(FC_SEED)

describe('random programs of concurrent actors keep the guarantees', () => {
  for (const [name, share] of Object.entries(shares) as [TopologyName, number][]) {
    const time = Number(MODEL_SECONDS) * share * 1000
    onEveryTopology(
      (topology) => {
        it(`for ${time / 1000} s, from seed ${firstSeed}`, async function () {
          this.timeout(time + 300_000)
          const client = await topology().connect()
          const done = { programs: 0, operations: 0 }
          const property = fc.asyncProperty(program, async (random) => {
            const wrong = await violationsOf(new World(topology(), client, users), random)
            done.programs += 1
            done.operations += random.steps.length
            if (wrong.length > 0) throw new Error(wrong.join('\n'))
          })
          try {
            await Promise.all(
              Array.from({ length: lanes }, (_, lane) => check(property, firstSeed + lane, time)),
            )
          } finally {
            await client.close()
          }
          process.stdout.write(`      ${done.programs} programs of ${done.operations} operations\n`)
        })
      },
      [name],
    )
  }
})

async function check(property: fc.IAsyncProperty<unknown>, seed: number, time: number): Promise<void> {
  const found = await fc.check(property, {
    ...{ seed, path: FC_PATH, numRuns: Number.MAX_SAFE_INTEGER },
    ...{ interruptAfterTimeLimit: time, markInterruptAsFailure: false },
  })
  // Without a counterexample there was no time for a program.
  if (found.counterexample === null) return
  const repeat = `FC_SEED=${seed} FC_PATH=${found.counterexamplePath}`
  const wrong = (found.errorInstance as Error).message
  throw new Error(`${wrong}\n${repeat}\n${JSON.stringify(found.counterexample)}`)
}
