import { checkSessionId } from '../session/arguments.ts'
import { badArgument } from '../session/errors.ts'

const indexSuffix = ':sessions'

export const defaultPrefix = 'session:'

/** The default prefix of index keys. Two stores with different prefixes must not share an index. */
export function defaultUserPrefix(prefix: string): string {
  return prefix === defaultPrefix ? 'user:' : `user:${prefix}`
}

/** Makes the key names of sessions and indexes, and the SCAN patterns that find them. */
export class Keys {
  readonly #mayCollide: boolean

  constructor(
    readonly prefix: string,
    readonly userPrefix: string,
  ) {
    this.#mayCollide = prefix.startsWith(userPrefix) || userPrefix.startsWith(prefix)
  }

  /** Returns a session id that a caller has given. Throws a `TypeError` if it cannot be one. */
  checkId(value: unknown): string {
    const sessionId = checkSessionId(value)
    this.session(sessionId)
    return sessionId
  }

  session(sessionId: string): string {
    const key = this.prefix + sessionId
    if (this.isIndex(key))
      throw badArgument('sessionId', 'an id whose key is not that of a user index', sessionId)
    return key
  }

  index(userId: string): string {
    return this.userPrefix + userId + indexSuffix
  }

  /**
   * Whether a key under the session prefix is a user's index. This is possible only if one prefix begins with the
   * other.
   */
  isIndex(key: string): boolean {
    return (
      this.#mayCollide &&
      key.startsWith(this.userPrefix) &&
      key.endsWith(indexSuffix) &&
      key.length > this.userPrefix.length + indexSuffix.length
    )
  }

  sessionIdOf(key: string): string {
    return key.slice(this.prefix.length)
  }

  userIdOf(indexKey: string): string {
    return indexKey.slice(this.userPrefix.length, -indexSuffix.length)
  }

  get sessionPattern(): string {
    return `${escapeGlob(this.prefix)}*`
  }

  get indexPattern(): string {
    return `${escapeGlob(this.userPrefix)}*${indexSuffix}`
  }
}

function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&')
}
