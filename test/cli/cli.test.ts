/** The command line, in its own process and on a real Redis. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { expect } from 'chai'
import type { UserSessionStore } from '../../src/index.ts'
import { handleOf } from '../../src/session/handle.ts'
import { HOUR, useDatabase } from '../support/database.ts'
import { serve } from '../support/fetch-browser.ts'
import { heard } from '../support/heard.ts'
import { connect, redisUrl } from '../support/hooks.ts'
import { type CliResult, runCli } from '../support/run-cli.ts'
import { newSession, usedCookie } from '../support/sessions.ts'
import { startTopology } from '../support/topologies.ts'

const version = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version

describe('The command line', () => {
  const db = useDatabase()
  let store: UserSessionStore

  beforeEach(() => {
    store = db.store()
  })

  const cli = (...args: string[]): Promise<CliResult> => {
    const { prefix, userPrefix } = db.prefixes
    return runCli([...args, '--prefix', prefix, '--user-prefix', userPrefix])
  }
  const json = async (...args: string[]) => {
    const result = await cli(...args, '--json')
    return { ...result, json: JSON.parse(result.out) }
  }
  const ids = ['a session id', 'another id', 'a third id'] as const
  const secrets = [...ids, 'a secret of the session']

  function hides({ out, err }: CliResult): void {
    for (const secret of secrets) expect(out + err).to.not.include(secret)
  }

  async function makeSessions(): Promise<void> {
    const data = { token: 'a secret of the session' }
    await store.set(ids[0], newSession({ userId: 'eva', ...data }, usedCookie(HOUR / 2)))
    await store.set(ids[1], newSession({ userId: 'eva', ...data }))
    await store.set(ids[2], newSession(data))
  }

  describe('list', () => {
    it('shows handles and times of the sessions, the last used first, and neither ids nor data', async () => {
      await makeSessions()
      const result = await cli('list', 'eva')
      hides(result)
      expect([result.code, result.err]).to.deep.equal([0, ''])
      const [head, ...rows] = result.out.trimEnd().split('\n')
      expect(head).to.match(/^handle +last active +expires +created$/)
      expect(rows.map((row) => row.split(' ')[0])).to.deep.equal([handleOf(ids[1]), handleOf(ids[0])])
    })

    it('prints JSON', async () => {
      await makeSessions()
      const result = await json('list', 'eva')
      hides(result)
      const expected = (await store.userSessions('eva')).map(({ handle, lastActive, expires }) => ({
        handle,
        lastActive: lastActive?.toISOString(),
        expires: expires.toISOString(),
      }))
      expect(result.json).to.deep.equal(expected)
    })

    it('prints that a user has no sessions, with the exit code 1', async () => {
      const result = await cli('list', 'nobody\u001b[31m')
      expect(result).to.deep.equal({ code: 1, out: '"nobody\\u001b[31m" has no sessions\n', err: '' })
      expect((await json('list', 'nobody')).json).to.deep.equal([])
    })
  })

  describe('sign-out', () => {
    it('signs a user out everywhere', async () => {
      await makeSessions()
      const result = await cli('sign-out', 'eva')
      expect(result).to.deep.equal({ code: 0, out: 'signed out 2 sessions of eva\n', err: '' })
      expect(await store.ids()).to.deep.equal([ids[2]])
      expect(await cli('sign-out', 'eva')).to.include({ code: 1, out: 'eva has no sessions\n' })
    })

    it('signs out one session, by its handle, if it is of this user', async () => {
      await makeSessions()
      const handle = handleOf(ids[0])
      expect(await cli('sign-out', 'ada', handle)).to.include({ code: 1, out: 'ada has no such session\n' })
      expect((await json('sign-out', 'eva', handle)).json).to.deep.equal({ signedOut: 1 })
      expect((await store.ids()).sort()).to.deep.equal([ids[2], ids[1]].sort())
    })

    it('announces the sign-out to running apps, which close open connections', async () => {
      const subscriber = await connect()
      const app = db.store({ subscriber })
      const told = heard()
      await app.set(ids[0], newSession({ userId: 'eva' }))
      app.onRevoked(ids[0], told.listener)
      await cli('sign-out', 'eva')
      await told.once()
      expect(told.events).to.deep.equal([{ handle: handleOf(ids[0]), userId: 'eva', reason: 'revoked' }])
      await app.close()
      await subscriber.close()
    })
  })

  it('counts sessions', async () => {
    expect(await cli('count')).to.deep.equal({ code: 0, out: '0\n', err: '' })
    await makeSessions()
    expect((await json('count')).json).to.deep.equal({ sessions: 3 })
  })

  it('reindexes sessions that another store wrote', async () => {
    const record = JSON.stringify(newSession({ userId: 'eva' }))
    await db.client.set(db.sessionKey(ids[0]), record, { expiration: { type: 'EX', value: 3600 } })
    const result = await cli('reindex')
    expect(result).to.deep.equal({
      code: 0,
      out: 'looked at 1 session; 1 have a user and are listed\n',
      err: '',
    })
    expect(Object.keys(await db.index('eva'))).to.deep.equal([ids[0]])
    expect((await json('reindex')).json).to.deep.equal({ scanned: 1, indexed: 1 })
  })

  describe('check', () => {
    it('finds nothing wrong if nothing is', async () => {
      await makeSessions()
      const before = await db.dump()
      expect(await cli('check')).to.deep.equal({ code: 0, out: '3 sessions, 1 user\nno problems\n', err: '' })
      expect(await db.dump()).to.deep.equal(before)
    })

    async function makeProblems(): Promise<void> {
      await makeSessions()
      await store.set('unlisted', newSession({ userId: 'ada' }))
      await db.client.zRem(db.indexKey('ada'), 'unlisted')
      await store.set('listed too short', newSession({ userId: 'ada' }))
      await db.client.zAdd(db.indexKey('ada'), { score: Date.now() + HOUR / 2, value: 'listed too short' })
      await store.set('stale', newSession({ userId: 'eva' }))
      await db.client.del(db.sessionKey('stale'))
      await db.client.zAdd(db.indexKey('eva'), { score: Date.now() + HOUR, value: 'unlisted' })
      await db.client.set(db.sessionKey('corrupt'), 'no JSON', { expiration: { type: 'EX', value: 3600 } })
      await db.client.lPush(db.sessionKey('foreign'), 'a list')
    }

    const found = [
      { kind: 'stale', userId: 'eva', handle: handleOf('stale') },
      { kind: 'stale', userId: 'eva', handle: handleOf('unlisted') },
      { kind: 'unlisted', userId: 'ada', handle: handleOf('unlisted') },
      { kind: 'unlisted', userId: 'ada', handle: handleOf('listed too short') },
      { kind: 'unreadable', userId: null, handle: handleOf('corrupt') },
      { kind: 'unreadable', userId: null, handle: handleOf('foreign') },
    ]

    it('reports problems by handle, and changes nothing', async () => {
      await makeProblems()
      const before = await db.dump()
      const result = await json('check')
      hides(result)
      expect(result.code).to.equal(1)
      const { problems, ...counts } = result.json
      expect(problems).to.have.deep.members(found)
      expect(counts).to.deep.equal({
        sessions: 7,
        users: 2,
        unlisted: 2,
        stale: 2,
        unreadable: 2,
        repaired: 0,
      })
      const { out, code } = await cli('check')
      expect(code).to.equal(1)
      for (const { handle } of found) expect(out).to.include(handle)
      expect(out).to.match(/\n7 sessions, 2 users\n2 not listed, 2 without a session, 2 not readable\n$/)
      expect(await db.dump()).to.deep.equal(before)
    })

    it('repairs indexes, and leaves records alone', async () => {
      await makeProblems()
      const result = await json('check', '--repair')
      expect(result.code).to.equal(1)
      expect(result.json).to.include({ unlisted: 2, stale: 2, unreadable: 2, repaired: 4 })
      expect(Object.keys(await db.index('eva')).sort()).to.deep.equal([ids[0], ids[1]])
      expect(Object.keys(await db.index('ada')).sort()).to.deep.equal(['listed too short', 'unlisted'])
      expect(await db.raw('corrupt')).to.equal('no JSON')
      await db.client.del([db.sessionKey('corrupt'), db.sessionKey('foreign')])
      expect(await cli('check')).to.include({ code: 0, out: '5 sessions, 2 users\nno problems\n' })
    })

    it('leaves the index of another prefix alone, which is named like one of a user of this one', async () => {
      const { prefix, userPrefix } = db.prefixes
      const other = db.store({ prefix: 'sess:', userPrefix: `${userPrefix}sess:` })
      const id = `${prefix}an id that no other app has`
      await other.set(id, newSession({ userId: 'eva' }))
      const result = await json('check', '--repair')
      expect(result.json).to.include({ stale: 0, unlisted: 0 })
      expect(await other.userSessions('eva')).to.have.length(1)
      await other.destroy(id)
    })

    it('treats a key that is not an index as an empty index', async () => {
      await db.client.set(db.indexKey('eva'), 'no index')
      await db.client.set(db.sessionKey(ids[0]), JSON.stringify(newSession({ userId: 'eva' })))
      expect((await json('check')).json).to.include({ unlisted: 1, stale: 0 })
    })
  })

  describe('wrong usage', () => {
    const wrong: [args: string[], message: RegExp][] = [
      [[], /there is no command/],
      [['lists', 'eva'], /the command is unknown; known are list, sign-out, count, reindex, check/],
      [['list'], /list needs a user id/],
      [['list', ''], /<user> must be /],
      [['list', 'eva', 'handle'], /list takes fewer arguments/],
      [['count', 'eva'], /count takes fewer arguments/],
      [['list', 'eva', '--repair'], /--repair is an option of check/],
      [['count', '--perfix', 'x'], /Unknown option '--perfix'/],
      [['count', '--url', 'hunter2'], /must begin with redis:\/\//],
      [['count', '--url', 'http://eva:hunter2@localhost'], /must begin with redis:\/\//],
      [['count', '--url', 'redis://eva:hunter2%@localhost'], /encoded as URLs are/],
      [['redis://eva:hunter2@localhost', 'count'], /the command is unknown/],
    ]

    for (const [args, message] of wrong) {
      it(`is told, with the exit code 2: ${args.join(' ') || 'nothing'}`, async () => {
        const { code, out, err } = await runCli(args)
        expect([code, out]).to.deep.equal([2, ''])
        expect(err).to.match(message).and.include('--help').and.not.include('hunter2')
      })
    }
  })

  describe('without Redis', () => {
    it('reports it, with the exit code 3', async () => {
      const server = await serve(() => {})
      await server.stop()
      const url = server.url.replace('http://', 'redis://eva:hunter2@')
      const { code, out, err } = await runCli(['count', '--url', url])
      expect([code, out]).to.deep.equal([3, ''])
      expect(err)
        .to.match(/^redis-user-sessions: Redis: .*ECONNREFUSED/)
        .and.not.include('hunter2')
    })

    it('reports that Redis does not answer, with the exit code 3', async function () {
      this.timeout(60_000)
      const silent = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
      await once(silent, 'listening')
      try {
        const url = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`
        const { code, out, err } = await runCli(['count', '--url', url])
        expect([code, out]).to.deep.equal([3, ''])
        expect(err).to.match(/^redis-user-sessions: Redis: .*10000ms/)
      } finally {
        silent.close()
      }
    })

    it('reports that Redis refuses the password, and does not show the password', async () => {
      const url = redisUrl().replace('redis://', 'redis://eva:hunter2@')
      const { code, err } = await runCli(['count', '--url', url])
      expect(code).to.equal(3)
      expect(err)
        .to.match(/WRONGPASS/)
        .and.not.include('hunter2')
    })
  })

  it('prints its help and its version', async () => {
    for (const flag of ['--help', '-h']) {
      const { code, out, err } = await runCli([flag])
      expect([code, err]).to.deep.equal([0, ''])
      for (const word of ['list', 'sign-out', 'count', 'reindex', 'check', '--url', 'Exit codes']) {
        expect(out).to.include(word)
      }
    }
    expect(await runCli(['--version'])).to.deep.equal({ code: 0, out: `${version}\n`, err: '' })
  })

  it('works on Redis Cluster', async () => {
    const topology = await startTopology('cluster')
    try {
      const client = await topology.connect()
      const store = db.store({ client: client as never })
      await store.set(ids[0], newSession({ userId: 'eva' }))
      await store.set(ids[1], newSession({ userId: 'eva' }))
      const url = topology.nodes[0]?.server.url as string
      expect((await json('count', '--url', url, '--cluster')).json).to.deep.equal({ sessions: 2 })
      expect((await json('check', '--url', url, '--cluster')).json).to.include({ unlisted: 0, stale: 0 })
      expect((await json('sign-out', 'eva', '--url', url, '--cluster')).json).to.deep.equal({ signedOut: 2 })
      await client.close()
    } finally {
      await topology.stop()
    }
  })

  it('leaves the entries of sessions of connect-redis that only the store’s option `userId` can attribute', async () => {
    const session = newSession({ account: 'eva' })
    await db.client.set(db.prefixes.prefix + ids[0], JSON.stringify(session), { PX: HOUR } as never)
    const own = db.store({ userId: ({ account }: { account?: string }) => account } as never)
    expect(await own.reindex()).to.deep.equal({ scanned: 1, indexed: 1 })
    expect((await cli('list', 'eva')).code).to.equal(1)
    expect((await cli('sign-out', 'eva')).code).to.equal(1)
    expect((await cli('check', '--repair')).code).to.equal(0)
    expect(await own.destroyUser('eva')).to.equal(1)
  })
})
