import { expectSafeToCopy } from '../copied-app.ts'
import type { Running } from '../driver.ts'

export default async function drive({ listening, redisUrl }: Running): Promise<void> {
  const url = await listening()
  await expectSafeToCopy({ url, redisUrl, pages: ['/devices'] })
}
