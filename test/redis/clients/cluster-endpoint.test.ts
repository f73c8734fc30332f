/** A plain client with the address of a Redis Cluster: its errors contain advice. */
import { expect } from 'chai'
import { createClient, createClientPool, ErrorReply } from 'redis'
import { createSession, type SessionClient, UserSessionStore } from '../../../src/index.ts'
import { tracked } from '../../support/clients.ts'
import { inMs, MINUTE, rejection } from '../../support/database.ts'
import { freshPrefixes } from '../../support/hooks.ts'
import { newSession } from '../../support/sessions.ts'
import { onEveryTopology } from '../../support/topologies.ts'

describe('A client for one server on a Redis Cluster', () => {
  onEveryTopology(
    (topology) => {
      let url: string
      before(() => {
        url = topology().nodes[0]?.server.url as string
      })

      async function withClient(work: (client: SessionClient) => Promise<void>): Promise<void> {
        const client = tracked(
          await createClient({ url })
            .on('error', () => {})
            .connect(),
        )
        const pool = createClientPool({ url }).on('error', () => {})
        await pool.connect()
        try {
          await work(client)
          await work(pool)
        } finally {
          await client.close()
          await pool.close()
        }
      }

      it('fails at a sign-in with an error that names the right client, and keeps the error’s class', () =>
        withClient(async (client) => {
          const store = new UserSessionStore({ client, ...freshPrefixes() })
          const data = { userId: 'eva', expires: inMs(MINUTE) }
          for (const work of [
            () => store.set('s1', newSession({ userId: 'eva' })),
            () => createSession({ client, ...freshPrefixes(), data }),
          ]) {
            const error = await rejection(work())
            expect(error).to.be.instanceOf(ErrorReply)
            expect(error.message).to.match(/^CROSSSLOT .*createCluster.*hash tag/)
            expect(error.stack?.split('createCluster')).to.have.lengthOf(2)
          }
        }))

      it('fails at a key of another node with an error that names the right client', () =>
        withClient(async (client) => {
          const store = new UserSessionStore({ client, ...freshPrefixes() })
          const results = await Promise.allSettled(Array.from({ length: 20 }, (_, n) => store.get(`s${n}`)))
          const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
          expect(errors.length).to.be.greaterThan(0)
          for (const error of errors) {
            expect(error).to.be.instanceOf(ErrorReply)
            expect(error.message).to.match(/^MOVED .*createCluster/)
          }
        }))

      it('works with prefixes whose hash tag belongs to its node', async () => {
        const node = await topology().masterOf('{app}')
        const client = tracked(await createClient({ url: node.server.url }).connect())
        try {
          const store = new UserSessionStore({ client, prefix: '{app}session:', userPrefix: '{app}user:' })
          await store.set('s1', newSession({ userId: 'eva' }))
          expect(await store.destroyUser('eva')).to.equal(1)
        } finally {
          await client.close()
        }
      })

      it('is told apart from a Cluster client, whose errors stay as they are', async () => {
        const cluster = await topology().connect()
        try {
          const store = new UserSessionStore({ client: cluster as SessionClient, ...freshPrefixes() })
          await store.set('s1', newSession({ userId: 'eva' }))
          expect(await store.destroyUser('eva')).to.equal(1)
        } finally {
          await cluster.close()
        }
      })
    },
    ['cluster'],
  )
})
