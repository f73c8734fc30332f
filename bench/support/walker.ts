/** A process that visits every session once, and records the time and the growth of its memory. */
import { answer } from './child.ts'
import { type BenchStore, baseline, type Ours, ourStore } from './contenders.ts'
import { PREFIX, USER_PREFIX } from './fill.ts'
import { connect } from './server.ts'

export interface Walk {
  sessions: number
  milliseconds: number
  /** Of resident memory, at its peak, in bytes. */
  growth: number
}

interface Message {
  connect?: string
  build: string
  store: 'connect-redis' | 'ours'
  method: 'all' | 'sessions'
}

const SAMPLE_MS = 5

let store: BenchStore | Ours

answer<Message>(async (message) => {
  if (!message.connect) return walk(message.method)
  const client = await connect(message.connect)
  const options = { prefix: PREFIX, userPrefix: USER_PREFIX }
  store =
    message.store === 'ours'
      ? await ourStore(client, message, options)
      : (await baseline(client, { build: message.build }, PREFIX)).store
  return {}
})

async function walk(method: Message['method']): Promise<Walk> {
  globalThis.gc?.()
  const before = process.memoryUsage.rss()
  const peakBefore = peakOfProcess()
  let peak = before
  const sample = () => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  const sampler = setInterval(sample, SAMPLE_MS)
  const start = performance.now()
  const sessions = method === 'all' ? await visitAll() : await visitEach()
  const milliseconds = performance.now() - start
  clearInterval(sampler)
  // The sampler does not run while the process is busy; the system notes the peak of all its life.
  if (peakOfProcess() > peakBefore) peak = Math.max(peak, peakOfProcess())
  return { sessions, milliseconds, growth: peak - before }
}

function peakOfProcess(): number {
  return process.resourceUsage().maxRSS * 1024
}

async function visitAll(): Promise<number> {
  const sessions = await (store as Ours).all()
  return sessions.length
}

async function visitEach(): Promise<number> {
  let sessions = 0
  for await (const _session of (store as Ours).sessions()) sessions += 1
  return sessions
}
