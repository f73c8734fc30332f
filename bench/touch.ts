import { onStoredSessions } from './support/hot-path.ts'
import type { Benchmark } from './support/result.ts'

export const benchmark: Benchmark = {
  about: 'Load and touch, as every request does that changes nothing: `get`, `createSession`, `touch`.',
  run: (context) => onStoredSessions('loadTouch', context),
}
