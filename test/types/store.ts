/** Compiled, never run: the store's methods, their callbacks, and its place in an Express app. */
import express from 'express'
import session, { type SessionData, type Store } from 'express-session'
import {
  type Callback,
  CorruptSessionError,
  type DestroyUserOptions,
  type ReindexResult,
  type Serializer,
  type SessionClient,
  SessionConflictError,
  SessionNotFoundError,
  SessionUserError,
  type SessionWithId,
  type UserSession,
  UserSessionStore,
  type UserSessionStoreOptions,
} from '../../src/index.ts'
import { sameType } from './equal.ts'

declare module 'express-session' {
  interface SessionData {
    /** Only the type tests know this one. */
    typeTestColour?: 'red' | 'blue'
  }
}

export function inAnApp(store: UserSessionStore): void {
  const app = express()
  app.use(session({ store, secret: 'x', resave: false, saveUninitialized: false }))
  app.get('/', async (req, res) => {
    req.session.typeTestColour = 'red'
    const sessions = await store.userSessions('eva')
    await store.destroyUser('eva', { except: req.sessionID })
    res.json(sessions.map(({ handle, expires, lastActive }) => ({ handle, expires, lastActive })))
  })
  const base: Store = store
  base.on('connect', () => {})
}

export async function results(store: UserSessionStore): Promise<void> {
  const loaded = await store.get('s1')
  sameType<typeof loaded, SessionData | null>(true)
  sameType<ReturnType<typeof store.set>, Promise<void>>(true)
  sameType<ReturnType<typeof store.touch>, Promise<void>>(true)
  sameType<ReturnType<typeof store.destroy>, Promise<void>>(true)
  sameType<ReturnType<typeof store.clear>, Promise<void>>(true)
  const all = await store.all()
  sameType<typeof all, SessionWithId[]>(true)
  sameType<SessionWithId['id'], string>(true)
  const ids = await store.ids()
  sameType<typeof ids, string[]>(true)
  const counts = [await store.length(), await store.destroyUser('eva'), await store.updateUser(42, {})]
  sameType<typeof counts, number[]>(true)
  await store.updateUser('eva', { expires: '2999-01-01' })
  await store.updateUser('eva', { typeTestColour: undefined })
  const signedOut = await store.destroyUserSession('eva', 'handle')
  sameType<typeof signedOut, boolean>(true)
  const reindexed = await store.reindex()
  sameType<typeof reindexed, ReindexResult>(true)
  sameType<(typeof reindexed)['scanned'], number>(true)
  for await (const each of store.sessions()) sameType<typeof each, SessionWithId>(true)

  const listed = await store.userSessions(42)
  sameType<typeof listed, UserSession[]>(true)
  const [first] = listed
  if (!first) return
  sameType<typeof first.sessionId, string>(true)
  sameType<typeof first.handle, string>(true)
  sameType<typeof first.expires, Date>(true)
  sameType<typeof first.lastActive, Date | undefined>(true)
  sameType<typeof first.data, SessionData>(true)
  sameType<typeof first.data.typeTestColour, 'red' | 'blue' | undefined>(true)
  // @ts-expect-error expires is a string
  await store.updateUser('eva', { expires: new Date() })
  // @ts-expect-error no such colour
  first.data.typeTestColour = 'green'
}

export function callbacks(store: UserSessionStore, data: SessionData): void {
  store.get('s1', (error, loaded) => {
    sameType<typeof error, unknown>(true)
    sameType<typeof loaded, SessionData | null | undefined>(true)
  })
  store.set('s1', data, (error) => sameType<typeof error, unknown>(true))
  store.touch('s1', data, () => {})
  store.destroy('s1', (error) => sameType<typeof error, unknown>(true))
  store.all((_error, all) => sameType<typeof all, SessionWithId[] | undefined>(true))
  store.ids((_error, ids) => sameType<typeof ids, string[] | undefined>(true))
  store.length((_error, length) => sameType<typeof length, number | undefined>(true))
  store.clear(() => {})
  store.userSessions('eva', (_error, listed) => sameType<typeof listed, UserSession[] | undefined>(true))
  store.destroyUser('eva', (_error, count) => sameType<typeof count, number | undefined>(true))
  store.destroyUser('eva', { except: 's1' }, (_error, count) =>
    sameType<typeof count, number | undefined>(true),
  )
  store.destroyUserSession(42, 'handle', (_error, done) => sameType<typeof done, boolean | undefined>(true))
  store.updateUser('eva', {}, (_error, count) => sameType<typeof count, number | undefined>(true))
  store.reindex((_error, result) => sameType<typeof result, ReindexResult | undefined>(true))
  const callback: Callback<string[]> = (_error, ids) => ids?.join()
  store.ids(callback)
}

export function goodOptions(client: SessionClient): void {
  const serializer: Serializer = { parse: async (text) => JSON.parse(text), stringify: async () => '' }
  new UserSessionStore({
    client,
    prefix: '',
    userPrefix: '',
    ttl: 60,
    disableTouch: true,
    serializer,
    scanCount: 1,
  })
  new UserSessionStore({ client, serializer: JSON, ttl: ({ cookie }) => cookie.originalMaxAge ?? 60 })
  for (const id of ['eva', 42, null, undefined]) new UserSessionStore({ client, userId: () => id })
  new UserSessionStore({ client, userId: ({ typeTestColour }) => typeTestColour })
  const id = { toJSON: () => '65f0c0ffee' }
  new UserSessionStore({ client, userId: () => id })
  new UserSessionStore({ client, userId: () => false })
  new UserSessionStore({ client, maxUserSessions: { limit: () => 3, onLimit: 'reject' } })
  new UserSessionStore({ client, maxUserSessions: { limit: 3 }, touchInterval: 0 })
  // biome-ignore lint/complexity/noStaticOnlyClass: a serializer may be one
  class Codec {
    static parse = JSON.parse
    static stringify = (data: unknown) => JSON.stringify(data)
  }
  new UserSessionStore({ client, serializer: Codec })
  const options: UserSessionStoreOptions = { client }
  const destroy: DestroyUserOptions = {}
  void new UserSessionStore(options).destroyUser('eva', destroy)
}

export function badOptions(client: SessionClient): void {
  // @ts-expect-error a typo is not taken
  new UserSessionStore({ client, prefx: 'sess:' })
  // @ts-expect-error ttl is a number
  new UserSessionStore({ client, ttl: '60' })
  // @ts-expect-error a ttl function answers with a number
  new UserSessionStore({ client, ttl: () => '60' })
  // @ts-expect-error an object is no user id
  new UserSessionStore({ client, userId: () => ({ id: 1 }) })
  // @ts-expect-error a serializer has both methods
  new UserSessionStore({ client, serializer: { parse: JSON.parse } })
  // @ts-expect-error stringify answers with a string
  new UserSessionStore({ client, serializer: { parse: JSON.parse, stringify: () => 42 } })
  // @ts-expect-error true or false
  new UserSessionStore({ client, disableTouch: 'yes' })
  // @ts-expect-error a number
  new UserSessionStore({ client, scanCount: '100' })
  // @ts-expect-error evict or reject
  new UserSessionStore({ client, maxUserSessions: { limit: 3, onLimit: 'refuse' } })
  // @ts-expect-error no such option
  new UserSessionStore({ client, maxUserSessions: { limit: 3, onlimit: 'reject' } })
}

export async function badArguments(store: UserSessionStore): Promise<void> {
  // @ts-expect-error no id
  await store.get()
  // @ts-expect-error an id is a string
  await store.get(42)
  // @ts-expect-error no session
  await store.set('s1')
  // @ts-expect-error a session has a cookie
  await store.set('s1', {})
  // @ts-expect-error a user id is a string or a number
  await store.userSessions(null)
  // @ts-expect-error a bigint is neither
  await store.userSessions(1n)
  // @ts-expect-error no such option
  await store.destroyUser('eva', { exept: 's1' })
  // @ts-expect-error no handle
  await store.destroyUserSession('eva')
  // @ts-expect-error no data
  await store.updateUser('eva')
  // @ts-expect-error no such colour
  await store.updateUser('eva', { typeTestColour: 'green' })
}

export function errors(error: unknown): string | undefined {
  if (error instanceof CorruptSessionError) return error.key
  if (error instanceof SessionNotFoundError) return error.handle
  if (error instanceof SessionConflictError) return error.handle
  if (error instanceof SessionUserError) {
    sameType<typeof error.userId, unknown>(true)
    sameType<typeof error.code, 'SESSION_USER'>(true)
  }
  return undefined
}
