/** One body for every kind of client: it uses the whole store and all functions, and expects the same results. */
import { expect } from 'chai'
import {
  createSession,
  deleteSession,
  getUserSessions,
  readSession,
  type SupportedClient,
  UserSessionStore,
  updateSession,
} from '../../src/index.ts'
import { HOUR, inMs } from './database.ts'
import { freshPrefixes } from './hooks.ts'
import { fields, newSession } from './sessions.ts'

/** The life of a session through store and functions, the same on all clients. */
export async function everythingWorks(client: SupportedClient, prefixes = freshPrefixes()): Promise<void> {
  const store = new UserSessionStore({ client, ...prefixes })
  const options = { client, ...prefixes }
  const expires = inMs(HOUR)
  await createSession({ ...options, sessionId: 's1', data: { userId: 'eva', expires, text: 'ß🦄' } })
  await updateSession({ ...options, sessionId: 's1', data: { role: 'user' } })
  await store.set('s2', newSession({ userId: 'eva' }))
  const [one, two] = [fields(await store.get('s2')), fields(await store.get('s2'))]
  await store.set('s2', Object.assign(one, { a: 1 }))
  await store.set('s2', Object.assign(two, { b: 2 }))
  await store.touch('s2', two)

  expect(await readSession({ ...options, sessionId: 's1' })).to.deep.equal({
    userId: 'eva',
    expires,
    text: 'ß🦄',
    role: 'user',
  })
  expect(fields(await store.get('s2'))).to.include({ a: 1, b: 2 })
  expect(await getUserSessions({ ...options, userId: 'eva' })).to.have.lengthOf(2)
  const listed = await store.userSessions('eva')
  expect(listed.map(({ sessionId }) => sessionId)).to.deep.equal(['s2', 's1'])
  expect(listed[1]?.expires).to.deep.equal(new Date(expires))
  expect((await store.ids()).sort()).to.deep.equal(['s1', 's2'])
  expect(await store.all()).to.have.lengthOf(2)
  expect(await store.reindex()).to.deep.equal({ scanned: 2, indexed: 2 })

  expect(await store.updateUser('eva', { c: 3 } as never)).to.equal(2)
  expect(await store.destroyUserSession('eva', listed[0]?.handle as string)).to.equal(true)
  await deleteSession({ ...options, sessionId: 's1' })
  await store.set('s2', two)
  expect(await store.get('none')).to.equal(null)
  expect(await store.userSessions('eva')).to.deep.equal([])
  await store.set('s3', newSession({ userId: 'eva' }))
  expect(await store.destroyUser('eva')).to.equal(1)
  await store.clear()
  expect(await store.length()).to.equal(0)
}
