/**
 * Random programs of several actors, and a model of what each session must have become. The model claims only facts
 * that hold in spite of races:
 *
 * - A session that was alice's before and during a sign-out everywhere is gone.
 * - A saved change is there if its session is.
 * - A session that nobody may have ended lives.
 *
 * Each actor is a process of its own. Its answers may get lost, and it may die at any command. The model claims nothing
 * of a call that failed so.
 */
import { inspect, isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import {
  createSession,
  deleteSession,
  deleteUserSessions,
  getUserSessions,
  SessionNotFoundError,
  UserSessionStore,
  updateSession,
  updateUserSessions,
} from '../../src/index.ts'
import { HOUR, inMs, MINUTE, SECOND } from '../support/database.ts'
import { type LoadedSession, load } from '../support/scene.ts'
import { type Fields, newSession, usedCookie } from '../support/sessions.ts'
import { Fault, type FaultKind, Faults } from './faults.ts'
import { Turns } from './turns.ts'
import type { Allowance, Found, World } from './world.ts'

export const users = ['alice', 'bob', 'carol'] as const
type User = (typeof users)[number]

const kinds = [
  ...['sign in', 'sign in', 'sign in limited', 'sign in with a shared id', 'visit', 'createSession'],
  ...['log in', 'request'],
  ...['load', 'load', 'load', 'load', 'reload', 'change', 'change', 'delete', 'save', 'save', 'save'],
  ...['save twice', 'touch', 'touch', 'touch', 'touch twice', 'save copy'],
  ...['live longer', 'live less', 'live for a while', 'live shortly', 'expire'],
  ...['sign in as', 'sign out in it', 'destroy', 'deleteSession'],
  ...['destroyUser', 'destroyUser but', 'destroyUserSession', 'deleteUserSessions'],
  ...['updateUser', 'updateUserSessions', 'updateSession', 'updateSession expires'],
  ...['userSessions', 'getUserSessions', 'all', 'reindex'],
  ...['lose an answer', 'lose an answer', 'die'],
] as const
type Kind = (typeof kinds)[number]

/** The operations that decide races, for few actors on few sessions. */
const racing: readonly Kind[] = [
  ...(['log in', 'log in', 'log in', 'request', 'sign in with a shared id', 'createSession'] as const),
  ...(['destroy', 'destroyUser', 'userSessions', 'userSessions', 'updateSession expires'] as const),
  ...(['save', 'touch', 'live less', 'live longer', 'sign out in it', 'reindex'] as const),
  ...(['die', 'die', 'lose an answer', 'lose an answer'] as const),
]

export interface Step {
  actor: number
  kind: Kind
  /** Picks a session. */
  session: number
  user: User
}

export interface Program {
  /** Decides in which order the actors' commands reach Redis. */
  order: number
  steps: Step[]
}

const MAX_ACTORS = 5
/** In ms: how long a session lives that is to end during the program. */
const SHORTLY = 8
/** In ms. It is long enough for a program, and touches soon go beyond the end in the index. */
const A_WHILE = 400
/** In ms: how long a session was unused before a touch that goes beyond the end in the index. */
const UNUSED = 20 * MINUTE
/** A call of an actor is about that long. */
const COMMANDS = 10

export const program: fc.Arbitrary<Program> = fc.oneof(
  programOf({ actors: MAX_ACTORS, kinds, sessions: 50, users, maxLength: 60 }),
  programOf({ actors: 3, kinds: racing, sessions: 6, users: ['alice', 'alice', 'bob'], maxLength: 15 }),
)

type Shape = {
  actors: number
  kinds: readonly Kind[]
  sessions: number
  users: readonly User[]
  maxLength: number
}

function programOf({ actors, kinds, sessions, users, maxLength }: Shape): fc.Arbitrary<Program> {
  const step = fc.record({
    actor: fc.nat(actors - 1),
    kind: fc.constantFrom(...kinds),
    session: fc.nat(sessions),
    user: fc.constantFrom(...users),
  })
  return fc.record({
    order: fc.nat(),
    steps: fc.array(step, { minLength: 1, maxLength, size: 'max' }),
  })
}

/** Runs a program. Resolves to the violations. */
export async function violationsOf(world: World, { order, steps }: Program): Promise<string[]> {
  const turns = new Turns(order)
  const model = new Model()
  const first = world.store()
  for (const user of users) {
    const id = `first-of-${user}`
    await first.set(id, newSession({ userId: user, role: 'first' }))
    model.made(model.make(id, user))
  }
  const visit = model.make('visit', undefined)
  await first.set(visit.id, newSession({ role: 'first' }))
  model.made(visit)
  const actors = Array.from({ length: MAX_ACTORS }, (_, n) => new Actor(world, turns, model, n))
  await turns.run(
    actors.map(async (actor, n) => {
      for (const step of steps) if (step.actor === n) await actor.take(step)
    }),
  )
  if (model.shortLived) model.expires = true
  if (model.shortLived) await new Promise((resolve) => setTimeout(resolve, SHORTLY + 2))
  return [...model.wrong, ...(await wrongInRedis(world, model)), ...(await leftAfterExpiry(world, model))]
}

async function wrongInRedis(world: World, model: Model): Promise<string[]> {
  const isCluster = world.topology.name === 'cluster'
  const allowance = { mayOutlast: isCluster, mayStayReserved: isCluster && model.hadFaults }
  const strict = !isCluster && !model.expires
  const mayBeLeft = model.hadFaults ? model.onceAnonymous : undefined
  const wrong = await world.violations(model.ids, { ...allowance, strict, mayBeLeft })
  for (const known of model.sessions.values()) {
    wrong.push(...known.wrongIn((await world.live(known.id)) ?? undefined))
  }
  wrong.push(...(await wrongAfterListing(world, model, { ...allowance, strict: true })))
  return [...new Set(wrong)]
}

/** A session may end between the listing and the look, and its entry stays. Then both are done again. */
async function wrongAfterListing(world: World, model: Model, allowance: Allowance): Promise<string[]> {
  for (;;) {
    const before = await countSessions(world, model)
    await Promise.all(users.map((user) => world.store().userSessions(user)))
    const wrong = await world.violations(model.ids, allowance)
    if (wrong.length === 0 || (await countSessions(world, model)) === before) return wrong
  }
}

async function countSessions(world: World, { ids }: Model): Promise<number> {
  const found = await Promise.all(ids.map((id) => world.session(id)))
  return found.filter(Boolean).length
}

/**
 * Every session ends by a last write, and nothing lists any more. Then nothing may be left, not even entries that were
 * too long. Two things may stay until their own end. One is the key of a session that a late touch has moved. The
 * other is a reserved entry.
 */
async function leftAfterExpiry(world: World, model: Model): Promise<string[]> {
  if (world.topology.name === 'cluster' && model.hadFaults) return []
  await Promise.all(
    model.ids.map(async (sessionId) => {
      const update = updateSession({ ...world.options, sessionId, data: { expires: inMs(2 * SHORTLY) } })
      await update.catch(async (error) => {
        if (!(error instanceof SessionNotFoundError)) throw error
        await world.client.del(world.sessionKey(sessionId))
      })
    }),
  )
  await new Promise((resolve) => setTimeout(resolve, 3 * SHORTLY))
  // A session that ended before its last write is listed as long as its index promises.
  if (model.expires && (await world.keys()).length > 0)
    await new Promise((resolve) => setTimeout(resolve, A_WHILE))
  return (await world.keys()).map((key) => `${key} is left after everything expired`)
}

/** The property that names the user of a session. The last one needs an option `userId`. */
const namings = ['userId', 'userId', 'userId', 'account'] as const

/** A request, an administrator and a cron job in one: it holds one loaded session. */
class Actor {
  readonly options: World['options']
  readonly #faults = new Faults()
  readonly #naming: (typeof namings)[number]
  #store: UserSessionStore
  #held: { known: Known; session: LoadedSession; changes: Map<string, unknown>; moved: boolean } | undefined

  constructor(
    readonly world: World,
    turns: Turns,
    readonly model: Model,
    readonly n: number,
  ) {
    this.options = { ...world.options, client: turns.through(world.client, this.#faults) }
    this.#naming = namings[n % namings.length] as (typeof namings)[number]
    this.#store = this.#newStore()
  }

  get store(): UserSessionStore {
    return this.#store
  }

  #newStore(options: object = {}): UserSessionStore {
    const touchInterval = this.n % 2 === 0 ? { touchInterval: 0 } : {}
    const naming = this.#naming === 'account' ? { userId: ({ account }: Fields) => account } : {}
    return new UserSessionStore({ ...this.options, ...touchInterval, ...naming, ...options } as never)
  }

  async take(step: Step): Promise<void> {
    if (this.#faults.isDead) this.#restart()
    try {
      await this.#steps[step.kind](step)
    } catch (error) {
      if (!(error instanceof Fault)) this.model.wrong.push(`${step.kind} failed: ${inspect(error)}`)
    }
  }

  #restart(): void {
    this.#faults.restart()
    this.#held = undefined
    this.#store = this.#newStore()
  }

  /** Signs in with a new session; an answer that is lost makes the app try once more. */
  async #signIn({ user, session: pick }: Step, store = this.store): Promise<void> {
    const known = this.model.make(this.model.newId(), user)
    const cookie = pick % 3 === 0 ? usedCookie(UNUSED) : undefined
    const session = newSession({ [this.#naming]: user, role: 'first' }, cookie)
    await store.set(known.id, session).catch(async (error) => {
      if (!(error instanceof Fault) || this.#faults.isDead) throw error
      // A revocation that begins after this is final.
      await store.set(known.id, session).finally(() => {
        known.mayBeMadeTwice = known.mayEnd
      })
    })
    this.model.made(known)
  }

  readonly #steps: Record<Kind, (step: Step) => unknown> = {
    'sign in': (step) => this.#signIn(step),
    'sign in limited': async (step) => {
      const store = this.#newStore({ maxUserSessions: 3 })
      await this.#endAll(step.user, () => this.#signIn(step, store), { mayOnly: true })
    },
    'sign in with a shared id': ({ user, session }) =>
      this.store.set(this.model.share(`shared-${session % 2}`), newSession({ [this.#naming]: user })),
    visit: async () => {
      const known = this.model.make(this.model.newId(), undefined)
      await this.store.set(known.id, newSession({ role: 'first' }))
      this.model.made(known)
    },
    'log in': async (step) => {
      await this.#load(this.model.pick(step))
      this.#move(step.user)
      await this.#save()
    },
    request: async (step) => {
      await this.#load(this.model.pick(step))
      this.#change(`p${this.model.next()}`, this.model.next())
      await this.#touch()
      await this.#save()
    },
    createSession: async ({ user }) => {
      const known = this.model.make(this.model.newId(), user)
      const data = { userId: user, expires: inMs(HOUR), role: 'first' }
      await createSession({ ...this.options, sessionId: known.id, data })
      this.model.made(known)
    },
    load: (step) => this.#load(this.model.pick(step)),
    reload: () => this.#held && this.#load(this.#held.known),
    change: () => this.#change(`p${this.model.next()}`, this.model.next()),
    delete: () => {
      const mine = Object.keys(this.#held?.session ?? {}).filter((name) => this.#held?.known.is(this, name))
      if (mine[0]) this.#change(mine[0], undefined)
    },
    save: () => this.#save(),
    'save twice': async () => {
      const first = this.#save()
      this.#change(`p${this.model.next()}`, this.model.next())
      await Promise.all([first, this.#save()])
    },
    'save copy': () =>
      this.#held && this.store.touch(this.#held.known.id, { ...this.#held.session } as LoadedSession),
    touch: () => this.#touch(),
    'touch twice': async () => {
      await this.#touch()
      await new Promise((resolve) => setTimeout(resolve, 1))
      await this.#touch()
    },
    'live longer': () => this.#age(2 * HOUR + MINUTE * this.model.next()),
    'live less': () => this.#age(HOUR / 2 - SECOND * this.model.next()),
    'live for a while': async () => {
      if (!this.#held) return
      this.#held.known.mayEnd = true
      this.model.expires = true
      this.#age(A_WHILE)
      await this.#save()
      await new Promise((resolve) => setTimeout(resolve, A_WHILE / 6))
      await this.#touch()
    },
    'live shortly': async () => {
      if (!this.#held) return
      this.#held.known.mayEnd = true
      this.model.shortLived = true
      this.#held.session.cookie.maxAge = SHORTLY
      await this.#save()
    },
    'sign in as': ({ user }) => this.#move(user),
    'sign out in it': () => this.#move(undefined),
    destroy: (step) => this.#end(this.model.pick(step), (id) => this.store.destroy(id)),
    deleteSession: (step) =>
      this.#end(this.model.pick(step), (sessionId) => deleteSession({ ...this.options, sessionId })),
    expire: (step) => {
      this.model.expires = true
      return this.#end(this.model.pick(step), (id) =>
        this.world.client.pExpireAt(this.world.sessionKey(id), 1),
      )
    },
    destroyUser: ({ user }) => this.#endAll(user, () => this.store.destroyUser(user)),
    'lose an answer': ({ session }) => this.#plan('lost answer', session),
    die: ({ session }) => this.#plan(session % 2 === 0 ? 'death before' : 'death after', session),
    deleteUserSessions: ({ user }) =>
      this.#endAll(user, () => deleteUserSessions({ ...this.options, userId: user })),
    'destroyUser but': ({ user }) => {
      const except = this.#held?.known
      return this.#endAll(user, () => this.store.destroyUser(user, { except: except?.id }), { except })
    },
    destroyUserSession: async (step) => {
      const [known, { user }] = [this.model.pick(step), step]
      if (known.owner !== user && known.owner !== undefined) {
        // The session may become this user's at the same time.
        const done = this.model.revocation(undefined)
        const ended = await this.store.destroyUserSession(user, known.id).finally(done)
        if (ended && known.owner !== undefined) this.model.wrong.push(`${known.id} was ended as of ${user}`)
      } else await this.#endAll(user, () => this.store.destroyUserSession(user, known.id), { only: known })
    },
    updateUser: ({ user }) => this.#update(user, (data) => this.store.updateUser(user, data as never)),
    updateUserSessions: ({ user }) =>
      this.#update(user, (data) => updateUserSessions({ ...this.options, userId: user, data })),
    updateSession: (step) =>
      this.#updateOne(this.model.pick(step), { [`p${this.model.next()}`]: this.model.next() }),
    'updateSession expires': (step) =>
      this.#updateOne(this.model.pick(step), { expires: inMs(MINUTE * (1 + step.session)) }),
    userSessions: ({ user }) =>
      this.#list(user, async () =>
        (await this.store.userSessions(user)).map(({ sessionId, data }) => [sessionId, data]),
      ),
    getUserSessions: ({ user }) =>
      this.#list(user, async () =>
        (await getUserSessions({ ...this.options, userId: user })).map(({ sessionId, data }) => [
          sessionId,
          data,
        ]),
      ),
    all: () => this.store.all(),
    reindex: () => this.store.reindex(),
  }

  #plan(kind: FaultKind, session: number): void {
    this.model.hadFaults = true
    this.#faults.plan(kind, 1 + (session % COMMANDS))
  }

  #age(maxAge: number): void {
    if (this.#held) this.#held.session.cookie.maxAge = maxAge
  }

  async #touch(): Promise<void> {
    if (!this.#held) return
    this.#held.session.touch()
    await this.store.touch(this.#held.known.id, this.#held.session)
  }

  async #load(known: Known): Promise<void> {
    const { ended, isMade } = known
    this.#held = undefined
    const session = await load(this.store, known.id).catch((error) => {
      if (error instanceof Fault) throw error
      return undefined
    })
    if (session && ended) this.model.wrong.push(`${known.id} was ended and loads`)
    if (session) this.#held = { known, session, changes: new Map(), moved: false }
    else if (isMade && !known.mayEnd) this.model.wrong.push(`${known.id} was never ended and does not load`)
  }

  #change(name: string, value: unknown): void {
    if (!this.#held) return
    const { known, session, changes } = this.#held
    known.writers.set(name, this)
    if (value === undefined) delete session[name]
    else session[name] = value
    changes.set(name, value)
  }

  async #save(): Promise<void> {
    if (!this.#held) return
    const { known, session, changes, moved } = this.#held
    if (moved) this.model.moves(known, session[this.#naming])
    const saved = new Map(changes)
    try {
      await this.store.set(known.id, session)
    } catch (error) {
      for (const name of saved.keys()) known.holds.delete(name)
      throw error
    }
    for (const [name, value] of saved) known.holds.set(name, value)
  }

  #move(user: User | undefined): void {
    if (!this.#held) return
    this.#held.session[this.#naming] = user
    this.#held.moved = true
  }

  async #end(known: Known, end: (id: string) => Promise<unknown>): Promise<void> {
    const { isMade } = known
    known.mayEnd = true
    await end(known.id)
    if (isMade) known.ended = true
  }

  /** `mayOnly`: it may end sessions of the user, and need not. */
  async #endAll(
    user: User,
    end: () => Promise<unknown>,
    { except, only, mayOnly = false }: { except?: Known | undefined; only?: Known; mayOnly?: boolean } = {},
  ): Promise<void> {
    const concerned = [...this.model.sessions.values()].filter(
      (known) =>
        known !== except && (!only || known === only) && (known.owner === user || known.owner === undefined),
    )
    for (const known of concerned) known.mayEnd = true
    const certain = concerned.filter((known) => known.isMade && known.owner === user)
    await end().finally(this.model.revocation(only ? undefined : user))
    for (const known of certain) if (known.owner === user && !mayOnly) known.ended = true
  }

  async #update(user: User, update: (data: Fields) => Promise<unknown>): Promise<void> {
    const certain = [...this.model.sessions.values()].filter((known) => known.isMade && known.owner === user)
    const all = [...this.model.sessions.values()]
    const data = { [`p${this.model.next()}`]: this.model.next(), role: `role${this.model.next()}` }
    const change = { role: data.role, start: this.model.next(), end: Number.POSITIVE_INFINITY }
    for (const known of all) known.roles.push(change)
    this.model.roleChanges.push(change)
    await update(data)
    change.end = this.model.next()
    for (const known of certain) {
      if (known.owner !== user) continue
      for (const [name, value] of Object.entries(data)) if (name !== 'role') known.holds.set(name, value)
      known.certainRoles.push(change)
    }
  }

  async #updateOne(known: Known, data: Fields): Promise<void> {
    const { isMade } = known
    try {
      await updateSession({ ...this.options, sessionId: known.id, data })
      for (const [name, value] of Object.entries(data)) if (name !== 'expires') known.holds.set(name, value)
    } catch (error) {
      if (!(error instanceof SessionNotFoundError)) throw error
      if (isMade && !known.mayEnd) this.model.wrong.push(`${known.id} was never ended and is not found`)
    }
  }

  async #list(user: User, list: () => Promise<[string, object][]>): Promise<void> {
    const before = [...this.model.sessions.values()].filter((known) => known.isMade && known.owner === user)
    const ended = new Set(
      [...this.model.sessions.values()].filter((known) => known.ended).map(({ id }) => id),
    )
    const listed = new Map(await list())
    for (const [id, data] of listed) {
      if (!namings.some((name) => (data as Fields)[name] === user))
        this.model.wrong.push(`${id} is listed for ${user}`)
      if (ended.has(id)) this.model.wrong.push(`${id} was ended and is listed`)
    }
    for (const { id, mayEnd, owner } of before) {
      if (!mayEnd && owner === user && !listed.has(id))
        this.model.wrong.push(`${id} is not listed for ${user}`)
    }
  }
}

type RoleChange = { role: string; start: number; end: number }

/** The certain facts about a session. */
class Known {
  isMade = false
  /** Some call has begun to end it, or may have. */
  mayEnd = false
  /** It has ended and must not come back. */
  ended = false
  /** Its sign-in was repeated after a lost answer. If the session had ended in between, this made it anew. */
  mayBeMadeTwice = false
  /** Properties that were saved; `undefined`: deleted. */
  readonly holds = new Map<string, unknown>()
  readonly writers = new Map<string, object>()
  /** Its owners, now or after calls in flight, without the anonymous state. */
  readonly owners = new Set<unknown>()
  /** It was anonymous at some time. */
  wasAnonymous: boolean
  /** Changes of role that may have reached it, and those that must have. */
  readonly roles: RoleChange[] = []
  readonly certainRoles: RoleChange[] = []

  constructor(
    readonly id: string,
    /** `undefined` after a call has begun to change it. */
    public owner: User | undefined,
    /** Others may make it too, before and after: nothing is known of it. */
    readonly isShared = false,
  ) {
    if (owner !== undefined) this.owners.add(owner)
    this.wasAnonymous = owner === undefined && !isShared
  }

  is(actor: object, name: string): boolean {
    return this.writers.get(name) === actor && this.holds.get(name) !== undefined
  }

  wrongIn(found: Found | undefined): string[] {
    const { data, user } = found ?? {}
    if (this.isShared) return []
    if (data && this.ended) return [`${this.id} was ended and lives`]
    if (!data) return this.isMade && !this.mayEnd ? [`${this.id} was never ended and is gone`] : []
    // A save that was made from another user's session is dropped.
    const holdsUnknown = this.owners.size > 1 || this.mayBeMadeTwice
    const held = holdsUnknown ? [] : [...this.holds]
    const lost = held.filter(([name, value]) => !isDeepStrictEqual(data[name], value))
    const wrong = lost.map(([name, value]) => `${this.id}.${name} is ${data[name]}, was saved as ${value}`)
    if (this.owner !== undefined && user !== this.owner) wrong.push(`${this.id} is of ${user}`)
    if (!this.mayHaveRole(data.role)) wrong.push(`${this.id} has the role ${data.role} back`)
    return wrong
  }

  mayHaveRole(role: unknown): boolean {
    const change = this.roles.find((each) => each.role === role)
    if (!change && role !== 'first') return false
    const end = change?.end ?? 0
    return !this.certainRoles.some((later) => later.start > end)
  }
}

class Model {
  readonly sessions = new Map<string, Known>()
  readonly wrong: string[] = []
  readonly roleChanges: RoleChange[] = []
  /** A session ended by its TTL, which leaves its index entry to the next listing. */
  expires = false
  shortLived = false
  /** An answer was lost, or an actor has died. */
  hadFaults = false
  readonly #revocations = new Set<{ user: User | undefined }>()
  #last = 0

  get ids(): string[] {
    return [...this.sessions.keys()]
  }

  get onceAnonymous(): Set<string> {
    return new Set(this.ids.filter((id) => this.sessions.get(id)?.wasAnonymous))
  }

  next(): number {
    return ++this.#last
  }

  newId(): string {
    return `s${this.sessions.size}`
  }

  /** A session that many make under the same id. */
  share(id: string): string {
    if (!this.sessions.has(id)) this.sessions.set(id, new Known(id, undefined, true))
    return id
  }

  make(id: string, owner: User | undefined): Known {
    const known = new Known(id, owner)
    known.roles.push(...this.roleChanges)
    this.sessions.set(id, known)
    if ([...this.#revocations].some(({ user }) => user === owner)) known.mayEnd = true
    return known
  }

  made(known: Known): void {
    known.isMade = true
  }

  moves(known: Known, to: unknown): void {
    known.owner = undefined
    known.owners.add(to)
    if (to === undefined) known.wasAnonymous = true
    if (this.#revocations.size > 0) known.mayEnd = true
  }

  /** Begins a revocation. Returns a function that ends it. */
  revocation(user: User | undefined): () => void {
    const revocation = { user }
    this.#revocations.add(revocation)
    return () => this.#revocations.delete(revocation)
  }

  pick({ session }: Step): Known {
    const all = [...this.sessions.values()]
    return all[session % all.length] as Known
  }
}
