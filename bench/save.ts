import { onStoredSessions } from './support/hot-path.ts'
import type { Benchmark } from './support/result.ts'

export const benchmark: Benchmark = {
  about: 'Load, change, save: `get`, `createSession`, a changed property, `set`.',
  run: (context) => onStoredSessions('loadChangeSave', context),
}
