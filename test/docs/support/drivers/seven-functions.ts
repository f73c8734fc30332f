import { expect } from 'chai'
import { createClient } from 'redis'
import type { Running } from '../driver.ts'

export default async function drive({ lines, redisUrl }: Running): Promise<void> {
  const [read, listed] = lines
  expect(read).to.match(/userId: 'eva'.*role: 'admin'.*theme: 'dark'/s)
  expect(listed?.match(/sessionId:/g)).to.have.lengthOf(2)
  const client = await createClient({ url: redisUrl }).connect()
  expect(await client.dbSize()).to.equal(0)
  await client.close()
}
