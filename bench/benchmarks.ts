/** Every benchmark by its name, which is that of its file, in the order in which they run. */
import type { Benchmark } from './support/result.ts'

export const benchmarks: Record<string, () => Promise<{ benchmark: Benchmark }>> = {
  get: () => import('./get.ts'),
  save: () => import('./save.ts'),
  touch: () => import('./touch.ts'),
  'sign-in': () => import('./sign-in.ts'),
  page: () => import('./page.ts'),
  'user-sessions': () => import('./user-sessions.ts'),
  'destroy-user': () => import('./destroy-user.ts'),
  all: () => import('./all.ts'),
  memory: () => import('./memory.ts'),
  'server-cost': () => import('./server-cost.ts'),
}
