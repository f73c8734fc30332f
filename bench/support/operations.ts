/**
 * The steps of express-session with a store, without HTTP. Each operation uses callbacks, as express-session does, and
 * calls `done` once.
 */

import type { Request } from 'express'
import expressSession from 'express-session'
import type { BenchStore } from './contenders.ts'
import { type BenchData, DAY_MS } from './sessions.ts'

export type Done = (error?: unknown) => void
export type Operation = (store: BenchStore, sessionId: string, done: Done) => void

/** Loads a session's data. */
export const get: Operation = (store, sessionId, done) => {
  store.get(sessionId, (error, data) => done(error ?? missing(data)))
}

/** Loads a session, changes it and saves it, as a request does that counts page views. */
export const loadChangeSave: Operation = (store, sessionId, done) => {
  load(store, sessionId, done, (session) => {
    const data = session as unknown as BenchData
    data.views = (data.views ?? 0) + 1
    session.touch()
    store.set(sessionId, session, done)
  })
}

/** Loads a session and touches it, as every other request does. */
export const loadTouch: Operation = (store, sessionId, done) => {
  load(store, sessionId, done, (session) => {
    session.touch()
    store.touch(sessionId, session, done)
  })
}

/** The operations on a stored session, by name: functions do not go from one process to another. */
export const onStored = { get, loadChangeSave, loadTouch }
export type OperationName = keyof typeof onStored

/**
 * A visit that ends signed in: an anonymous session is saved; then it is loaded, regenerated, given its user and saved.
 * `userId` is the second argument; `prepareSignIn` comes first, once for each store.
 */
export const signIn: Operation = (store, userId, done) => {
  const visit = request(store, undefined)
  generate(store, visit)
  const { sessionID } = visit
  store.set(sessionID, visit.session, (error) => {
    if (error) return done(error)
    load(store, sessionID, done, (_session, req) => {
      req.session.regenerate((failed) => {
        if (failed) return done(failed)
        Object.assign(req.session, { userId })
        req.session.touch()
        req.session.save(done)
      })
    })
  })
}

/** The sign-in of this number, of one of a hundred users. */
export function nthSignIn(store: BenchStore, n: number, done: Done): void {
  signIn(store, `user-${n % USERS}`, done)
}

const USERS = 100

/** express-session gives a store its `generate`. */
export function prepareSignIn(store: BenchStore): void {
  expressSession({
    store,
    secret: 'of the benchmark',
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: DAY_MS, sameSite: 'lax' },
  })
}

function load(
  store: BenchStore,
  sessionId: string,
  done: Done,
  use: (session: Request['session'], req: Request) => void,
): void {
  store.get(sessionId, (error, data) => {
    if (error || !data) return done(error ?? missing(data))
    const req = request(store, sessionId)
    use(store.createSession(req, data) as Request['session'], req)
  })
}

function request(store: BenchStore, sessionID: string | undefined): Request {
  return { sessionID, sessionStore: store } as unknown as Request
}

function generate(store: BenchStore, req: Request): void {
  ;(store as unknown as { generate(req: Request): void }).generate(req)
}

function missing(data: unknown): Error | undefined {
  return data ? undefined : new Error('The session that was to be loaded is missing')
}
