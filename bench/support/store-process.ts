/** A process with one of the two stores, which does turns of an operation on stored sessions. */
import { answer } from './child.ts'
import { type BenchStore, type Builds, contenders } from './contenders.ts'
import { fill, onStoredSession } from './hot-path.ts'
import { type OperationName, onStored } from './operations.ts'
import { timed } from './rounds.ts'
import { connect } from './server.ts'

export interface Start {
  url: string
  builds: Builds
  which: 'baseline' | 'ours'
  size: number
}

export interface Turn {
  operation: OperationName
  operations: number
  concurrency: number
}

let store: BenchStore

answer<{ start?: Start; turn?: Turn }>(async ({ start, turn }) => {
  if (start) {
    const [baseline, ours] = await contenders(await connect(start.url), start.builds)
    store = (start.which === 'ours' ? ours : baseline).store
    await fill(store, start.size)
  }
  return { cost: turn ? await timed(store, onStoredSession(onStored[turn.operation]), turn) : 0 }
})
