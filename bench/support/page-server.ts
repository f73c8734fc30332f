/** A process that serves a page with one variant of the store. */
import type { AddressInfo } from 'node:net'
import express from 'express'
import expressSession from 'express-session'
import { answer } from './child.ts'
import {
  type BenchStore,
  type Builds,
  baseline,
  type Client,
  hasOption,
  type Options,
  ourStore,
} from './contenders.ts'
import { connect } from './server.ts'
import { DAY_MS, sessionData } from './sessions.ts'

export interface Variant {
  name: string
  /** Of our store; absent: the baseline. */
  options?: object
}

export interface PageServer {
  /** `null` if this build does not have the option. */
  port: number | null
}

interface Start {
  url: string
  builds: Builds
  /** Of its session keys. */
  prefix: string
  variant: Variant
}

answer<{ start?: Start }>(async ({ start }): Promise<PageServer | { cpu: number }> => {
  if (start) {
    const store = await storeOf(await connect(start.url), start)
    return { port: store && (await listen(store)) }
  }
  const { user, system } = process.cpuUsage()
  return { cpu: user + system }
})

async function storeOf(
  client: Client,
  { builds, prefix, variant: { options } }: Start,
): Promise<BenchStore | null> {
  if (!options) return (await baseline(client, builds, prefix)).store
  for (const name of Object.keys(options)) {
    if (!(await hasOption(client, builds, { [name]: 'senseless' }))) return null
  }
  const ours: Options = { prefix, userPrefix: `user-${prefix}`, ...options }
  return (await ourStore(client, builds, ours)) as unknown as BenchStore
}

function listen(store: BenchStore): Promise<number> {
  const app = express()
  app.disable('x-powered-by')
  app.use(
    expressSession({
      store,
      secret: 'of the benchmark',
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: DAY_MS, sameSite: 'lax' },
    }),
  )
  app.get('/sign-in/:user', (req, res) => {
    const { cookie, ...data } = sessionData(req.params.user, 300)
    Object.assign(req.session, data)
    res.end('signed in')
  })
  app.get('/page', (req, res) => {
    const { userId } = req.session as { userId?: string }
    if (userId === undefined) return void res.status(401).end()
    res.type('html').send(`<!doctype html><title>Page</title><p>Hello ${userId}</p>`)
  })
  return new Promise((resolve) => {
    const server = app.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
