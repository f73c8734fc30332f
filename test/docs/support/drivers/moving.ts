import { expect } from 'chai'
import type { Running } from '../driver.ts'

export default async function drive({ lines }: Running): Promise<void> {
  expect(lines).to.deep.equal(['{ scanned: 0, indexed: 0 }'])
}
