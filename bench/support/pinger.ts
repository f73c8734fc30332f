/** A process that keeps reading a key of Redis, and records how long each answer takes. */
import { answer } from './child.ts'
import { connect } from './server.ts'
import { quantile } from './statistics.ts'

/** Of the answers since the last message, in ms. */
export interface Pauses {
  longest: number
  p999: number
  answers: number
}

let latencies: number[] = []
let asked = performance.now()

answer<{ start?: string; key?: string }>(async ({ start, key }) => {
  if (start && key) void ping(start, key)
  // The answer that is still awaited counts too.
  const all = [...latencies, performance.now() - asked]
  latencies = []
  return { longest: all.reduce((a, b) => Math.max(a, b), 0), p999: quantile(all, 0.999), answers: all.length }
})

async function ping(url: string, key: string): Promise<never> {
  const client = await connect(url)
  for (;;) {
    asked = performance.now()
    await client.get(key)
    latencies.push(performance.now() - asked)
    // Leaves the processor to the process that is measured.
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
