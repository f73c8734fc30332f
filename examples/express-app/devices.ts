/** A user's sessions as devices. This file returns handles, and never session ids. */
import type { SessionData } from 'express-session'
import type { UserSession, UserSessionStore } from 'redis-user-sessions'
import type { DescribePlace } from './places.ts'
import { describeDevice, type Kind } from './words.ts'

export type Device = {
  handle: string
  /** Unlike that of the user's other devices: "Safari on iPhone (2)". */
  name: string
  kind: Kind
  /** The browser that asks. */
  current: boolean
  ip?: string
  place?: string
  signedInAt?: Date
  lastActive?: Date
  expires: Date
  remembered: boolean
  /** Signed in not long ago, with a browser that the user had not used before. */
  isNew: boolean
}

const NEW_FOR_DAYS = 7

/** The devices of a user, this one first, then the one that was used last. */
export async function devicesOf(
  store: UserSessionStore,
  describePlace: DescribePlace,
  userId: string,
  currentId: string,
): Promise<Device[]> {
  const sessions = await store.userSessions(userId)
  const devices = await Promise.all(sessions.map((session) => describe(session, currentId, describePlace)))
  nameApart(devices)
  return devices.sort((a, b) => Number(b.current) - Number(a.current))
}

async function describe(
  { sessionId, handle, data, lastActive, expires }: UserSession,
  currentId: string,
  describePlace: DescribePlace,
): Promise<Device> {
  const { ip } = data
  return {
    ...describeDevice(data.userAgent),
    handle,
    current: sessionId === currentId,
    ip,
    place: ip === undefined ? undefined : await describePlace(ip),
    signedInAt: dateOf(data.signedInAt),
    lastActive,
    expires,
    remembered: data.remembered === true,
    isNew: isNew(data),
  }
}

const dateOf = (text: string | undefined) => (text === undefined ? undefined : new Date(text))

const isNew = ({ newBrowser, signedInAt = '' }: SessionData): boolean =>
  newBrowser === true && Date.now() - Date.parse(signedInAt) < NEW_FOR_DAYS * 86_400_000

/**
 * Numbers devices with the same name; the first one to sign in gets no number. So the name of a link
 * identifies the device.
 */
function nameApart(devices: Device[]): void {
  const seen = new Map<string, number>()
  const bySignIn = [...devices].sort(
    (a, b) => Number(a.signedInAt) - Number(b.signedInAt) || a.handle.localeCompare(b.handle),
  )
  for (const device of bySignIn) {
    const { name } = device
    const n = (seen.get(name) ?? 0) + 1
    seen.set(name, n)
    if (n > 1) device.name = `${name} (${n})`
  }
}

const GROUPS: [Kind, string][] = [
  ['desktop', 'Computers'],
  ['mobile', 'Phones'],
  ['tablet', 'Tablets'],
  ['unknown', 'Others'],
]

/** This device by itself, and the others by their kind. */
export function grouped(devices: Device[]): { title: string; devices: Device[] }[] {
  const groups = GROUPS.map(([kind, title]) => ({
    title,
    devices: devices.filter((device) => !device.current && device.kind === kind),
  }))
  const current = { title: 'This device', devices: devices.filter(({ current }) => current) }
  return [current, ...groups].filter(({ devices }) => devices.length > 0)
}
