import type { ConnectOptions } from './types.ts'

const RECONNECT_AFTER_MS = 20
const COMMAND_TIMEOUT_MS = 5000

/** Options of one connection, in node-redis's words. */
export function clientOptions(options: ConnectOptions = {}) {
  const { disableOfflineQueue = false, reconnectAfter = RECONNECT_AFTER_MS } = options
  return {
    disableOfflineQueue,
    socket: { reconnectStrategy: reconnectAfter },
    commandOptions: commandOptions(options),
  }
}

/** Options of every command. Sentinel and Cluster clients accept them separately from those of their connections. */
export function commandOptions({ commandTimeout = COMMAND_TIMEOUT_MS }: ConnectOptions = {}) {
  return { timeout: commandTimeout }
}
