/** The mail to a user after a sign-in with a new browser. */
import type { Device } from './devices.ts'
import type { User } from './users.ts'
import { exactTime } from './words.ts'

export type NewSignIn = { user: User; device: Device; at: Date; url: string }

/** Your mailer goes here. It may be asynchronous, and the sign-in does not wait for it. */
export type Notify = (signIn: NewSignIn) => void | Promise<void>

export const printNotice: Notify = (signIn) => console.log(`\n${textOf(signIn)}\n`)

export function textOf({ user, device, at, url }: NewSignIn): string {
  return `To: ${user.name}
Subject: New sign-in with ${device.name}

${device.name} signed in to your account, and you had not used it here before.

  When   ${exactTime(at)}
  Where  ${[device.place, device.ip].filter(Boolean).join(', ') || 'unknown'}

Was this you? Then there is nothing to do.
If not, sign it out and change your password: ${url}`
}
