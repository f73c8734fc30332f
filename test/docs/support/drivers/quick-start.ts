import { expectSafeToCopy } from '../copied-app.ts'
import type { Running } from '../driver.ts'

export default async function drive({ url, redisUrl }: Running): Promise<void> {
  await expectSafeToCopy({ url, redisUrl, pages: ['/devices'] })
}
