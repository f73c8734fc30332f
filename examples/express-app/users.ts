/** A few users in memory, in place of your database. */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'

export const ROLES = ['member', 'editor', 'admin'] as const
export type Role = (typeof ROLES)[number]

export type NewUser = Readonly<{ id: string; name: string; role: Role; password: string }>

/** A `User` is never changed in place. So the app can tell whether a `User` is still the current account. */
export type User = Readonly<{ id: string; name: string; role: Role; passwordHash: string }>

export const demoUsers = [
  { id: '1', name: 'ada', role: 'admin', password: 'analytical engine' },
  { id: '2', name: 'grace', role: 'editor', password: 'first compiler' },
  { id: '3', name: 'alan', role: 'member', password: 'universal machine' },
] as const satisfies readonly NewUser[]

export const PASSWORD_LENGTH = { min: 8, max: 200 }

// scrypt with 16 MiB of memory, as OWASP's password storage cheat sheet recommends.
const COST: ScryptOptions = { N: 2 ** 14, r: 8, p: 5 }

/** The stored form of a name, however it was typed. */
export const normalName = (name: string): string => name.trim().toLowerCase()

export class Users {
  readonly #users = new Map<string, User>()
  readonly #cost: ScryptOptions
  // A password hash for names that do not exist, so that both answers take the same time.
  #nobody = ''

  /** `cost` is for tests, which have no secrets to keep. */
  static async create(users: readonly NewUser[], cost = COST): Promise<Users> {
    const created = new Users(cost)
    created.#nobody = await hash(randomBytes(16).toString('hex'), cost)
    const add = async ({ id, name, role, password }: NewUser) => {
      created.#users.set(id, { id, name, role, passwordHash: await hash(password, cost) })
    }
    await Promise.all(users.map(add))
    return created
  }

  private constructor(cost: ScryptOptions) {
    this.#cost = cost
  }

  list(): User[] {
    return [...this.#users.values()].sort((a, b) => a.name.localeCompare(b.name))
  }

  get(id: string): User | undefined {
    return this.#users.get(id)
  }

  async authenticate(name: string, password: string): Promise<User | undefined> {
    const user = this.list().find((user) => user.name === normalName(name))
    const matches = await verify(password, user?.passwordHash ?? this.#nobody, this.#cost)
    return matches ? user : undefined
  }

  passwordMatches(user: User, password: string): Promise<boolean> {
    return verify(password, user.passwordHash, this.#cost)
  }

  async setPassword(user: User, password: string): Promise<User | undefined> {
    return this.#replace(user, { passwordHash: await hash(password, this.#cost) })
  }

  setRole(user: User, role: Role): User | undefined {
    return this.#replace(user, { role })
  }

  /**
   * Call it before you sign a user out everywhere. A sign-in or a new password at the same time then finds a
   * changed account.
   */
  renew(id: string): void {
    const user = this.#users.get(id)
    if (user) this.#users.set(id, { ...user })
  }

  /** Returns undefined if another request changed the account first. */
  #replace(user: User, changes: Partial<User>): User | undefined {
    if (this.#users.get(user.id) !== user) return undefined
    const replaced = { ...user, ...changes }
    this.#users.set(user.id, replaced)
    return replaced
  }
}

const KEY_BYTES = 32

const derive = (password: string, salt: Buffer, cost: ScryptOptions): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    scrypt(password.normalize(), salt, KEY_BYTES, cost, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })

async function hash(password: string, cost: ScryptOptions): Promise<string> {
  const salt = randomBytes(16)
  const key = await derive(password, salt, cost)
  return `${salt.toString('base64url')}.${key.toString('base64url')}`
}

async function verify(password: string, hashed: string, cost: ScryptOptions): Promise<boolean> {
  const [salt, key] = hashed.split('.').map((part) => Buffer.from(part, 'base64url')) as [Buffer, Buffer]
  return timingSafeEqual(await derive(password, salt, cost), key)
}
