/** Caps the browser's cookie at the session's absolute end. */
import type { Session, SessionData } from 'express-session'

/** Wraps express-session's `touch`, which moves that cookie, so that it goes no further than `end` (ms since 1970). */
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
      // express-session computes `maxAge` anew from a new expiry. The `maxAge` that the app chose must stay.
      this.cookie.originalMaxAge = originalMaxAge
      return this
    },
  })
}
