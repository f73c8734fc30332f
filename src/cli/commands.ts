/** The commands. Each prints its result and resolves to the exit code. */
import { EventEmitter } from 'node:events'
import { accessOf } from '../api/functions.ts'
import { byActivity, userSession } from '../api/user-session.ts'
import type { Access } from '../redis/access.ts'
import type { SubscriberClient } from '../redis/clients/client.ts'
import { checkSessionId, checkUserId } from '../session/arguments.ts'
import { sessionIds } from '../users/all-sessions.ts'
import { Announcements } from '../users/announcements.ts'
import { checkSessions, type Problem, type ProblemKind } from '../users/check.ts'
import { Reports } from '../users/events.ts'
import { listUser } from '../users/list.ts'
import { reindexSessions } from '../users/reindex.ts'
import { revokeByHandle, revokeUser } from '../users/revoke.ts'
import { withRedis } from './connection.ts'
import type { CommandLine, CommandName, Options } from './usage.ts'

const done = 0
const notFound = 1

interface Context {
  access: Access
  args: string[]
  options: Options
  /** A connection that can listen to other processes. */
  subscriber(): Promise<SubscriberClient>
}

export function runCommand({ command, args, options }: CommandLine): Promise<number> {
  const { prefix, 'user-prefix': userPrefix } = options
  return withRedis(options, async (client, second) => {
    const access = accessOf({ client, prefix, userPrefix }, [])
    const subscriber = async () => (await second()) as unknown as SubscriberClient
    return commands[command]({ access, args, options, subscriber })
  })
}

const commands: Record<CommandName, (context: Context) => Promise<number>> = {
  list,
  'sign-out': signOut,
  count,
  reindex,
  check,
}

async function list({ access, args, options }: Context): Promise<number> {
  const userId = checkUserId(args[0], '<user>')
  const listed = await listUser(access, userId)
  const sessions = listed.map((each) => userSession(each, each.session.data as never)).sort(byActivity)
  const rows = sessions.map(({ handle, lastActive, expires, created }) => ({
    handle,
    lastActive,
    expires,
    created,
  }))
  if (options.json) printJson(rows)
  else if (rows.length === 0) print(`${shown(userId)} has no sessions`)
  else printTable(['handle', 'last active', 'expires', 'created'], rows.map(Object.values))
  return rows.length > 0 ? done : notFound
}

/** Announces the revocation, so that apps can close what is open for the sessions. */
async function signOut({ access, args, options, subscriber }: Context): Promise<number> {
  const userId = checkUserId(args[0], '<user>')
  const handle = args[1] === undefined ? undefined : checkSessionId(args[1], '<handle>')
  const emitter = new EventEmitter()
  const announcements = new Announcements(access, emitter, new Reports(emitter), await subscriber())
  try {
    const revoking = await announcements.because('revoked')
    const signedOut = Number(
      handle === undefined
        ? await revokeUser(revoking, userId)
        : await revokeByHandle(revoking, userId, handle),
    )
    if (options.json) printJson({ signedOut })
    else if (signedOut > 0) print(`signed out ${counted(signedOut, 'session')} of ${shown(userId)}`)
    else print(`${shown(userId)} has no ${handle === undefined ? 'sessions' : 'such session'}`)
    return signedOut > 0 ? done : notFound
  } finally {
    await announcements.close()
  }
}

async function count({ access, options }: Context): Promise<number> {
  const ids = new Set<string>()
  for await (const batch of sessionIds(access)) for (const id of batch) ids.add(id)
  if (options.json) printJson({ sessions: ids.size })
  else print(String(ids.size))
  return done
}

async function reindex({ access, options }: Context): Promise<number> {
  const onProgress = ({ scanned, total }: { scanned: number; total: number }) => {
    process.stderr.write(`\r${scanned} of ${total} sessions${scanned === total ? '\n' : ''}`)
  }
  const result = await reindexSessions(access, process.stderr.isTTY ? { onProgress } : {})
  if (options.json) printJson(result)
  else print(`looked at ${counted(result.scanned, 'session')}; ${result.indexed} have a user and are listed`)
  return done
}

const titles: Record<ProblemKind, string> = {
  unlisted: 'live, but not listed',
  stale: 'listed, but without a session',
  unreadable: 'cannot be read',
}

async function check({ access, options }: Context): Promise<number> {
  const { repair, json } = options
  const problems: Problem[] = []
  const counts: Record<ProblemKind, number> = { unlisted: 0, stale: 0, unreadable: 0 }
  const onProblem = (problem: Problem) => {
    counts[problem.kind]++
    const { kind, userId, handle } = problem
    if (json) problems.push(problem)
    else print(`${titles[kind]}: ${userId === null ? '' : `${shown(userId)} `}${handle}`)
  }
  const checked = await checkSessions(access, { repair, onProblem })
  const found = counts.unlisted + counts.stale + counts.unreadable
  const left = repair ? counts.unreadable : found
  if (json) printJson({ ...checked, ...counts, repaired: repair ? found - left : 0, problems })
  else {
    print(`${counted(checked.sessions, 'session')}, ${counted(checked.users, 'user')}`)
    print(found === 0 ? 'no problems' : summary(counts, repair ? found - left : undefined))
  }
  return left === 0 ? done : notFound
}

function summary({ unlisted, stale, unreadable }: Record<ProblemKind, number>, repaired?: number): string {
  const problems = `${unlisted} not listed, ${stale} without a session, ${unreadable} not readable`
  return repaired === undefined ? problems : `${problems}; ${repaired} repaired`
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2))
}

function printTable(head: string[], rows: (string | Date | undefined)[][]): void {
  const cells = rows.map((row) =>
    row.map((cell) => (cell instanceof Date ? cell.toISOString() : (cell ?? '-'))),
  )
  const widths = head.map((title, n) => Math.max(title.length, ...cells.map((row) => row[n]?.length ?? 0)))
  for (const row of [head, ...cells]) {
    print(
      row
        .map((cell, n) => cell.padEnd(widths[n] as number))
        .join('  ')
        .trimEnd(),
    )
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** A user id may contain control characters, which a terminal would obey. */
function shown(userId: string): string {
  return /^[\p{L}\p{N}\p{P}\p{S} ]*$/u.test(userId) ? userId : JSON.stringify(userId)
}
