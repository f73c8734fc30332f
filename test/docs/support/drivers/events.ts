import { expect } from 'chai'
import { createClient } from 'redis'
import { UserSessionStore } from '../../../../src/index.ts'
import { expectSafeToCopy } from '../copied-app.ts'
import type { Running } from '../driver.ts'

export default async function drive({ listening, redisUrl, lines }: Running): Promise<void> {
  const url = await listening()
  const signIn = await fetch(`${url}/sign-in/eva`, { method: 'POST' })
  const [cookie = ''] = signIn.headers.getSetCookie()
  expect((await fetch(`${url}/events`)).status).to.equal(401)
  const events = await fetch(`${url}/events`, { headers: { cookie } })
  expect(events.status).to.equal(200)

  // Another process of the app.
  const client = await createClient({ url: redisUrl }).connect()
  const subscriber = await client.duplicate().connect()
  const elsewhere = new UserSessionStore({ client, subscriber })
  expect(await elsewhere.destroyUser('eva')).to.equal(1)
  expect(await events.text()).to.include('event: signed-out')
  expect((await fetch(`${url}/events`, { headers: { cookie } })).status).to.equal(401)
  const [created, destroyed] = lines.slice(-2)
  expect(created).to.match(/ of eva is new$/)
  expect(destroyed).to.equal(created?.replace('is new', 'is over: revoked'))
  await client.close()
  await subscriber.close()

  await expectSafeToCopy({ url, redisUrl, pages: ['/events'] })
}
