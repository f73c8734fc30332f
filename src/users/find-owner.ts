import type { Access } from '../redis/access.ts'
import { scanKeys } from '../redis/clients/client.ts'
import type { SessionRecord } from '../redis/records.ts'
import { passportUser } from '../session/owner.ts'
import { settleAll } from '../session/settle-all.ts'

/**
 * Whose index lists a session; `null` for nobody's. Asks the index that Passport's user id suggests first, and where that is
 * not it, every index in turn: with many users that takes a while, in steps that do not hold the server.
 */
export async function findOwner(
  access: Access,
  sessionId: string,
  data: SessionRecord,
): Promise<string | null> {
  const guess = passportUser(data)
  if (guess !== undefined && (await access.records.lists(String(guess), sessionId))) return String(guess)
  for await (const keys of scanKeys(access.client, access.keys.indexPattern, access.scanCount)) {
    const users = keys.map((key) => access.keys.userIdOf(key))
    const lists = await settleAll(users.map((user) => access.records.lists(user, sessionId)))
    const found = lists.indexOf(true)
    if (found !== -1) return users[found] as string
  }
  return null
}
