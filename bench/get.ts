import { onStoredSessions } from './support/hot-path.ts'
import type { Benchmark } from './support/result.ts'

export const benchmark: Benchmark = {
  about: "Loading a session: the store's `get`.",
  run: (context) => onStoredSessions('get', context),
}
