/** The entry point of apps with `express-openid-connect`. */
export { type OpenidConnectStore, openidConnectStore } from './adapters/express-openid-connect.ts'
