/**
 * For apps with `unset: 'destroy'`: a session that could not be loaded is not signed out. With that option express-session
 * destroys the session of a request that ends without `req.session`. A failed load leaves a request without one.
 *
 *     app.use(session({ store, unset: 'destroy', … }))
 *     app.use(keepOnFailedLoad)
 */
import type { ErrorRequestHandler, Request } from 'express'

export const keepOnFailedLoad: ErrorRequestHandler = (error, req: Partial<Request>, _res, next) => {
  // Without an id express-session has nothing to destroy.
  if (!req.session) delete req.sessionID
  next(error)
}
