/** The compared stores, on one node-redis client. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { RedisStore } from 'connect-redis'
import type { SessionData, Store } from 'express-session'
import type { createClient } from 'redis'
import type { UserSessionStore, UserSessionStoreOptions } from '../../src/index.ts'

export type Client = Awaited<ReturnType<ReturnType<typeof createClient>['connect']>>
export type Ours = UserSessionStore
export type Options = Omit<UserSessionStoreOptions, 'client'>

/** A store as express-session uses it. */
export type BenchStore = Store & {
  touch(sessionId: string, session: SessionData, callback: (error?: unknown) => void): unknown
}

export interface Contender {
  name: string
  store: BenchStore
}

export interface Builds {
  /** The folder of the build that is measured. */
  build: string
  /** The folder of another build of this package to compare with, instead of connect-redis. */
  against?: string
}

export const DEFAULT_BUILD = resolve(import.meta.dirname, '../../dist/esm')

/** Loads a build of this package, which is what users get, instead of its TypeScript sources. */
export async function loadBuild(folder: string): Promise<typeof import('../../src/index.ts')> {
  return import(pathToFileURL(resolve(folder, 'index.js')).href)
}

/** A store of the measured build. */
export async function ourStore(client: Client, { build }: Builds, options: Options = {}): Promise<Ours> {
  const { UserSessionStore } = await loadBuild(build)
  return new UserSessionStore({ client, ...options })
}

/** The store that the measured build is compared with. `prefix` is the beginning of its session keys. */
export async function baseline(client: Client, { against }: Builds, prefix: string): Promise<Contender> {
  if (against === undefined) {
    return { name: 'connect-redis', store: new RedisStore({ client, prefix }) as unknown as BenchStore }
  }
  const options = { prefix, userPrefix: `${prefix}user:`, touchInterval: 0 }
  const store = await ourStore(client, { build: against }, options)
  return { name: 'other build', store: store as unknown as BenchStore }
}

/** Both, each with keys of its own. Every touch is written, as by connect-redis. */
export async function contenders(client: Client, builds: Builds): Promise<[Contender, Contender]> {
  const ours = await ourStore(client, builds, { touchInterval: 0 })
  return [
    await baseline(client, builds, 'sess:'),
    { name: 'redis-user-sessions', store: ours as unknown as BenchStore },
  ]
}

/** Whether the measured build has an option: it then refuses a senseless value. */
export async function hasOption(client: Client, builds: Builds, options: object): Promise<boolean> {
  try {
    await ourStore(client, builds, options as Options)
    return false
  } catch {
    return true
  }
}
