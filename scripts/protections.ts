/**
 * Takes away one protection against races at a time, and runs the forced interleavings of test/guarantees/races without it:
 * each must be missed by a test. Prints a table of the lines and of the tests that fail, and exits with 1 where none does.
 *
 *     npm run protections                all of them, some minutes
 *     npm run protections -- gone merge  those whose description contains one of these words
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { findRedis } from '../test/support/redis-server.ts'

interface Protection {
  what: string
  on: 'server' | 'cluster'
  file: string
  line: string
  /** What stands there without the protection. */
  without: string
}

const protections: Protection[] = [
  {
    what: 'A write takes place only where the record is the expected one',
    on: 'server',
    file: 'redis/scripts.ts',
    line: 'if current ~= ARGV[6] then return current and { current } or 0 end',
    without: '',
  },
  {
    what: 'An update of a session that is gone is dropped',
    on: 'server',
    file: 'requests/save.ts',
    line: 'if (current === null) return null\n    const stored',
    without: 'if (current === null) return writeOf(sessionId, mine, null, null, false)\n    const stored',
  },
  {
    what: 'An update by the functions of a session that is gone is dropped',
    on: 'server',
    file: 'users/update.ts',
    line: 'if (current === null) return null',
    without: 'if (current === null) return { ...((await changed(raw)) as Write), expected: null }',
  },
  {
    what: 'A save merges with what another one has written',
    on: 'server',
    file: 'requests/save.ts',
    line: 'const merged = mergeSessions(before, await this.#parse(sessionId, mine.raw), stored)',
    without: 'const merged = await this.#parse(sessionId, mine.raw)',
  },
  {
    what: 'What the loaded data is an update of, the session made of it is an update of',
    on: 'server',
    file: 'api/user-session-store.ts',
    line: 'this.#sessions.handOver(data, session)',
    without: '',
  },
  {
    what: 'A saved object is remembered as the record it was saved as',
    on: 'server',
    file: 'requests/save.ts',
    line: 'loaded.version = mine\n    if (mine.expires',
    without: 'if (mine.expires',
  },
  {
    what: 'Saves of one object take turns',
    on: 'server',
    file: 'requests/save.ts',
    line: 'const { turn: before } = loaded',
    without: 'const before = undefined as Promise<void> | undefined',
  },
  {
    what: 'Who destroys a session waits for the save that makes it',
    on: 'server',
    file: 'api/user-session-store.ts',
    line: 'await this.#saves.created(id)',
    without: '',
  },
  {
    what: 'A revocation deletes exactly the record that told whose session it is',
    on: 'server',
    file: 'redis/scripts.ts',
    line: "if ARGV[4] and type(current) == 'string' and current ~= ARGV[4] then return { current } end",
    without: '',
  },
  {
    what: 'A revocation that meets another record deletes that, if it is still his',
    on: 'server',
    file: 'users/revoke.ts',
    line: 'if (outcome.current === null) return false',
    without: 'return false',
  },
  {
    what: 'A revocation of one user spares what has become another’s',
    on: 'server',
    file: 'users/revoke.ts',
    line: 'if (userId !== undefined && data && !(await isOwnedBy(access, userId, sessionId, data))) return false',
    without: '',
  },
  {
    what: 'An update of one user spares what has become another’s',
    on: 'server',
    file: 'users/update.ts',
    line: 'if (userId !== undefined && !(await isOwnedBy(access, userId, sessionId, data))) return null',
    without: '',
  },
  {
    what: 'A listing changes nothing where the record has changed since it looked',
    on: 'server',
    file: 'redis/scripts.ts',
    line: "if not current or (current == seen and his == '0') then",
    without: "if not current or his == '0' then",
  },
  {
    what: 'A listing changes no score where the record has changed since it looked',
    on: 'server',
    file: 'redis/scripts.ts',
    line: '  elseif current == seen then\n    local expires',
    without: "  elseif his == '1' then\n    local expires",
  },
  {
    what: 'A save that moves no expiry keeps the one that a touch has given meanwhile',
    on: 'server',
    file: 'requests/save.ts',
    line: 'const keepTtl = mine.cookieExpires !== null && mine.cookieExpires === base.cookieExpires',
    without: 'const keepTtl = false',
  },
  {
    what: 'A touch takes place only where the record begins as expected',
    on: 'server',
    file: 'redis/scripts.ts',
    line: "if onKey(1, 'GETRANGE', 0, ARGV[3]) ~= ARGV[4] then return 0 end",
    without: '',
  },
  {
    what: 'A touch takes place only where the index of the expected user lists the session',
    on: 'server',
    file: 'redis/scripts.ts',
    line: "if KEYS[2] and onKey(2, 'ZADD', 'XX', 'CH', ARGV[2], ARGV[1]) == 0 then return 0 end",
    without: "if KEYS[2] then onKey(2, 'ZADD', 'CH', ARGV[2], ARGV[1]) end",
  },
  {
    what: 'A touch of an anonymous session expects the whole record',
    on: 'server',
    file: 'requests/save.ts',
    line: 'const expected = owner === null ? base.raw : splice.from',
    without: 'const expected = splice.from',
  },
  {
    what: 'On Cluster who makes a session lists it again afterwards',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (isNew || moved || lowered || written > expires)',
    without: 'if (moved || lowered || written > expires)',
  },
  {
    what: 'On Cluster who lowers an entry, or gives a session the end that is listed already, looks at it afterwards',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (isNew || moved || lowered || written > expires)',
    without: 'if (isNew || written > expires)',
  },
  {
    what: 'On Cluster who removes an entry puts it back where there is a session he has not seen',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (stored.expires !== null) await this.#confirm(userId, sessionId, stored.expires)\n    return true',
    without: 'return true',
  },
  {
    what: 'On Cluster who puts an entry back looks whether the session has been shortened',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'if (stored.expires !== null) await this.#confirm(userId, sessionId, stored.expires)\n    return true',
    without:
      'if (stored.expires !== null) await this.#raise(userId, sessionId, stored.expires)\n    return true',
  },
  {
    what: 'On Cluster an entry is removed only under the score that was seen',
    on: 'cluster',
    file: 'redis/scripts.ts',
    line: "local same = score and (ARGV[2] == '' or tonumber(score) == tonumber(ARGV[2]))",
    without: 'local same = score',
  },
  {
    what: 'On Cluster a new entry has half a millisecond more until it is confirmed',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'const unconfirmed = 0.5',
    without: 'const unconfirmed = 0',
  },
  {
    what: 'On Cluster an entry that was made for a write which did not take place goes',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'await this.#undoRaise(owner, sessionId, score, before, result.done ? null : result.current)',
    without: '',
  },
  {
    what: 'On Cluster a confirmed entry is lowered where the session has been shortened meanwhile',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'else if (after.expires !== null && after.expires < expires) {',
    without: 'else if (false as boolean) {',
  },
  {
    what: 'On Cluster a confirmed entry is raised where the session has been prolonged meanwhile',
    on: 'cluster',
    file: 'redis/records-cluster.ts',
    line: 'await this.#confirm(owner, sessionId, after.expires)\n    }\n    return after',
    without: '}\n    return after',
  },
]

const root = resolve(import.meta.dirname, '..')
const words = process.argv.slice(2).map((word) => word.toLowerCase())
const chosen = protections.filter(
  ({ what }) => words.length === 0 || words.some((word) => what.toLowerCase().includes(word)),
)
const redis = await findRedis()
let unnoticed = 0
process.stdout.write('| without | tests that fail | such as |\n|---|--:|---|\n')
for (const protection of chosen) {
  const failures = failuresWithout(protection)
  if (failures.length === 0) unnoticed += 1
  process.stdout.write(`| ${protection.what} | ${failures.length} | ${failures[0] ?? '**NONE**'} |\n`)
}
await redis.stop()
process.exitCode = unnoticed > 0 ? 1 : 0

/** The titles of the interleavings that fail in a copy of this repository without the protection. */
function failuresWithout({ file, line, without, on }: Protection): string[] {
  const copy = mkdtempSync(join(tmpdir(), 'without-'))
  try {
    for (const name of ['src', 'test', 'package.json', 'tsconfig.json', '.mocharc.json']) {
      cpSync(join(root, name), join(copy, name), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    const path = join(copy, 'src', file)
    const source = readFileSync(path, 'utf8')
    if (source.split(line).length !== 2) throw new Error(`src/${file} does not have exactly once: ${line}`)
    writeFileSync(
      path,
      source.replace(line, () => without),
    )
    return failures(copy, on)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

function failures(folder: string, topology: string): string[] {
  const report = join(folder, 'report.json')
  const mocha = join(root, 'node_modules/mocha/bin/mocha.js')
  const args = ['test/guarantees/races/*.test.ts', '--grep', `on ${topology}`, '--timeout', '5000']
  spawnSync(
    process.execPath,
    [mocha, ...args, '--reporter', 'json', '--reporter-option', `output=${report}`],
    {
      cwd: folder,
      stdio: 'ignore',
    },
  )
  const { failures } = JSON.parse(readFileSync(report, 'utf8')) as { failures: { fullTitle: string }[] }
  return failures.map(({ fullTitle }) => fullTitle)
}
