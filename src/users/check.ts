/**
 * Checks all sessions and indexes for problems. On a healthy Redis it can find entries of sessions that have just
 * expired.
 */
import type { Access } from '../redis/access.ts'
import { scanKeys } from '../redis/clients/client.ts'
import { isReserved } from '../redis/entry-marks.ts'
import type { IndexPage, Seen, StoredRecord } from '../redis/records.ts'
import { hasEnded, readable, type StoredSession, trueExpiry } from '../redis/stored-session.ts'
import { CorruptSessionError } from '../session/errors.ts'
import { handleOf } from '../session/handle.ts'
import { sessionIds } from './all-sessions.ts'
import { entriesOf, lookAt } from './list.ts'
import { reindexSessions } from './reindex.ts'

/**
 * - `unlisted`: a live session that its owner's index does not list until its expiry.
 * - `stale`: an index entry without a session of this user.
 * - `unreadable`: a record that cannot be parsed, or a value of another Redis type.
 */
export type ProblemKind = 'unlisted' | 'stale' | 'unreadable'

export interface Problem {
  kind: ProblemKind
  /** `null` if the owner is unknown. */
  userId: string | null
  /** base64url SHA-256 of the session id. */
  handle: string
}

interface CheckOptions {
  /** If true, lists the unlisted sessions and removes the stale entries. Unreadable records stay. */
  repair: boolean
  onProblem(problem: Problem): void
}

export interface Checked {
  sessions: number
  /** How many users have an index. */
  users: number
}

/** Works in bounded memory. Each possible problem is checked twice, because apps keep running meanwhile. */
export async function checkSessions(access: Access, { repair, onProblem }: CheckOptions): Promise<Checked> {
  const checked: Checked = { sessions: 0, users: 0 }
  for await (const userId of indexedUsers(access)) {
    checked.users++
    const stale = await staleEntries(access, userId)
    for (const { sessionId } of stale) onProblem({ kind: 'stale', userId, handle: handleOf(sessionId) })
    if (repair && stale.length > 0) await access.records.reconcile(userId, stale)
  }
  let hasUnlisted = false
  for await (const ids of sessionIds(access)) {
    checked.sessions += ids.length
    for (const problem of await problemsOf(access, ids)) {
      if (problem.kind === 'unlisted') hasUnlisted = true
      onProblem(problem)
    }
  }
  if (repair && hasUnlisted) await reindexSessions(access, {})
  return checked
}

async function* indexedUsers({ client, keys, scanCount }: Access): AsyncGenerator<string> {
  for await (const found of scanKeys(client, keys.indexPattern, scanCount)) {
    yield* found.map((key) => keys.userIdOf(key)).filter((userId) => userId !== '')
  }
}

async function staleEntries(access: Access, userId: string): Promise<Seen[]> {
  const first = await lookForStale(access, userId)
  if (first.length === 0) return []
  const again = new Set((await lookForStale(access, userId)).map(({ sessionId }) => sessionId))
  return first.filter(({ sessionId }) => again.has(sessionId))
}

async function lookForStale(access: Access, userId: string): Promise<Seen[]> {
  const stale: Seen[] = []
  for await (const entries of entriesIfAny(access, userId)) {
    const due = entries.filter(({ score }) => score > Date.now() && !isReserved(score))
    for (const look of await lookAt(access, userId, due)) {
      const isTheirs = look.wanted !== null || look.isUnclear
      if (!isTheirs && !(await isOfAnotherStore(access, userId, look.sessionId))) stale.push(look)
    }
  }
  return stale
}

/**
 * Whether another store may own the entry. With default prefixes, `user:sess:eva:sessions` is the index of `eva` in a
 * store with the prefix `sess:`. In a store with the prefix `session:`, it is the index of the user `sess:eva`.
 */
async function isOfAnotherStore({ client }: Access, userId: string, sessionId: string): Promise<boolean> {
  const prefixes = Array.from({ length: userId.length - 1 }, (_, n) => userId.slice(0, n + 1))
  // A key of another type is not a session of this store either.
  const found = await Promise.all(prefixes.map((prefix) => client.get(prefix + sessionId).catch(() => true)))
  return found.some((record) => record !== null && record !== undefined)
}

async function problemsOf(access: Access, ids: string[]): Promise<Problem[]> {
  const first = await lookForProblems(access, ids)
  if (first.size === 0) return []
  const again = await lookForProblems(access, [...first.keys()])
  return [...first].flatMap(([sessionId, problem]) =>
    again.get(sessionId)?.kind === problem.kind ? [problem] : [],
  )
}

/** Resolves to the problems by session id. */
async function lookForProblems(access: Access, ids: string[]): Promise<Map<string, Problem>> {
  const problems = new Map<string, Problem>()
  const asked = Date.now()
  const found = await access.records.read(ids)
  const scores = new Map<string, Map<string, number>>()
  for (const [n, sessionId] of ids.entries()) {
    const stored = found[n] as StoredRecord
    const session = await readable(access, sessionId, stored.raw)
    const handle = handleOf(sessionId)
    if (session === null) {
      const isThere = stored.raw !== null || stored.foreign
      if (isThere) problems.set(sessionId, { kind: 'unreadable', userId: null, handle })
      continue
    }
    const { owner } = session
    if (owner === null || hasEnded(access, session, asked)) continue
    const listed = scores.get(owner) ?? (await scoresOf(access, owner))
    scores.set(owner, listed)
    if (!isListed(access, session, stored, listed.get(sessionId))) {
      problems.set(sessionId, { kind: 'unlisted', userId: owner, handle })
    }
  }
  return problems
}

function isListed(
  access: Access,
  session: StoredSession,
  { expires }: StoredRecord,
  score: number | undefined,
): boolean {
  if (score === undefined) return false
  const end = trueExpiry(access, session, expires)
  return end === null || Math.floor(score) >= Math.floor(end)
}

async function scoresOf(access: Access, userId: string): Promise<Map<string, number>> {
  const scores = new Map<string, number>()
  for await (const entries of entriesIfAny(access, userId)) {
    for (const { sessionId, score } of entries) scores.set(sessionId, score)
  }
  return scores
}

/** A key that is not an index counts as an empty index. */
async function* entriesIfAny(access: Access, userId: string): AsyncGenerator<IndexPage['entries']> {
  try {
    yield* entriesOf(access, userId)
  } catch (error) {
    if (!(error instanceof CorruptSessionError)) throw error
  }
}
