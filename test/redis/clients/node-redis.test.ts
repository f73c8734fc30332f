/** The commands of the adapter for each kind of node-redis client. */
import { expect } from 'chai'
import { sessionClient } from '../../../src/redis/clients/supported.ts'
import { freshPrefixes } from '../../support/hooks.ts'
import { onEveryTopology } from '../../support/topologies.ts'

describe('A client of node-redis', () => {
  onEveryTopology((topology) => {
    let given: Awaited<ReturnType<ReturnType<typeof topology>['connect']>>
    let key: string
    before(async () => {
      given = await topology().connect()
    })
    beforeEach(() => {
      key = `${freshPrefixes().prefix}k`
    })
    after(() => given.close())

    const expiration = { type: 'PXAT', value: Date.now() + 3_600_000 } as const

    it('sets a key if there is none', async () => {
      const client = sessionClient(given)
      expect(await client.set(key, 'a', { expiration, condition: 'NX' } as never)).to.equal('OK')
      expect(await client.set(key, 'b', { expiration, condition: 'NX' } as never)).to.equal(null)
      expect(await client.get(key)).to.equal('a')
      expect(await given.pExpireTime(key)).to.equal(expiration.value)
    })

    it('sets a key if it holds a value, on a server that can', async () => {
      const client = sessionClient(given)
      await client.set(key, 'a', { expiration } as never)
      const set = (matchValue: string) =>
        client
          .set(key, 'b', { expiration, condition: 'IFEQ', matchValue } as never)
          .catch(({ message }) => message)
      const reply = await set('other')
      expect(reply).to.be.oneOf([null, 'ERR syntax error'])
      if (reply !== null) return
      expect(await client.get(key)).to.equal('a')
      expect(await set('a')).to.equal('OK')
      expect(await client.get(key)).to.equal('b')
      expect(await given.pExpireTime(key)).to.equal(expiration.value)
      await client.getDel(key)
      expect(await set('b')).to.equal(null)
    })

    it('moves an expiry only later, and deletes', async () => {
      const client = sessionClient(given)
      expect(await client.pExpireAt(key, expiration.value, 'GT')).to.equal(0)
      await client.set(key, 'a', { expiration } as never)
      expect(await client.pExpireAt(key, expiration.value + 1, 'GT')).to.equal(1)
      expect(await client.pExpireAt(key, expiration.value, 'GT')).to.equal(0)
      expect(await client.getDel(key)).to.equal('a')
      expect(await client.getDel(key)).to.equal(null)
    })

    it('has one adapter for all stores and functions', () => {
      expect(sessionClient(given)).to.equal(sessionClient(given))
    })
  })
})
