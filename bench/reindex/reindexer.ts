/** The measured process. It reindexes, and records how much its memory grows. */
import { UserSessionStore } from '../../src/index.ts'
import { answer } from '../support/child.ts'
import { connect } from '../support/server.ts'

export type Reindexed = { scanned: number; indexed: number; milliseconds: number; growth: number }

type Message = { url: string; prefix: string; userPrefix: string }

answer<Message>(async ({ url, ...prefixes }) => {
  const client = await connect(url)
  const store = new UserSessionStore({ client, ...prefixes })
  globalThis.gc?.()
  const before = process.memoryUsage.rss()
  const start = performance.now()
  const result = await store.reindex({ onProgress: () => {} })
  const milliseconds = performance.now() - start
  // The system notes the peak of all the process's life, in KiB.
  const growth = Math.max(0, process.resourceUsage().maxRSS * 1024 - before)
  client.destroy()
  return { ...result, milliseconds, growth }
})
