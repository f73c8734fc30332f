import { expect } from 'chai'
import type { UserSessionStore } from '../../../../src/index.ts'
import type { Running } from '../driver.ts'

export default async function drive({ listening, exported }: Running): Promise<void> {
  const url = await listening()
  const store = exported.store as UserSessionStore
  const signIn = () => fetch(`${url}/sign-in/eva`, { method: 'POST' })
  for (let n = 0; n < 3; n++) expect((await signIn()).status).to.equal(204)
  const refused = await signIn()
  expect(refused.status).to.equal(409)
  expect(await refused.text()).to.include('three devices')
  expect(await store.userSessions('eva')).to.have.lengthOf(3)
  expect(await store.length()).to.equal(3)

  const [device] = await store.userSessions('eva')
  expect(await store.destroyUserSession('eva', device?.handle as string)).to.equal(true)
  expect((await signIn()).status).to.equal(204)
}
