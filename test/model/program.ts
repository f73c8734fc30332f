/**
 * Random programs of several actors, and a model of what must have become of each session. The model claims only what it can
 * know in spite of the races: a session that was alice's from before a sign-out everywhere until after it is gone; a change that
 * was saved is there if its session is; a session that nobody may have ended lives.
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
import { HOUR, inMs, MINUTE } from '../support/database.ts'
import { type LoadedSession, load } from '../support/scene.ts'
import { type Fields, newSession } from '../support/sessions.ts'
import { Turns } from './turns.ts'
import type { World } from './world.ts'

export const users = ['alice', 'bob', 'carol'] as const
type User = (typeof users)[number]

const kinds = [
  ...[
    'sign in',
    'createSession',
    'load',
    'load',
    'load',
    'reload',
    'change',
    'change',
    'delete',
    'save',
    'save',
  ],
  ...['save twice', 'touch', 'touch', 'remember', 'live shortly', 'sign in as', 'sign out in it', 'destroy'],
  ...[
    'destroyUser',
    'destroyUser but',
    'destroyUserSession',
    'deleteSession',
    'deleteUserSessions',
    'updateUser',
  ],
  ...[
    'updateUserSessions',
    'updateSession',
    'updateSession expires',
    'userSessions',
    'getUserSessions',
    'all',
  ],
  ...['reindex', 'expire', 'save copy'],
] as const
type Kind = (typeof kinds)[number]

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

export const program: fc.Arbitrary<Program> = fc.record({
  order: fc.nat(),
  steps: fc.array(
    fc.record({
      actor: fc.nat(MAX_ACTORS - 1),
      kind: fc.constantFrom(...kinds),
      session: fc.nat(50),
      user: fc.constantFrom(...users),
    }),
    { minLength: 1, maxLength: 60, size: 'max' },
  ),
})

/** Runs a program; resolves to what was wrong. */
export async function violationsOf(world: World, { order, steps }: Program): Promise<string[]> {
  const turns = new Turns(order)
  const model = new Model()
  const options = { ...world.options, client: turns.through(world.client) }
  const first = world.store()
  for (const user of users) {
    const id = `first-of-${user}`
    await first.set(id, newSession({ userId: user, role: 'first' }))
    model.made(model.make(id, user))
  }
  const actors = Array.from({ length: MAX_ACTORS }, () => new Actor(world, options, model))
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
  const mayOutlast = world.topology.name === 'cluster'
  const strict = !mayOutlast && !model.expires
  const wrong = await world.violations(model.ids, { strict, mayOutlast })
  for (const known of model.sessions.values()) {
    wrong.push(...known.wrongIn((await world.session(known.id))?.data))
  }
  await Promise.all(users.map((user) => world.store().userSessions(user)))
  wrong.push(...(await world.violations(model.ids, { strict: true, mayOutlast })))
  return [...new Set(wrong)]
}

/** Everything ends by a last write, and nobody lists anything any more: nothing at all may be left, also of entries that were too long. */
async function leftAfterExpiry(world: World, model: Model): Promise<string[]> {
  await Promise.all(
    model.ids.map((sessionId) =>
      updateSession({ ...world.options, sessionId, data: { expires: inMs(2 * SHORTLY) } }).catch((error) => {
        if (!(error instanceof SessionNotFoundError)) throw error
      }),
    ),
  )
  await new Promise((resolve) => setTimeout(resolve, 3 * SHORTLY))
  return (await world.keys()).map((key) => `${key} is left after everything expired`)
}

/** A request, an administrator and a cron job in one: it holds one loaded session. */
class Actor {
  readonly store: UserSessionStore
  #held: { known: Known; session: LoadedSession; changes: Map<string, unknown>; moved: boolean } | undefined

  constructor(
    readonly world: World,
    readonly options: World['options'],
    readonly model: Model,
  ) {
    this.store = new UserSessionStore(options)
  }

  async take(step: Step): Promise<void> {
    try {
      await this.#steps[step.kind](step)
    } catch (error) {
      this.model.wrong.push(`${step.kind} failed: ${inspect(error)}`)
    }
  }

  readonly #steps: Record<Kind, (step: Step) => unknown> = {
    'sign in': async ({ user }) => {
      const known = this.model.make(this.model.newId(), user)
      const session = newSession({ userId: user, role: 'first' })
      await this.store.set(known.id, session)
      this.model.made(known)
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
    touch: () => {
      this.#held?.session.touch()
      if (this.#held) return this.store.touch(this.#held.known.id, this.#held.session)
    },
    remember: () => {
      if (this.#held) this.#held.session.cookie.maxAge = 2 * HOUR + this.model.next()
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
    deleteUserSessions: ({ user }) =>
      this.#endAll(user, () => deleteUserSessions({ ...this.options, userId: user })),
    'destroyUser but': ({ user }) => {
      const except = this.#held?.known
      return this.#endAll(user, () => this.store.destroyUser(user, { except: except?.id }), except)
    },
    destroyUserSession: async (step) => {
      const [known, { user }] = [this.model.pick(step), step]
      if (known.owner !== user && known.owner !== undefined) {
        // It may become his meanwhile.
        const done = this.model.revocation(undefined)
        const ended = await this.store.destroyUserSession(user, known.id).finally(done)
        if (ended && known.owner !== undefined) this.model.wrong.push(`${known.id} was ended as of ${user}`)
      } else await this.#endAll(user, () => this.store.destroyUserSession(user, known.id), undefined, known)
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

  async #load(known: Known): Promise<void> {
    const { ended, isMade } = known
    this.#held = undefined
    const session = await load(this.store, known.id).catch(() => undefined)
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
    if (moved) this.model.moves(known)
    const saved = new Map(changes)
    await this.store.set(known.id, session)
    for (const [name, value] of saved) known.holds.set(name, value)
  }

  async #move(user: User | undefined): Promise<void> {
    if (!this.#held) return
    this.#held.session.userId = user
    this.#held.moved = true
  }

  async #end(known: Known, end: (id: string) => Promise<unknown>): Promise<void> {
    const { isMade } = known
    known.mayEnd = true
    await end(known.id)
    if (isMade) known.ended = true
  }

  async #endAll(user: User, end: () => Promise<unknown>, except?: Known, only?: Known): Promise<void> {
    const concerned = [...this.model.sessions.values()].filter(
      (known) =>
        known !== except && (!only || known === only) && (known.owner === user || known.owner === undefined),
    )
    for (const known of concerned) known.mayEnd = true
    const certain = concerned.filter((known) => known.isMade && known.owner === user)
    const done = this.model.revocation(only ? undefined : user)
    await end()
    done()
    for (const known of certain) if (known.owner === user) known.ended = true
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
      if ((data as Fields).userId !== user) this.model.wrong.push(`${id} is listed for ${user}`)
      if (ended.has(id)) this.model.wrong.push(`${id} was ended and is listed`)
    }
    for (const { id, mayEnd, owner } of before) {
      if (!mayEnd && owner === user && !listed.has(id))
        this.model.wrong.push(`${id} is not listed for ${user}`)
    }
  }
}

type RoleChange = { role: string; start: number; end: number }

/** What is known for sure of a session. */
class Known {
  isMade = false
  /** Someone has begun to end it, or may have. */
  mayEnd = false
  /** Ended for good. */
  ended = false
  /** Properties that were saved; `undefined`: deleted. */
  readonly holds = new Map<string, unknown>()
  readonly writers = new Map<string, object>()
  /** Changes of role that may have reached it, and those that must have. */
  readonly roles: RoleChange[] = []
  readonly certainRoles: RoleChange[] = []

  constructor(
    readonly id: string,
    /** `undefined` once someone has begun to change it. */
    public owner: User | undefined,
  ) {}

  is(actor: object, name: string): boolean {
    return this.writers.get(name) === actor && this.holds.get(name) !== undefined
  }

  wrongIn(data: Fields | undefined): string[] {
    if (data && this.ended) return [`${this.id} was ended and lives`]
    if (!data) return this.isMade && !this.mayEnd ? [`${this.id} was never ended and is gone`] : []
    const lost = [...this.holds].filter(([name, value]) => !isDeepStrictEqual(data[name], value))
    const wrong = lost.map(([name, value]) => `${this.id}.${name} is ${data[name]}, was saved as ${value}`)
    if (this.owner !== undefined && data.userId !== this.owner) wrong.push(`${this.id} is of ${data.userId}`)
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
  readonly #revocations = new Set<{ user: User | undefined }>()
  #last = 0

  get ids(): string[] {
    return [...this.sessions.keys()]
  }

  next(): number {
    return ++this.#last
  }

  newId(): string {
    return `s${this.sessions.size}`
  }

  make(id: string, owner: User): Known {
    const known = new Known(id, owner)
    known.roles.push(...this.roleChanges)
    this.sessions.set(id, known)
    if ([...this.#revocations].some(({ user }) => user === owner)) known.mayEnd = true
    return known
  }

  made(known: Known): void {
    known.isMade = true
  }

  moves(known: Known): void {
    known.owner = undefined
    if (this.#revocations.size > 0) known.mayEnd = true
  }

  /** Resolves to what ends it. */
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
