/** Adds sessions that another store wrote to the indexes of their owners. */
import type { Access } from '../redis/access.ts'
import type { Seen, StoredRecord } from '../redis/records.ts'
import { hasEnded, readable, type StoredSession } from '../redis/stored-session.ts'
import { checkNames } from '../session/arguments.ts'
import { cookieOf } from '../session/cookie.ts'
import { badArgument, CorruptSessionError, SessionConflictError } from '../session/errors.ts'
import { forever } from '../session/expiry.ts'
import { expiryWithoutTtl } from '../session/lifetime.ts'
import { settleAll } from '../session/settle-all.ts'
import { sessionIds } from './all-sessions.ts'

export interface ReindexResult {
  /** How many sessions were read. */
  scanned: number
  /** How many of them have an owner and are in that user's index now. */
  indexed: number
}

export interface ReindexOptions {
  /**
   * Called after each batch. `total` is the number of sessions at the start. If it returns a promise, the next batch waits
   * for it.
   */
  onProgress?: ((progress: ReindexResult & { total: number }) => void) | undefined
  /** Stops the work after the current batch. `reindex` then rejects with the signal's reason. */
  signal?: AbortSignal | undefined
}

export async function reindexSessions(access: Access, options: ReindexOptions = {}): Promise<ReindexResult> {
  const { onProgress, signal } = checkReindexOptions(options)
  const total = onProgress ? await countSessions(access, signal) : 0
  const result: ReindexResult = { scanned: 0, indexed: 0 }
  const corrupt: CorruptSessionError[] = []
  for await (const ids of sessionIds(access)) {
    signal?.throwIfAborted()
    result.indexed += await indexBatch(access, ids, corrupt)
    result.scanned += ids.length
    await onProgress?.({ ...result, total: Math.max(total, result.scanned) })
  }
  if (corrupt[0]) throw corrupt[0]
  return result
}

function checkReindexOptions(options: ReindexOptions): ReindexOptions {
  const { onProgress, signal } = checkNames(options, ['onProgress', 'signal'], 'options') as ReindexOptions
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw badArgument('options.onProgress', 'a function', onProgress)
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw badArgument('options.signal', 'an AbortSignal', signal)
  }
  signal?.throwIfAborted()
  return { onProgress, signal }
}

async function countSessions(access: Access, signal: AbortSignal | undefined): Promise<number> {
  let total = 0
  for await (const ids of sessionIds(access)) {
    signal?.throwIfAborted()
    total += ids.length
  }
  return total
}

/** How often one batch is read. A record that changes all the time can reach this. */
const maxLooks = 1000

/**
 * Resolves to how many of these sessions have an owner. A record that changes before it is listed is read again. If it
 * reads the same and still does not match, it is not valid UTF-8, so it is corrupt. If a key of another type is in the
 * place of a user's index, its error goes to `corrupt`, and the other users are indexed all the same.
 */
async function indexBatch(
  access: Access,
  sessionIds: string[],
  corrupt: CorruptSessionError[],
): Promise<number> {
  const list = (user: string, seen: Seen[]) =>
    access.records.reconcile(user, seen).catch((error) => {
      if (!(error instanceof CorruptSessionError)) throw error
      corrupt.push(error)
      return seen.map(({ sessionId }) => sessionId)
    })
  let indexed = 0
  const read = new Map<string, string | null>()
  let pending = sessionIds
  for (let looks = 0; pending.length > 0; looks++) {
    if (looks === maxLooks) throw new SessionConflictError(pending[0] as string, looks)
    const byUser = await sessionsByUser(access, pending)
    const listed = [...byUser.values()].reduce((sum, sessions) => sum + sessions.length, 0)
    const changed = await settleAll([...byUser].map(([user, seen]) => list(user, seen)))
    const left = new Set(changed.flat())
    indexed += listed - left.size
    const again = [...byUser.values()].flat().filter(({ sessionId }) => left.has(sessionId))
    pending = again.filter(({ sessionId, raw }) => read.get(sessionId) !== raw).map((seen) => seen.sessionId)
    for (const { sessionId, raw } of again) read.set(sessionId, raw)
  }
  return indexed
}

async function sessionsByUser(access: Access, sessionIds: string[]): Promise<Map<string, Seen[]>> {
  const asked = Date.now()
  const found = await access.records.read(sessionIds)
  const byUser = new Map<string, Seen[]>()
  for (const [n, sessionId] of sessionIds.entries()) {
    const { raw, expires } = found[n] as StoredRecord
    const session = await readable(access, sessionId, raw)
    if (session === null || !isSession(session) || hasEnded(access, session, asked)) continue
    const given = expires ?? (await giveExpiry(access, session))
    if (session.owner === null) continue
    const wanted = session.until ?? given
    const seen = byUser.get(session.owner) ?? []
    seen.push({ sessionId, score: null, wanted, raw })
    byUser.set(session.owner, seen)
  }
  return byUser
}

/** Whether a record is a session. JSON with neither a user nor a cookie may be something else under the same prefix. */
function isSession({ owner, data }: StoredSession): boolean {
  return owner !== null || cookieOf(data) !== undefined
}

/**
 * A session without a TTL would stay in Redis forever. It gets the end that its record says, or that its next touch
 * would give it. Resolves to that end, in ms since 1970. If the record has changed meanwhile, nothing is written.
 */
async function giveExpiry(access: Access, session: StoredSession): Promise<number> {
  const { sessionId, raw, owner } = session
  const expires = expiryWithoutTtl(access, session)
  const entry = owner === null ? null : { owner, until: expires }
  await access.records.write({
    sessionId,
    expected: raw,
    record: raw,
    expiry: { keep: true, end: forever, else: expires },
    entry,
    // As if there was no entry yet, so that one is written.
    previous: entry && { ...entry, until: null },
  })
  return expires
}
