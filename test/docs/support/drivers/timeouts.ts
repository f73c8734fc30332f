import { expect } from 'chai'
import type { UserSessionStore } from '../../../../src/index.ts'
import type { Running } from '../driver.ts'

const MINUTE = 60_000

export default async function drive({ listening, exported }: Running): Promise<void> {
  const url = await listening()
  const store = exported.store as UserSessionStore
  const started = Math.floor(Date.now() / 1000) * 1000
  const signIn = await fetch(`${url}/sign-in/eva`, { method: 'POST' })
  const [cookie = ''] = signIn.headers.getSetCookie()
  const [session] = await store.userSessions('eva')

  // Half an hour without a request, in the browser and in Redis.
  const ends = [Date.parse(/Expires=([^;]+)/.exec(cookie)?.[1] ?? ''), session?.expires.getTime()]
  for (const end of ends) expect(end).to.be.within(started + 30 * MINUTE, Date.now() + 30 * MINUTE)

  // The browser's cookie is renewed.
  const page = await fetch(url, { headers: { cookie } })
  expect(await page.json()).to.include({ user: 'eva' })
  expect(page.headers.getSetCookie()[0]).to.include('Expires=')

  // Twelve hours after the sign-in the session has ended, for every cookie.
  expect(session?.created?.getTime()).to.be.within(started, Date.now())
  const remembered = await store.get(session?.sessionId as string)
  if (remembered)
    Object.assign(remembered.cookie, {
      originalMaxAge: 24 * 60 * MINUTE,
      expires: new Date(Date.now() + 24 * 60 * MINUTE),
    })
  await store.set(session?.sessionId as string, remembered as never)
  const [longest] = await store.userSessions('eva')
  expect(longest?.expires.getTime()).to.equal((session?.created?.getTime() as number) + 12 * 60 * MINUTE)
}
