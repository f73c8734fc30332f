import { expect } from 'chai'
import type { Running } from '../driver.ts'

export default async function drive({ listening }: Running): Promise<void> {
  const url = await listening()
  const cookies = async (headers: Record<string, string>) =>
    (await fetch(`${url}/sign-in/eva`, { method: 'POST', headers })).headers.getSetCookie()
  expect(await cookies({})).to.deep.equal([])
  const [cookie] = await cookies({ 'x-forwarded-proto': 'https' })
  expect(cookie).to.include('Secure')
}
