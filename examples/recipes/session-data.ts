/** The data that the recipes keep in a session. Declare it once in your app. */
declare module 'express-session' {
  interface SessionData {
    userId?: string
    role?: 'admin' | 'editor' | 'member'
    /** The version that the account had when this session began. */
    accountVersion?: number
  }
}
