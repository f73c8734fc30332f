/** Everything that the functions and the store need to work on sessions. Each call gets it as its first argument. */
import type { Serializer } from '../session/codec.ts'
import type { Lifetimes } from '../session/lifetime.ts'
import type { UserIdOption } from '../session/owner.ts'
import { isCluster, type SessionClient } from './clients/client.ts'
import { Destroyed } from './destroyed.ts'
import type { Keys } from './keys.ts'
import type { Announcement, Records } from './records.ts'
import { AtomicRecords } from './records-atomic.ts'
import { ClusterRecords } from './records-cluster.ts'
import { readable } from './stored-session.ts'
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
  /** Called after a session was destroyed. `isHeard` is `false` if its message could not be published. */
  onDestroyed?(
    sessionId: string,
    userId: string | null,
    announcement: Announcement | undefined,
    isHeard: boolean,
  ): void
}

type Shared = Pick<Access, 'turns' | 'destroyed'>

/** What all stores and functions with the same client share in this process. */
const shared = new WeakMap<SessionClient, Shared>()

/** Makes an access. Settings that come from an access keep what that access shares, also with another client. */
export function accessOn(settings: Omit<Access, 'records' | keyof Shared>): Access {
  const { client } = settings
  const known = shared.get(client) ?? { turns: new Turns(), destroyed: new Destroyed() }
  shared.set(client, known)
  const access = { ...known, ...settings }
  return { ...access, records: recordsOn(access) }
}

/** Chooses the implementation for the client: Redis Cluster or one server. */
function recordsOn(access: Omit<Access, 'records'>): Records {
  const { client, keys } = access
  if (!isCluster(client)) return new AtomicRecords(client, keys)
  return new ClusterRecords(client, keys, async (sessionId, { raw, foreign, expires }, owner) => {
    if (raw === null) return foreign && expires
    const session = await readable(access, sessionId, raw)
    // A record that cannot be read stays listed, so that its user can revoke it.
    return session === null || session.owner === owner ? (session?.until ?? expires) : false
  })
}
