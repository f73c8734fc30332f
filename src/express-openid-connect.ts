/** The entry point for apps with `express-openid-connect`. */
export { type OpenidConnectStore, openidConnectStore } from './adapters/express-openid-connect.ts'
