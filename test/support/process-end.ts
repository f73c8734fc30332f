/**
 * Synchronous clean-up for every usual end of a process. That is the end of its work, `process.exit`, an uncaught
 * exception, or a signal that would end it silently.
 */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const cleanups = new Set<() => void>()

/** Calls `cleanup` when this process ends. Returns a function that removes it. */
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

/**
 * If other code listens for the signal (a graceful shutdown), that code ends the process, and `exit` then cleans up.
 */
function endBySignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return
  cleanUp()
  unlisten()
  process.kill(process.pid, signal)
}
