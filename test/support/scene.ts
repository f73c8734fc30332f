/** A stage for one forced interleaving: requests and callers that share a Redis, each stopped where a test wants it. */
import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import type { Request } from 'express'
import type { Session, SessionData } from 'express-session'
import { UserSessionStore, type UserSessionStoreOptions } from '../../src/index.ts'
import {
  lowerScript,
  raiseScript,
  reconcileScript,
  removeScript,
  touchScript,
  writeScript,
} from '../../src/redis/scripts.ts'
import { freshPrefixes, type Prefixes } from './hooks.ts'
import { type Call, type Choice, pauseAfter, pauseBefore, runs } from './paused-client.ts'
import { type Fields, newSession } from './sessions.ts'
import { type AnyClient, onEveryTopology, type Topology, type TopologyName } from './topologies.ts'

export type LoadedSession = Session & SessionData & Fields

/** The steps at which a race is decided. They exist on every topology, whatever their scripts are called there. */
export const theWrite = attempts(writeScript, touchScript)
export const theRemoval = attempts(removeScript)
export const thePruning = attempts(reconcileScript, lowerScript)
export const theRighting = attempts(reconcileScript, raiseScript)
export const theLoad = ({ command }: Call) => command === 'get'

/** The first sending of a script, and not its second, with the source, to a server that does not know it. */
function attempts(...scripts: Parameters<typeof runs>[0][]): (call: Call) => boolean {
  return (call) => call.command === 'evalSha' && scripts.some((script) => runs(script)(call))
}

/** The n-th call that `choice` takes, from 1. */
export function nth(n: number, choice: (call: Call) => boolean): (call: Call) => boolean {
  let seen = 0
  return (call) => choice(call) && ++seen === n
}

export class Scene {
  topology!: Topology
  client!: AnyClient
  prefixes!: Prefixes

  /** What every function takes. */
  get options() {
    return { client: this.client, ...this.prefixes }
  }

  store(options: Partial<UserSessionStoreOptions> = {}): UserSessionStore {
    return new UserSessionStore({ ...this.options, ...options })
  }

  /** A store, and the options of the functions, on a client that stops before (or after) the chosen command. */
  stopped(pause: typeof pauseBefore | typeof pauseAfter, choice: Choice) {
    const paused = pause(this.client, choice)
    const options = { ...this.options, client: paused.client }
    return { ...paused, options, store: new UserSessionStore(options) }
  }

  stoppedBefore(choice: Choice) {
    return this.stopped(pauseBefore, choice)
  }

  stoppedAfter(choice: Choice) {
    return this.stopped(pauseAfter, choice)
  }

  /** A session as an app makes it on sign-in; resolves to its id. */
  async signIn(userId: string | undefined, fields: Fields = {}, sessionId = newId()): Promise<string> {
    await this.store().set(sessionId, newSession(userId === undefined ? fields : { userId, ...fields }))
    return sessionId
  }

  /** A whole request of another process: it loads the session, changes it and saves it. */
  async request(sessionId: string, changes: Fields): Promise<void> {
    const store = this.store()
    await store.set(sessionId, Object.assign(await load(store, sessionId), changes))
  }

  async record(sessionId: string): Promise<Fields & { cookie: Fields }> {
    return JSON.parse((await this.client.get(this.sessionKey(sessionId))) ?? 'null')
  }

  async lives(sessionId: string): Promise<boolean> {
    return (await this.client.exists(this.sessionKey(sessionId))) === 1
  }

  expiry(sessionId: string): Promise<number> {
    return this.client.pExpireTime(this.sessionKey(sessionId))
  }

  /** Session ids of a user's index with their scores. */
  async index(userId: string): Promise<Record<string, number>> {
    const entries = await this.client.zRangeWithScores(this.indexKey(userId), 0, -1)
    return Object.fromEntries(entries.map(({ value, score }) => [value, score]))
  }

  /** Ends a session as its TTL does. */
  async expire(sessionId: string): Promise<void> {
    await this.client.pExpireAt(this.sessionKey(sessionId), 1)
    expect(await this.lives(sessionId)).to.equal(false)
  }

  sessionKey(sessionId: string): string {
    return this.prefixes.prefix + sessionId
  }

  indexKey(userId: string): string {
    return `${this.prefixes.userPrefix}${userId}:sessions`
  }

  /** All keys under both prefixes, on all masters. */
  async keys(): Promise<string[]> {
    const found = new Set<string>()
    for (const { admin } of await this.topology.masters()) {
      for (const key of await admin.keys('*')) {
        if (Object.values(this.prefixes).some((prefix) => key.startsWith(prefix))) found.add(key)
      }
    }
    return [...found].sort()
  }

  /** Neither the session nor an entry of it in anybody's index, nor an empty index, is in Redis. */
  async expectGone(sessionId: string): Promise<void> {
    expect(await this.lives(sessionId), 'the session lives').to.equal(false)
    for (const key of await this.keys()) {
      if (!key.endsWith(':sessions')) continue
      expect(await this.client.zScore(key, sessionId), `an entry in ${key}`).to.equal(null)
    }
  }

  /** The session lives, its owner's index lists it under its true expiry, and no other index does. */
  async expectSignedIn(sessionId: string, userId: string): Promise<void> {
    expect(await this.lives(sessionId), 'the session lives').to.equal(true)
    expect(await this.record(sessionId)).to.have.property('userId', userId)
    expect(await this.index(userId)).to.have.property(sessionId, await this.expiry(sessionId))
    for (const key of await this.keys()) {
      if (!key.endsWith(':sessions') || key === this.indexKey(userId)) continue
      expect(await this.client.zScore(key, sessionId), `an entry in ${key}`).to.equal(null)
    }
  }

  /** TTL, index score, the record's cookie and both reported expiries are the same. */
  async expectOneExpiry(sessionId: string, userId: string): Promise<number> {
    const expires = await this.expiry(sessionId)
    const [listed] = (await this.store().userSessions(userId)).filter((each) => each.sessionId === sessionId)
    expect((await this.index(userId))[sessionId], 'index score').to.equal(expires)
    expect(listed?.expires.getTime(), 'listed expiry').to.equal(expires)
    expect(Date.parse((await this.record(sessionId)).cookie.expires as string), 'cookie').to.equal(expires)
    return expires
  }
}

/** The same interleavings on one server, a pool, Sentinel and Cluster. */
export function onEveryStage(tests: (scene: Scene) => void, names?: readonly TopologyName[]): void {
  onEveryTopology((topology) => {
    const scene = new Scene()
    before(async () => {
      scene.topology = topology()
      scene.client = await scene.topology.connect()
    })
    beforeEach(() => {
      scene.prefixes = freshPrefixes()
    })
    after(() => scene.client.close())
    tests(scene)
  }, names)
}

/** Loads a session as express-session does for a request. */
export async function load(store: UserSessionStore, sessionId: string): Promise<LoadedSession> {
  const data = await store.get(sessionId)
  if (!data) throw new Error(`There is no session ${sessionId}`)
  return inflate(store, sessionId, data)
}

/** Makes express-session's `Session` of loaded data. */
export function inflate(store: UserSessionStore, sessionId: string, data: SessionData): LoadedSession {
  const request = { sessionID: sessionId, sessionStore: store } as unknown as Request
  return store.createSession(request, data) as LoadedSession
}

export function newId(): string {
  return randomBytes(9).toString('base64url')
}
