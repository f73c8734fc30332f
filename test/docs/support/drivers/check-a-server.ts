import { expect } from 'chai'
import { createClient } from 'redis'
import type { Running } from '../driver.ts'

export default async function drive({ lines, redisUrl }: Running): Promise<void> {
  const [data, ...others] = lines
  expect(data).to.include("role: 'admin'").and.include("theme: 'dark'")
  expect(others).to.deep.equal(['1', 'null 0', 'evicts: noeviction'])
  const client = await createClient({ url: redisUrl }).connect()
  expect(await client.dbSize()).to.equal(0)
  await client.close()
}
