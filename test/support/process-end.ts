/**
 * Synchronous clean-up for every usual way in which a process ends: the end of its work, `process.exit`, an uncaught
 * exception, and the signals that would otherwise end it without a word.
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const cleanups = new Set<() => void>()

/** Calls `cleanup` when this process ends; returns a function that takes it back. */
export function onProcessEnd(cleanup: () => void): () => void {
  if (cleanups.size === 0) listen()
  cleanups.add(cleanup)
  return () => {
    cleanups.delete(cleanup)
    if (cleanups.size === 0) unlisten()
  }
}

function listen(): void {
  process.on('exit', cleanUp)
  for (const signal of SIGNALS) process.on(signal, endBySignal)
}

function unlisten(): void {
  process.off('exit', cleanUp)
  for (const signal of SIGNALS) process.off(signal, endBySignal)
}

function cleanUp(): void {
  for (const cleanup of cleanups) cleanup()
  cleanups.clear()
}

/** Where somebody else listens (a graceful shutdown), the end is theirs to bring, and `exit` will clean up. */
function endBySignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return
  cleanUp()
  unlisten()
  process.kill(process.pid, signal)
}
