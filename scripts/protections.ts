/**
 * Removes one protection against races at a time, and runs the forced interleavings of test/guarantees/races, and of
 * test/topologies/cluster-steps, without it. Each time a test must fail. Prints a table of the protections with the
 * first test that fails. Exits with 1 if no test fails for one of them.
 *
 *     npm run protections                all of them, some minutes
 *     npm run protections -- gone merge  those whose description contains one of these words, or `server` or `cluster`
 *
 * Some protections exist only on a server with `SET … IFEQ`, others only on a server without it. Run it on both.
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
  /** The kind of server that this protection needs: with or without `SET … IFEQ`. */
  only?: 'ifeq' | 'script'
  file: string
  line: string
  /** The code that replaces the line when the protection is removed. */
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
    line: "{ expiration, condition: 'NX' }",
    without: '{ expiration }',
  },
  {
    what: 'An update of a session that is gone is dropped',
    on: 'server',
    file: 'requests/save.ts',
    line: 'const stored = await this.#mergeable(loaded, base, current)',
    without: [
      'if (current === null) return savingOf(loaded.sessionId, mine, null, null)',
      'const stored = await this.#mergeable(loaded, base, current)',
    ].join('\n'),
  },
  {
    what: 'A save that has read again asks then whether the session was destroyed',
    on: 'server',
    file: 'requests/save.ts',
    line: 'if (stored === null || this.isDestroyed(loaded)) return null',
    without: 'if (stored === null) return null',
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
    line: 'if (base.until !== null && base.until <= Date.now()) return merge(base.raw)',
    without: '',
  },
  {
    what: 'A save does not merge with a session that has ended',
    on: 'server',
    file: 'requests/save.ts',
    line: 'await decodeLive(this.access, loaded.sessionId, current)',
    without: 'await decode(this.access, loaded.sessionId, current)',
  },
  {
    what: 'A save and an update read a session again that seems to have ended',
    on: 'server',
    file: 'redis/stored-session.ts',
    line: 'return hasEnded(access, session) ? await readAgain(access, sessionId) : session',
    without: 'return hasEnded(access, session) ? null : session',
  },
  {
    what: 'Nobody loads a session that has ended',
    on: 'server',
    file: 'requests/load.ts',
    line: 'return hasEnded(access, session) ? await readAgain(access, sessionId) : session',
    without: 'return session',
  },
  {
    what: 'Nobody updates a session that has ended',
    on: 'server',
    file: 'redis/stored-session.ts',
    line: 'return hasEnded(access, session) ? await readAgain(access, sessionId) : session',
    without: 'return session',
  },
  {
    what: 'A session is reported to end when nobody may load it any more',
    on: 'server',
    file: 'redis/stored-session.ts',
    line: 'Math.min(expires ?? forever, until ?? forever, endOf(access, createdOf(data)))',
    without: 'Math.min(expires ?? until ?? forever, endOf(access, createdOf(data)))',
  },
  {
    what: 'A save merges with what another one has written',
    on: 'server',
    file: 'requests/save.ts',
    line: 'mergeSessions(ancestor, after, stored.data)',
    without: 'after',
  },
  {
    what: 'A merge takes `expires` together with a changed `originalMaxAge`',
    on: 'server',
    file: 'requests/merge.ts',
    line: 'isTouchedByOld ? { ...merged, expires: stored.expires } : merged',
    without: 'merged',
  },
  {
    what: 'A save does not merge with another user’s session',
    on: 'server',
    file: 'requests/save.ts',
    line: 'return base.owner === null || owners.includes(stored.owner) ? stored : null',
    without: 'return stored',
  },
  {
    what: 'A save in flight keeps an expiry that an update has set outright',
    on: 'server',
    file: 'requests/save.ts',
    line: 'recorded !== null && (!isOutright || isMoved)',
    without: 'recorded !== null',
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
    line: 'loaded.version = { ...mine.version, until: version.until, created: version.created }',
    without: '',
  },
  {
    what: 'Saves of one session take turns',
    on: 'server',
    file: 'redis/turns.ts',
    line: 'const turn = queue.tail.then(async () => {',
    without: 'const turn = Promise.resolve().then(async () => {',
  },
  {
    what: 'Who destroys a session waits for the save that makes it',
    on: 'server',
    file: 'redis/turns.ts',
    line: 'const result = queue.making.then(() => work(deleted))',
    without: 'const result = work(deleted)',
  },
  {
    what: 'Who loads a session waits for the destroy of it in the same process',
    on: 'server',
    file: 'requests/load.ts',
    line: 'if (destroyed) await destroyed',
    without: '',
  },
  {
    what: 'Who touches a session object waits for the save of that object',
    on: 'server',
    file: 'requests/touch.ts',
    line: 'if (found?.saving) await found.saving.catch(() => {})',
    without: '',
  },
  {
    what: 'A revocation deletes exactly the record that told whose session it is',
    on: 'server',
    file: 'redis/scripts/parts.ts',
    line: "if expected ~= '' and type(current) == 'string' and current ~= expected then",
    without: 'if false then',
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
    line: 'if (outcome.done || outcome.current === null)\n      return await concluded',
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
    line: 'movesExpiry ? { at: seal.expires } : keptExpiry(access, seal, until)',
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
    line: '(until !== null && expires <= until && until - expires <= lifetime / 4)',
    without: '(until !== null && until - expires <= lifetime / 4)',
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
    line: 'return !isSetOutright && expires > Date.now()',
    without: 'return expires > Date.now()',
  },
  {
    what: 'On Cluster a touch of the TTL never shortens it (GT)',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: "await this.client.pExpireAt(this.keys.session(sessionId), expires, 'GT')",
    without: 'await this.client.pExpireAt(this.keys.session(sessionId), expires, undefined as never)',
  },
  {
    what: 'On Cluster an entry is reserved before the session is written',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'const reserved = await this.#reserve(sessionId, owner, until, write.limit)',
    without: "const reserved = { score: '', before: '' } as Claim | 'full'",
  },
  {
    what: 'On Cluster who has made a session settles its entry',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'const settled = await this.#settle(owner, sessionId, reserved.score, until, true)\n    // Another process',
    without: "const settled = 'settled' as string\n    // Another process",
  },
  {
    what: 'On Cluster who has made a session lists it again, if somebody was about to remove its entry',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: "if (settled !== 'settled') await this.#raise(owner, sessionId, until, settled === 'changed')\n    // A revocation",
    without: '// A revocation',
  },
  {
    what: 'On Cluster who has made a session looks if it was revoked meanwhile',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (after.raw !== record && (await this.untilOf(sessionId, after, owner)) === false) {',
    without: 'if (false as boolean) {',
  },
  {
    what: 'On Cluster an entry that was reserved for a write which did not take place goes',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'await this.#withdraw(sessionId, owner, reserved, result.current)\n',
    without: '',
  },
  {
    what: 'A write that Redis did before, and that the client has sent twice, counts as done',
    on: 'server',
    file: 'redis/one-key.ts',
    line: 'return !result.done && result.current === record && record !== expected ? { done: true } : result',
    without: 'return result',
  },
  {
    what: 'On Cluster an entry that was made or raised for a refused write stays as long as the session that is there',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'return ends > Number(before) || isCondemned(Number(before)) ? ends : before',
    without: 'return before',
  },
  {
    what: 'On Cluster a refused write does not restore the stamp of a removal',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'return ends > Number(before) || isCondemned(Number(before)) ? ends : before',
    without: 'return ends > Number(before) ? ends : before',
  },
  {
    what: 'On Cluster a refused write does not end the reservation of another write',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (restored !== claim.before && isReserved(Number(claim.score))) return\n',
    without: '',
  },
  {
    what: 'On Cluster who sees a sign-in refused with an error looks if it was done before',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'const { raw } = await this.#readOne(sessionId)\n    await this.#withdraw',
    without: 'const raw = null\n    await this.#withdraw',
  },
  {
    what: 'On Cluster who loses the answer to a sign-in settles its entry, if it was written',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: ': this.#settleUnanswered(write, owner, reserved)',
    without: ': Promise.resolve()',
  },
  {
    what: 'On Cluster a reserved entry is told from a settled one',
    on: 'cluster',
    file: 'redis/scripts/reserve.ts',
    line: 'local score = marked(ARGV[2], 1, 0)',
    without: 'local score = marked(ARGV[2], 0, 0)',
  },
  {
    what: 'On Cluster nobody removes a reserved entry',
    on: 'cluster',
    file: 'redis/scripts/condemn.ts',
    line: "if makers > 0 and not (isFresh and ARGV[3] == '1') then return '' end",
    without: '',
  },
  {
    what: 'On Cluster an entry is lowered or removed only if nobody has worked on it since',
    on: 'cluster',
    file: 'redis/scripts/settle.ts',
    line: 'reply = score == tonumber(ARGV[2]) and kept >= makers - 1 and 1 or -1',
    without: 'reply = 1',
  },
  {
    what: 'On Cluster who moves the end of a session stamps the entry before',
    on: 'cluster',
    file: 'redis/scripts/raise.ts',
    line: "if makers > 0 or ARGV[3] == '1' then",
    without: 'if makers > 0 then',
  },
  {
    what: 'On Cluster an entry is raised before the record says so',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: "const claim = await this.#raise(owner, sessionId, until, true)\n    // A crash here leaves an entry that ends later than its record, until a save moves the session's end again.\n    const result = await runWrite(this.client, this.keys, write)",
    without:
      'const result = await runWrite(this.client, this.keys, write)\n    const claim = await this.#raise(owner, sessionId, until, true)',
  },
  {
    what: 'On Cluster an entry is lowered if the session is shortened',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'else if (!isReserved(Number(claim.score))) await this.#settle(owner, sessionId, claim.score, until)',
    without: '',
  },
  {
    what: 'On Cluster an entry that was raised for a session which is gone goes',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (!result.done && result.current === null) await this.#unlist(owner, sessionId)\n    else if (!result.done)',
    without: 'if (!result.done)',
  },
  {
    what: 'On Cluster an entry that was raised for a write which did not take place is as it was',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'else if (!result.done) await this.#lower(sessionId, owner, claim, result.current)',
    without: '',
  },
  {
    what: 'On Cluster a session that changes its user leaves the index of the user before',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'await this.#unlist(previous.owner, write.sessionId)',
    without: '',
  },
  {
    what: 'On Cluster a session that is deleted leaves its index',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: "const stamped = owner === null ? '' : await this.#condemnIfPossible(owner, removal)",
    without: "const stamped = '' as string | null",
  },
  {
    what: 'On Cluster who deletes a session looks at it again, if somebody has worked on its entry',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (!isUnlisted) await this.#unlist(owner, sessionId)\n',
    without: '',
  },
  {
    what: 'On Cluster who removes an entry looks at the session first',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: "const ends = until === false ? '' : Math.max(Math.floor(Number(stamped)), until ?? 0)",
    without: "const ends = ''",
  },
  {
    what: 'On Cluster a listing that has listed a session looks at it afterwards',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (until === false) await this.#unlist(owner, sessionId)\n    else if (until !== null)',
    without: 'if (until)',
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
  const tests = ['test/guarantees/races/*.test.ts', 'test/topologies/cluster-steps.test.ts']
  const args = [...tests, '--grep', `on ${topology}`, '--timeout', '5000', '--bail']
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
