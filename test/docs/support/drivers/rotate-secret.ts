import { createHmac } from 'node:crypto'
import { expect } from 'chai'
import type { UserSessionStore } from '../../../../src/index.ts'
import type { Running } from '../driver.ts'

export const env = { SESSION_SECRET: 'the new secret', PREVIOUS_SESSION_SECRET: 'the old secret' }

export default async function drive({ listening, exported }: Running): Promise<void> {
  const url = await listening()
  const store = exported.store as UserSessionStore
  const [cookie = ''] = (await fetch(`${url}/sign-in/eva`, { method: 'POST' })).headers.getSetCookie()
  const [session] = await store.userSessions('eva')
  const id = session?.sessionId as string
  const userOf = async (value: string) =>
    ((await (await fetch(url, { headers: { cookie: value } })).json()) as { user: string | null }).user

  // The first secret signs, and both are accepted.
  expect(cookie).to.include(cookieSignedBy(env.SESSION_SECRET, id))
  expect(await userOf(cookieSignedBy(env.SESSION_SECRET, id))).to.equal('eva')
  expect(await userOf(cookieSignedBy(env.PREVIOUS_SESSION_SECRET, id))).to.equal('eva')
  expect(await userOf(cookieSignedBy('another secret', id))).to.equal(null)
}

function cookieSignedBy(secret: string, sessionId: string): string {
  const signature = createHmac('sha256', secret).update(sessionId).digest('base64').replace(/=+$/, '')
  return `connect.sid=${encodeURIComponent(`s:${sessionId}.${signature}`)}`
}
