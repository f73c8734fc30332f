/**
 * Keeps a user's sessions within `maxUserSessions`.
 *
 * - With `onLimit: 'evict'`, `enforceLimit` signs out the sessions beyond the limit, after the sign-in.
 * - With `onLimit: 'reject'`, the script that lists the new session refuses it. That is `write` on one server, and
 *   `reserve` on Redis Cluster. `refuseBeyond` then drops the entries of sessions that are gone. After that, the
 *   sign-in can be tried again. On Redis Cluster an entry that a crashed sign-in has reserved stays, and counts.
 */
import type { Access } from '../redis/access.ts'
import { SessionLimitError } from '../session/errors.ts'
import { recordsById } from './list.ts'
import { evict } from './revoke.ts'

/**
 * Signs out the user's sessions that expire soonest, but never `keep`, until `limit` sessions are left. Each deletion
 * happens only if there are still too many sessions. So simultaneous sign-ins end at the limit, and not below it. Each
 * sign-in starts with a different session, so that they do not all try to delete the same one.
 */
export async function enforceLimit(
  access: Access,
  userId: string,
  keep: string,
  limit: number,
): Promise<void> {
  const sessions = await recordsById(access, userId)
  let excess = Math.max(sessions.size - limit, 0)
  sessions.delete(keep)
  const candidates = [...sessions.values()].sort(
    (a, b) => Number(b.evicting) - Number(a.evicting) || a.expires - b.expires,
  )
  const first = candidates.splice(0, excess)
  const start = Math.floor(Math.random() * first.length)
  for (const session of [...first.slice(start), ...first.slice(0, start), ...candidates]) {
    if (excess <= 0) return
    const evicted = await evict(access, userId, session, limit)
    if (evicted === null) return
    if (evicted) excess--
  }
}

/**
 * Called after a script has refused the sign-in. Throws a `SessionLimitError` if the user has `limit` sessions besides
 * `signingIn`. The listing also drops entries of sessions that are gone. If there are fewer then, `requests/save.ts`
 * tries the sign-in again.
 */
export async function refuseBeyond(
  access: Access,
  userId: string,
  signingIn: string,
  limit: number,
): Promise<void> {
  const sessions = await recordsById(access, userId)
  sessions.delete(signingIn)
  if (sessions.size >= limit) throw new SessionLimitError(userId, limit)
}
