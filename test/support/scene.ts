/**
 * The scene of one forced interleaving: requests and callers that share a Redis. Each stops at a step that the test
 * chooses.
 */
import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import type { Request } from 'express'
import type { Session, SessionData } from 'express-session'
import { UserSessionStore, type UserSessionStoreOptions } from '../../src/index.ts'
import { freshPrefixes, type Prefixes } from './hooks.ts'
import { askForIfeq, serverKnowsIfeq } from './ifeq.ts'
import { type Call, type Choice, pauseAfter, pauseBefore, runs } from './paused-client.ts'
import {
  condemnScript,
  raiseScript,
  readScript,
  reconcileScript,
  removeScript,
  replaceScript,
  reserveScript,
  settleScript,
  touchScript,
  writeScript,
} from './scripts.ts'
import { type Fields, newSession } from './sessions.ts'
import { type AnyClient, onEveryTopology, type Topology, type TopologyName } from './topologies.ts'

export type LoadedSession = Session & SessionData & Fields

/**
 * The steps that decide races. They exist on every topology and every server, with different commands. A step is one
 * call. A command that the server does not know (`IFEQ`) does not count.
 */
export const theWrite = anyOf(
  runsOne(writeScript, touchScript, replaceScript),
  creates,
  (call) => serverKnowsIfeq() && replacesIfEqual(call),
)
/** Of a touch: one that moves the TTL alone, or one that saves the cookie. */
export const theTouch = anyOf(runsOne(touchScript), ({ command }) => command === 'pExpireAt')
export const theRemoval = anyOf(runsOne(removeScript), ({ command }) => command === 'getDel')
export const thePruning = runsOne(reconcileScript, settleScript)
export const theRighting = runsOne(reconcileScript, raiseScript)
/** Of a sign-in on Cluster alone: the index lists a session that is not written yet. */
export const theReservation = runsOne(reserveScript)
/** Only for a removal on Cluster: an entry gets the stamp of the removal. */
export const theCondemnation = runsOne(condemnScript)
export const theLoad = ({ command }: Call) => command === 'get'
/** Of whole sessions with their TTLs, as a listing does it. */
export const theRead = runsOne(readScript)

type Step = (call: Call) => boolean

function anyOf(...steps: Step[]): Step {
  return (call) => steps.some((step) => step(call))
}

/**
 * The first sending of a script, by its hash. The second sending has the source, for a server that does not know the
 * script.
 */
function runsOne(...scripts: Parameters<typeof runs>[0][]): Step {
  return (call) => call.command === 'evalSha' && scripts.some((script) => runs(script)(call))
}

/** A plain SET that makes a session. */
function creates({ command, args }: Call): boolean {
  return command === 'set' && (args[2] as { condition?: unknown }).condition === 'NX'
}

/** A plain SET that replaces a record, also one that a server does not know. */
export function replacesIfEqual({ command, args }: Call): boolean {
  const raw = args.find((arg) => Array.isArray(arg)) as unknown[] | undefined
  return command === 'sendCommand' && raw?.[0] === 'SET' && raw[3] === 'IFEQ'
}

/** The n-th call that `choice` accepts, from 1. */
export function nth(n: number, choice: (call: Call) => boolean): (call: Call) => boolean {
  let seen = 0
  return (call) => choice(call) && ++seen === n
}

export class Scene {
  topology!: Topology
  client!: AnyClient
  prefixes!: Prefixes

  /** The options of all functions. */
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

  /** Checks that Redis has neither the session, nor an entry of it in any index, nor an empty index. */
  async expectGone(sessionId: string): Promise<void> {
    expect(await this.lives(sessionId), 'the session lives').to.equal(false)
    for (const key of await this.keys()) {
      if (!key.endsWith(':sessions')) continue
      expect(await this.client.zScore(key, sessionId), `an entry in ${key}`).to.equal(null)
    }
  }

  /** Checks that the session lives, and that only its owner's index lists it, for as long as its record says. */
  async expectSignedIn(sessionId: string, userId: string, drift = 0): Promise<void> {
    expect(await this.lives(sessionId), 'the session lives').to.equal(true)
    expect(await this.record(sessionId)).to.have.property('userId', userId)
    await this.expectListed(sessionId, userId, drift)
    for (const key of await this.keys()) {
      if (!key.endsWith(':sessions') || key === this.indexKey(userId)) continue
      expect(await this.client.zScore(key, sessionId), `an entry in ${key}`).to.equal(null)
    }
  }

  /**
   * Checks that the index entry ends exactly when the record says. That is never before the TTL, and at most an
   * eighth of the lifetime after it. The index lives as long as its longest entry, or `drift` ms longer if MIGRATE has moved it.
   * Resolves to the score.
   */
  async expectListed(sessionId: string, userId: string, drift = 0): Promise<number> {
    const [expires, record] = [await this.expiry(sessionId), await this.record(sessionId)]
    const index = await this.index(userId)
    expect(index).to.have.property(sessionId, recordedUntil(record) ?? expires)
    const score = index[sessionId] as number
    expect(score, 'index score').to.be.within(expires, expires + lifetimeOf(record) / 8)
    const last = Math.max(...Object.values(index))
    const end = await this.client.pExpireTime(this.indexKey(userId))
    expect(end, 'the end of the index').to.be.within(Math.ceil(last), Math.ceil(last) + drift)
    return score
  }

  /**
   * Checks that all expiries agree: TTL, index score, the record's cookie, all reports, and the next load. Touches
   * allow two differences. The score may be up to an eighth later, and the record does not know of the last touches.
   * Resolves to the TTL.
   */
  async expectOneExpiry(sessionId: string, userId: string): Promise<number> {
    const expires = await this.expiry(sessionId)
    const [listed] = (await this.store().userSessions(userId)).filter((each) => each.sessionId === sessionId)
    expect(listed?.expires.getTime(), 'listed expiry').to.equal(expires)
    const listedCookie = listed?.data.cookie as unknown as Fields
    expect(Date.parse(listedCookie.expires as string), 'the cookie in a listing').to.equal(expires)
    const score = await this.expectListed(sessionId, userId)
    const { cookie } = await this.record(sessionId)
    const recorded = Date.parse(cookie.expires as string)
    const { originalMaxAge: maxAge } = cookie
    const from = Date.now()
    const loaded = await this.store().get(sessionId)
    const next = Date.parse(loaded?.cookie.expires as unknown as string)
    if (score === expires || typeof maxAge !== 'number') {
      expect([recorded, next], 'the cookie, and as it is loaded').to.deep.equal([expires, expires])
      return expires
    }
    expect(recorded, 'the cookie').to.be.at.most(expires)
    expect(next, 'the cookie as it is loaded').to.be.within(from + maxAge, Date.now() + maxAge)
    return expires
  }
}

/** The `until` of a record; `undefined` for a record of connect-redis. */
function recordedUntil({ cookie, expires }: Fields & { cookie?: Fields }): number | undefined {
  const { until } = Object(cookie?.index) as { until?: number }
  if (until !== undefined || cookie?.expires || typeof expires !== 'string') return until
  return Date.parse(expires)
}

/** In ms, for the tests' stores; 0 if the app set the expiry outright, so that nothing moves it. */
function lifetimeOf({ cookie, expires }: Fields & { cookie?: Fields }): number {
  if (typeof cookie?.originalMaxAge === 'number') return cookie.originalMaxAge
  return cookie?.expires || expires ? 0 : DEFAULT_TTL
}

/** In ms: the store's default, if neither cookie nor data sets an expiry. */
const DEFAULT_TTL = 86_400_000

/** The same interleavings on one server, a pool, Sentinel and Cluster. */
export function onEveryStage(tests: (scene: Scene) => void, names?: readonly TopologyName[]): void {
  onEveryTopology((topology) => {
    const scene = new Scene()
    before(async () => {
      scene.topology = topology()
      await askTopologyForIfeq(scene.topology)
      scene.client = await scene.topology.connect()
    })
    beforeEach(() => {
      scene.prefixes = freshPrefixes()
    })
    after(() => scene.client.close())
    tests(scene)
  }, names)
}

async function askTopologyForIfeq(topology: Topology): Promise<void> {
  const key = 'asked-for-ifeq'
  const { admin } = await topology.masterOf(key)
  await askForIfeq(admin, key)
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
