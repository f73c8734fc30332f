/** Caps the cookie that the browser gets at the session's absolute end. */
import type { Session, SessionData } from 'express-session'

/** Lets express-session's `touch`, which moves that cookie, go no further than `end` (ms since 1970). */
export function capTouch(session: Session & Partial<SessionData>, end: () => number): void {
  const { touch } = session
  Object.defineProperty(session, 'touch', {
    configurable: true,
    writable: true,
    value(this: Session) {
      touch.call(this)
      const { expires, originalMaxAge } = this.cookie
      if (!(expires instanceof Date) || expires.getTime() <= end()) return this
      this.cookie.expires = new Date(end())
      // express-session takes a new expiry for a new `maxAge`, but the app's choice stays.
      this.cookie.originalMaxAge = originalMaxAge
      return this
    },
  })
}
