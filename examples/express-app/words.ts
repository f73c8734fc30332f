/** Devices and times as people say them. */
import Bowser from 'bowser'

export type Device = { name: string; kind: 'desktop' | 'mobile' | 'tablet' | 'unknown' }

/** "Safari on iPhone", as far as the user agent tells. */
export function describeDevice(userAgent: string | undefined): Device {
  if (!userAgent) return { name: 'Unknown device', kind: 'unknown' }
  const { browser, os, platform } = Bowser.parse(userAgent)
  const system = platform.model ?? os.name
  const name = [browser.name || 'Unknown browser', system].filter(Boolean).join(' on ')
  return { name, kind: kindOf(platform.type) }
}

function kindOf(type: string | undefined): Device['kind'] {
  return type === 'desktop' || type === 'mobile' || type === 'tablet' ? type : 'unknown'
}

const UNITS = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

const relative = new Intl.RelativeTimeFormat('en')
const absolute = new Intl.DateTimeFormat('en', { dateStyle: 'full', timeStyle: 'long', timeZone: 'UTC' })

/** "2 hours ago" */
export function timeInWords(date: Date, now = Date.now()): string {
  const seconds = (now - date.getTime()) / 1000
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit)
  }
  return 'just now'
}

/** "Monday, November 24, 2025 at 9:41:00 AM UTC" */
export const exactTime = (date: Date): string => absolute.format(date)

export const count = (n: number, one: string): string => `${n} ${n === 1 ? one : `${one}s`}`
