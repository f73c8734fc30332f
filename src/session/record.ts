/** Session data as it is serialized. */
export type SessionRecord = Record<string, unknown>
