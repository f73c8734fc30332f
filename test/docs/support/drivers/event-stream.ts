import { expect } from 'chai'
import type { UserSessionStore } from '../../../../src/index.ts'
import type { Running } from '../driver.ts'

export default async function drive({ listening, exported }: Running): Promise<void> {
  const url = await listening()
  const store = exported.store as UserSessionStore
  expect((await fetch(`${url}/events`)).status).to.equal(401)
  const signIn = await fetch(`${url}/sign-in/eva`, { method: 'POST' })
  const [cookie = ''] = signIn.headers.getSetCookie()
  const stream = await fetch(`${url}/events`, { headers: { cookie } })
  expect(stream.headers.get('content-type')).to.include('text/event-stream')

  expect(await store.destroyUser('eva')).to.equal(1)
  expect(await stream.text()).to.equal(': hello\n\nevent: signed-out\ndata:\n\n')
  expect((await fetch(`${url}/events`, { headers: { cookie } })).status).to.equal(401)
}
