/** Devices and times in people's words. */
import Bowser from 'bowser'

export { timeInWords } from './public/times.js'

export type Kind = 'desktop' | 'mobile' | 'tablet' | 'unknown'

/** "Safari on iPhone", if the user agent contains it. */
export function describeDevice(userAgent: string | undefined): { name: string; kind: Kind } {
  if (!userAgent) return { name: 'Unknown device', kind: 'unknown' }
  const { browser, os, platform } = Bowser.parse(userAgent)
  const system = platform.model ?? os.name
  const name = [browser.name || 'Unknown browser', system].filter(Boolean).join(' on ')
  return { name, kind: kindOf(platform.type) }
}

function kindOf(type: string | undefined): Kind {
  return type === 'desktop' || type === 'mobile' || type === 'tablet' ? type : 'unknown'
}

const absolute = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' })

/** "Nov 24, 2026, 9:41 AM UTC". live.js turns it into the user's local time. */
export const exactTime = (date: Date): string => `${absolute.format(date)} UTC`

export const count = (n: number, one: string): string => `${n} ${n === 1 ? one : `${one}s`}`
