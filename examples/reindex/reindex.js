#!/usr/bin/env node
/** Indexes the sessions that connect-redis wrote. See README.md. */
import { parseArgs } from 'node:util'
import { SingleBar } from 'cli-progress'
import { createClient, createCluster } from 'redis'
import { UserSessionStore } from 'redis-user-sessions'

const USAGE = `Usage: node reindex.js [options]

  --url <url>           Redis, such as redis://user:password@host:6379/0; default REDIS_URL, else redis://localhost:6379
  --cluster             the URL is that of a node of a Redis Cluster
  --prefix <prefix>     what session keys begin with; default "sess:", as connect-redis has it
  --user-prefix <text>  what index keys begin with; default that of the store, "user:" and the prefix
  --scan-count <n>      sessions per batch: fewer are easier on other clients, more are faster; default 1000

Ctrl+C stops after the batch in hand. Nothing is lost: run it again.`

// The owner of a session. If your app's store has the option `userId`, put the same function here.
const userId = undefined

const values = readOptions()

if (!values) process.exitCode = 1
else if (values.help) console.log(USAGE)
else await reindex()

function readOptions() {
  try {
    return parseArgs({
      options: {
        url: { type: 'string', default: process.env.REDIS_URL || 'redis://localhost:6379' },
        cluster: { type: 'boolean', default: false },
        prefix: { type: 'string', default: 'sess:' },
        'user-prefix': { type: 'string' },
        'scan-count': { type: 'string', default: '1000' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`)
  }
}

async function reindex() {
  let client
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => stop.abort(new Error(`stopped by ${signal}`)))
  }

  const bar = new SingleBar({
    format:
      '{bar} {percentage} % | {value} of {total} sessions, {indexed} with a user | {eta_formatted} left',
    stopOnComplete: true,
    noTTYOutput: true, // one line every few seconds if the output is a file
    notTTYSchedule: 5000,
  })
  try {
    client = await connect()
    console.error('Counting sessions…')
    const store = new UserSessionStore({
      client,
      prefix: values.prefix,
      userPrefix: values['user-prefix'],
      scanCount: Number(values['scan-count']),
      userId,
    })
    const result = await store.reindex({
      signal: stop.signal,
      onProgress({ scanned, indexed, total }) {
        if (!bar.isActive) bar.start(total, 0, { indexed: 0 })
        bar.setTotal(total)
        bar.update(scanned, { indexed })
      },
    })
    bar.stop()
    console.log(
      `${result.scanned} sessions, of which ${result.indexed} have a user and are in that user's index`,
    )
    if (result.scanned === 0)
      console.log(`No key begins with "${values.prefix}": is that your app's --prefix?`)
  } catch (error) {
    bar.stop()
    process.exitCode = 1
    const hint = stop.signal.aborted
      ? 'What is indexed stays; run it again for the rest.'
      : 'It is safe to run it again.'
    console.error(`${error.message}. ${hint}`)
  } finally {
    client?.destroy()
  }
}

async function connect() {
  // No command may wait for ever, and a batch is many commands at once.
  const commandOptions = { timeout: 30_000 }
  const { url } = values
  let connected = false
  // A lost connection comes back. A connection that fails at the start has a wrong address.
  const reconnectStrategy = (attempts, cause) => (connected ? Math.min(50 * 2 ** attempts, 2000) : cause)
  const socket = { reconnectStrategy }
  const client = values.cluster
    ? createCluster({ rootNodes: [{ url }], commandOptions, defaults: { socket } })
    : createClient({ url, commandOptions, socket })
  client.on('error', (error) => {
    if (connected) console.error(`Redis: ${error.message}`)
  })
  await client.connect()
  connected = true
  return client
}
