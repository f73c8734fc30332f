/**
 * Lets a browser whose session cannot be read sign in again. Without this, each of its requests fails until the record
 * expires. express-session loads the session before any route runs, also before the sign-in page.
 *
 *     app.use(session({ store, … }))
 *     app.use(replaceCorruptSession)
 */
import type { ErrorRequestHandler } from 'express'

export const replaceCorruptSession: ErrorRequestHandler = (error, req, _res, next) => {
  // Handle only a session that this request could not load. An outage of Redis or of a key service destroys
  // nothing.
  if (error?.code !== 'SESSION_CORRUPT' || req.session) return next(error)
  // Do not log the error. Its message contains the session id. Its cause may contain a part of the record.
  console.warn('A session could not be read, and was replaced by an anonymous one')
  // Deletes the record and its index entry, and gives the browser a new session id.
  req.sessionStore.regenerate(req, next)
}
