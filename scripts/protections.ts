/**
 * Takes away one protection against races at a time, and runs the forced interleavings of test/guarantees/races without it:
 * each must be missed by a test. Prints a table of the protections and of the first test that fails, and exits with 1 if none does.
 *
 *     npm run protections                all of them, some minutes
 *     npm run protections -- gone merge  those whose description contains one of these words, or `server` or `cluster`
 *
 * Some protections are there only on a server that knows `SET … IFEQ`, others only on one that does not: run it on both.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createClient } from 'redis'
import { findRedis } from '../test/support/redis-server.ts'

interface Protection {
  what: string
  on: 'server' | 'cluster'
  /** Only a run on a server that knows `SET … IFEQ`, or on one that does not, comes by it. */
  only?: 'ifeq' | 'script'
  file: string
  line: string
  /** What stands there without the protection. */
  without: string
}

const protections: Protection[] = [
  {
    what: 'A write that moves an entry takes place only if the record is the expected one',
    on: 'server',
    file: 'redis/scripts/write.ts',
    line: 'if current ~= expected then return current and { current } or 0 end',
    without: '',
  },
  {
    what: 'A save of one key takes place only if the record is the expected one',
    on: 'server',
    only: 'script',
    file: 'redis/scripts/replace.ts',
    line: 'if current ~= ARGV[3] then return { current } end',
    without: '',
  },
  {
    what: 'A save of one key brings nothing back',
    on: 'server',
    only: 'script',
    file: 'redis/scripts/replace.ts',
    line: 'if not current then return 0 end',
    without: 'if not current then current = ARGV[3] end',
  },
  {
    what: 'SET takes place only if the record is the expected one (IFEQ)',
    on: 'server',
    only: 'ifeq',
    file: 'redis/clients/node-redis.ts',
    line: "return ['SET', key, value, 'IFEQ', matchValue ?? '', expiration.type, String(expiration.value)]",
    without: "return ['SET', key, value, expiration.type, String(expiration.value)]",
  },
  {
    what: 'An anonymous session is made only if there is none (NX)',
    on: 'server',
    file: 'redis/one-key.ts',
    line: "condition: 'NX',",
    without: '',
  },
  {
    what: 'An update of a session that is gone is dropped',
    on: 'server',
    file: 'requests/save.ts',
    line: 'if (current === null) return null\n    const stored',
    without: 'if (current === null) return savingOf(sessionId, mine, null, null)\n    const stored',
  },
  {
    what: 'An update by the functions of a session that is gone is dropped',
    on: 'server',
    file: 'users/update.ts',
    line: 'if (current === null) return null',
    without: 'if (current === null) return { ...((await changed(raw)) as Write), expected: null }',
  },
  {
    what: 'A save of a session that has ended is dropped',
    on: 'server',
    file: 'requests/save.ts',
    line: 'if (latest?.raw === null || (base.until !== null && base.until <= Date.now())) return { raw: null }',
    without: 'if (latest?.raw === null) return { raw: null }',
  },
  {
    what: 'A save does not merge with a session that has ended',
    on: 'server',
    file: 'requests/save.ts',
    line: 'if (hasEnded(this.access, stored)) return null',
    without: '',
  },
  {
    what: 'Nobody loads a session that has ended',
    on: 'server',
    file: 'requests/load.ts',
    line: 'if (hasEnded(access, session)) return null',
    without: '',
  },
  {
    what: 'Nobody updates a session that has ended',
    on: 'server',
    file: 'users/update.ts',
    line: 'if (hasEnded(access, session) || (userId !== undefined && session.owner !== userId)) return null',
    without: 'if (userId !== undefined && session.owner !== userId) return null',
  },
  {
    what: 'A session is reported to end when nobody may load it any more',
    on: 'server',
    file: 'redis/access.ts',
    line: 'return until === null || expires === null ? (expires ?? until) : Math.min(expires, until)',
    without: 'return expires ?? until',
  },
  {
    what: 'A save merges with what another one has written',
    on: 'server',
    file: 'requests/save.ts',
    line: 'mergeSessions(ancestor, after, stored.data)',
    without: 'after',
  },
  {
    what: 'A save does not merge with another user’s session',
    on: 'server',
    file: 'requests/save.ts',
    line: 'if (base.owner !== null && stored.owner !== null && stored.owner !== base.owner) return null',
    without: '',
  },
  {
    what: 'A save in flight keeps an expiry that an update has set outright',
    on: 'server',
    file: 'requests/save.ts',
    line: 'maxAge !== null && (isMoved || !isSetOutright(stored))',
    without: 'maxAge !== null',
  },
  {
    what: 'What the loaded data is an update of, the session made of it is an update of',
    on: 'server',
    file: 'api/user-session-store.ts',
    line: 'this.#versions.handOver(data, session)',
    without: '',
  },
  {
    what: 'A saved object is remembered as the record it was saved as',
    on: 'server',
    file: 'requests/save.ts',
    line: 'loaded.version = mine.version\n',
    without: '',
  },
  {
    what: 'Saves of one session take turns',
    on: 'server',
    file: 'requests/turns.ts',
    line: 'const turn = queue.tail.then(async () => {',
    without: 'const turn = Promise.resolve().then(async () => {',
  },
  {
    what: 'Who destroys a session waits for the save that makes it',
    on: 'server',
    file: 'api/user-session-store.ts',
    line: 'await this.#saves.turns.made(id)',
    without: '',
  },
  {
    what: 'A revocation deletes exactly the record that told whose session it is',
    on: 'server',
    file: 'redis/scripts/parts.ts',
    line: "if expected ~= '' and type(current) == 'string' and current ~= expected then return { current } end",
    without: '',
  },
  {
    what: 'A revocation of many that meets another record of one looks at that by itself',
    on: 'server',
    file: 'users/revoke.ts',
    line: 'if (outcome.current === null) return false\n  const changed',
    without: 'return false\n  const changed',
  },
  {
    what: 'A revocation that meets another record deletes that, if it is still this user’s',
    on: 'server',
    file: 'users/revoke.ts',
    line: 'if (outcome.done || outcome.current === null) return concluded',
    without: 'if (outcome.done || outcome.current !== undefined) return outcome.done && concluded',
  },
  {
    what: 'A revocation of one user spares what has become another’s',
    on: 'server',
    file: 'users/revoke.ts',
    line: 'if (userId !== undefined && session.session && session.session.owner !== userId) return false',
    without: '',
  },
  {
    what: 'An update of one user spares what has become another’s',
    on: 'server',
    file: 'users/update.ts',
    line: '|| (userId !== undefined && session.owner !== userId)) return null',
    without: ') return null',
  },
  {
    what: 'An update keeps the TTL that touches have moved',
    on: 'server',
    file: 'users/update.ts',
    line: 'movesExpiry ? { at: seal.expires } : keptExpiry(access, seal)',
    without: '{ at: seal.expires }',
  },
  {
    what: 'A listing removes no entry if the record has changed since it looked',
    on: 'server',
    file: 'redis/scripts/reconcile.ts',
    line: "if not current or (current == seen and score == '') then",
    without: "if not current or score == '' then",
  },
  {
    what: 'A listing changes no score if the record has changed since it looked',
    on: 'server',
    file: 'redis/scripts/reconcile.ts',
    line: 'elseif current == seen then',
    without: "elseif score ~= '' then",
  },
  {
    what: 'A touch of the TTL never shortens it (GT)',
    on: 'server',
    file: 'redis/records-atomic.ts',
    line: "await this.client.pExpireAt(this.keys.session(sessionId), expires, 'GT')",
    without: 'await this.client.pExpireAt(this.keys.session(sessionId), expires, undefined as never)',
  },
  {
    what: 'A touch moves the TTL alone only as long as the index lists the session',
    on: 'server',
    file: 'requests/touch.ts',
    line: 'return version.owner === null || (version.until !== null && expires <= version.until)',
    without: 'return true',
  },
  {
    what: 'A touch that says another cookie saves it',
    on: 'server',
    file: 'requests/touch.ts',
    line: 'if (!isSameCookie(cookieData(session) ?? plainCookie, version.cookie)) return false',
    without: '',
  },
  {
    what: 'A touch to an expiry that the app has set saves it',
    on: 'server',
    file: 'requests/touch.ts',
    line: 'if (isSetOutright || expires <= Date.now()) return false',
    without: 'if (expires <= Date.now()) return false',
  },
  {
    what: 'On Cluster a touch of the TTL never shortens it (GT)',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: "await this.client.pExpireAt(this.keys.session(sessionId), expires, 'GT')",
    without: 'await this.client.pExpireAt(this.keys.session(sessionId), expires, undefined as never)',
  },
  {
    what: 'On Cluster who makes a session confirms its entry',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (result.done) await this.#confirm(sessionId, entry, write.record, reserved)\n    else await',
    without: 'if (!result.done) await',
  },
  {
    what: 'On Cluster who has confirmed an entry looks if the session has changed',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (after.raw !== record) await this.#agree(entry.owner, sessionId, after)',
    without: '',
  },
  {
    what: 'On Cluster an entry is reserved before the session is written',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'const reserved = await this.#reserve(sessionId, entry, write.limit)',
    without: "const reserved = '' as string",
  },
  {
    what: 'On Cluster a reserved entry is told from a confirmed one',
    on: 'cluster',
    file: 'redis/scripts/reserve.ts',
    line: '+ 0.5)',
    without: ')',
  },
  {
    what: 'On Cluster a listing leaves a reserved entry alone as long as there is no session',
    on: 'cluster',
    file: 'users/list.ts',
    line: 'if (score % 1 === 0.5) return exists\n',
    without: '',
  },
  {
    what: 'On Cluster nobody removes a reserved entry but who has reserved it',
    on: 'cluster',
    file: 'redis/scripts/lower.ts',
    line: '(not expected and score % 1 ~= 0.5)',
    without: 'not expected',
  },
  {
    what: 'On Cluster an entry is removed only under the score that was seen',
    on: 'cluster',
    file: 'redis/scripts/lower.ts',
    line: 'local takes = score and (expected == score or (not expected and score % 1 ~= 0.5))',
    without: 'local takes = score and score % 1 ~= 0.5',
  },
  {
    what: 'On Cluster who has removed an entry looks at the session afterwards',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (exists(after)) await this.#agree(owner, sessionId, after)\n    return exists(after)',
    without: 'return exists(after)',
  },
  {
    what: 'On Cluster who has made an entry agree looks if the session has changed since',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (after.raw !== found.raw) await this.#agree(owner, sessionId, after)',
    without: '',
  },
  {
    what: 'On Cluster an entry that was reserved for a write which did not take place goes',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'else await this.#unlist(entry.owner, sessionId, reserved)\n    return result',
    without: 'return result',
  },
  {
    what: 'On Cluster who loses the answer to a sign-in confirms its entry, if it was written',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'await this.#settleReserved(write.sessionId, owner, reserved, isReply(error)).catch(() => {})',
    without: '',
  },
  {
    what: 'On Cluster an entry is raised before the record says so',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'const before = await this.#raise(entry.owner, sessionId, entry.until)',
    without: "const before = '' as string",
  },
  {
    what: 'On Cluster an entry is lowered if the session is shortened',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (Number(before) > Number(entry.until)) await this.#lower(entry.owner, sessionId, before, entry.until)',
    without: '',
  },
  {
    what: 'On Cluster who has not raised an entry confirms it, because somebody may have lowered it',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: "if (!isRaised) await this.#confirm(sessionId, entry, write.record, '')",
    without: '',
  },
  {
    what: 'On Cluster an entry that was raised for a session which is gone goes',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: "if (result.current === null) await this.#unlist(entry.owner, sessionId, '')\n",
    without: '',
  },
  {
    what: 'On Cluster a session that changes its user leaves the index of the user before',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: "await this.#unlist(previous.owner, write.sessionId, '')",
    without: '',
  },
  {
    what: 'On Cluster a session that is deleted leaves its index',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: "if (owner !== null && (result.done || result.current === null)) await this.#unlist(owner, sessionId, '')",
    without: '',
  },
  {
    what: 'On Cluster a listing lists nothing if the record has changed since it looked',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (stored.raw !== raw) return true',
    without: '',
  },
  {
    what: 'On Cluster a listing that has listed a session looks at it afterwards',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'await this.#agree(owner, sessionId, after)\n    return exists(after)\n  }\n\n  /** Lists a session',
    without: 'return exists(after)\n  }\n\n  /** Lists a session',
  },
  {
    what: 'On Cluster a revocation of a user looks again, because an entry may have been missing',
    on: 'cluster',
    file: 'users/revoke.ts',
    line: 'const maxLooks = 3',
    without: 'const maxLooks = 1',
  },
]

const root = resolve(import.meta.dirname, '..')
const words = process.argv.slice(2).map((word) => word.toLowerCase())
const chosen = protections.filter(
  ({ what, on }) =>
    words.length === 0 || words.some((word) => on === word || what.toLowerCase().includes(word)),
)
for (const { file, line } of chosen) {
  const source = readFileSync(join(root, 'src', file), 'utf8')
  if (source.split(line).length !== 2) throw new Error(`src/${file} does not have exactly once: ${line}`)
}
const redis = await findRedis()
const kind = (await knowsIfeq(redis.url)) ? 'ifeq' : 'script'
let unnoticed = 0
process.stdout.write('| without | the first test that fails |\n|---|---|\n')
for (const protection of chosen) {
  if (protection.only && protection.only !== kind) {
    process.stdout.write(`| ${protection.what} | (needs another server) |\n`)
    continue
  }
  const failure = failureWithout(protection)
  if (failure === undefined) unnoticed += 1
  process.stdout.write(`| ${protection.what} | ${failure ?? '**NONE**'} |\n`)
}
await redis.stop()
process.exitCode = unnoticed > 0 ? 1 : 0

async function knowsIfeq(url: string): Promise<boolean> {
  const client = createClient({ url })
  await client.connect()
  try {
    return (await client.sendCommand(['SET', 'asked-for-ifeq', 'new', 'IFEQ', 'old'])) === null
  } catch {
    return false
  } finally {
    client.destroy()
  }
}

/** The title of the first interleaving that fails in a copy of this repository without the protection. */
function failureWithout({ file, line, without, on }: Protection): string | undefined {
  const copy = mkdtempSync(join(tmpdir(), 'without-'))
  try {
    for (const name of ['src', 'test', 'package.json', 'tsconfig.json', '.mocharc.json']) {
      cpSync(join(root, name), join(copy, name), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    const path = join(copy, 'src', file)
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace(line, () => without),
    )
    return firstFailure(copy, on)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

function firstFailure(folder: string, topology: string): string | undefined {
  const report = join(folder, 'report.json')
  const mocha = join(root, 'node_modules/mocha/bin/mocha.js')
  const args = ['test/guarantees/races/*.test.ts', '--grep', `on ${topology}`, '--timeout', '5000', '--bail']
  spawnSync(
    process.execPath,
    [mocha, ...args, '--reporter', 'json', '--reporter-option', `output=${report}`],
    {
      cwd: folder,
      stdio: 'ignore',
      env: { ...process.env, REDIS_URL: redis.url, TEST_TOPOLOGIES: topology },
    },
  )
  const { failures } = JSON.parse(readFileSync(report, 'utf8')) as { failures: { fullTitle: string }[] }
  return failures[0]?.fullTitle
}
