import { expect } from 'chai'
import type { Running } from '../driver.ts'

type Sessions = {
  client: { close(): Promise<void> }
  signIn(cookies: unknown, userId: string): Promise<void>
  currentSession(cookies: unknown): Promise<{ sessionId: string; data: { userId: string } } | null>
  signOut(cookies: unknown): Promise<void>
}

/** The part of the result of Next.js's `cookies()` that the test needs. */
class Cookies {
  readonly #values = new Map<string, { value: string; options: object }>()
  get(name: string) {
    return this.#values.get(name)
  }
  set(name: string, value: string, options: object) {
    this.#values.set(name, { value, options })
  }
  delete(name: string) {
    this.#values.delete(name)
  }
}

export default async function drive({ exported }: Running): Promise<void> {
  const { signIn, currentSession, signOut, client } = exported as Sessions
  const [phone, laptop] = [new Cookies(), new Cookies()]
  expect(await currentSession(phone)).to.equal(null)
  for (const cookies of [phone, laptop]) await signIn(cookies, 'eva')
  expect(phone.get('session')?.options).to.include({ httpOnly: true, sameSite: 'lax' })
  expect((await currentSession(phone))?.data.userId).to.equal('eva')

  const stolen = new Cookies()
  stolen.set('session', phone.get('session')?.value as string, {})
  await signOut(phone)
  expect(phone.get('session')).to.equal(undefined)
  expect(await currentSession(stolen)).to.equal(null)
  expect((await currentSession(laptop))?.data.userId).to.equal('eva')
  await client.close()
}
