/** A process with one of the two stores, which does turns of an operation: on stored sessions, or sign-ins into an empty database. */
import { answer } from './child.ts'
import { type BenchStore, type Builds, type Client, contenders } from './contenders.ts'
import { fill, onStoredSession } from './hot-path.ts'
import { nthSignIn, type OperationName, onStored, prepareSignIn } from './operations.ts'
import { timed } from './rounds.ts'
import { connect } from './server.ts'

export interface Start {
  url: string
  builds: Builds
  which: 'baseline' | 'ours'
  size: number
}

export interface Turn {
  operation: OperationName | 'signIn'
  operations: number
  concurrency: number
}

let client: Client
let store: BenchStore

answer<{ start?: Start; turn?: Turn }>(async ({ start, turn }) => {
  if (start) {
    client = await connect(start.url)
    const [baseline, ours] = await contenders(client, start.builds)
    store = (start.which === 'ours' ? ours : baseline).store
    prepareSignIn(store)
    await fill(store, start.size)
  }
  return { cost: turn ? await costOf(turn) : 0 }
})

async function costOf(turn: Turn): Promise<number> {
  if (turn.operation !== 'signIn') return timed(store, onStoredSession(onStored[turn.operation]), turn)
  await client.flushDb()
  return timed(store, nthSignIn, turn)
}
