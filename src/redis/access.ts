/** Everything that the functions and the store need to work on sessions. Each call gets it as its first argument. */
import type { Serializer } from '../session/codec.ts'
import type { Lifetimes } from '../session/lifetime.ts'
import type { UserIdOption } from '../session/owner.ts'
import type { SessionClient } from './clients/client.ts'
import { Destroyed } from './destroyed.ts'
import type { Keys } from './keys.ts'
import type { Announcement, Records } from './records.ts'
import { Turns } from './turns.ts'

export interface Access extends Lifetimes {
  client: SessionClient
  keys: Keys
  records: Records
  turns: Turns
  /** What this process has destroyed. */
  destroyed: Destroyed
  serializer: Serializer
  userId: UserIdOption
  /**
   * The store may use an option `userId` that the functions were not given. Then the owner of a record without a note
   * is a guess.
   */
  guessesUsers?: boolean
  scanCount: number
  /** Returns the message that the removal of a session publishes, if any. */
  announce?(sessionId: string, userId: string | null): Announcement | undefined
  /** Called after a session was destroyed, with the message that was published. */
  onDestroyed?(sessionId: string, userId: string | null, announcement: Announcement | undefined): void
  /** Called if the message could not be published. */
  unannounced?(): void
}

type Shared = Pick<Access, 'turns' | 'destroyed'>

const shared = new WeakMap<SessionClient, Shared>()

/** Returns what all stores and functions with this client share in this process. */
export function sharedOn(client: SessionClient): Shared {
  const known = shared.get(client) ?? { turns: new Turns(), destroyed: new Destroyed() }
  shared.set(client, known)
  return known
}
