import { expect } from 'chai'
import { createClient } from 'redis'
import type { Running } from '../driver.ts'

export default async function drive({ lines, redisUrl }: Running): Promise<void> {
  const [read, count] = lines
  expect(read).to.include("userId: 'eva'").and.include("browser: 'Firefox'")
  expect(count).to.equal('1')
  const client = await createClient({ url: redisUrl }).connect()
  expect(await client.dbSize()).to.equal(0)
  await client.close()
}
