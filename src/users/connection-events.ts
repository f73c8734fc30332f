/** Gives the connection events of a subscriber the same names for every kind of client. */
import type { SubscriberClient } from '../redis/clients/client.ts'

export interface ConnectionListener {
  /** The client is connected, for the first time or again. */
  connected(): void
  /** An attempt to connect has failed. */
  failed(): void
  /** The client was closed for good. */
  ended?(): void
}

type Handler = [event: string, listener: () => void]

/** Listeners of one client share one handler for each event, because Node warns of more than ten. */
const shared = new WeakMap<SubscriberClient, { all: Set<ConnectionListener>; handlers: Handler[] }>()

/** Adds a listener. Returns a function that removes it. */
export function onConnection(client: SubscriberClient, listener: ConnectionListener): () => void {
  const { all, handlers } = shared.get(client) ?? listenTo(client)
  all.add(listener)
  return () => {
    if (!all.delete(listener) || all.size > 0) return
    for (const handler of handlers) client.off(...handler)
    shared.delete(client)
  }
}

function listenTo(client: SubscriberClient) {
  const all = new Set<ConnectionListener>()
  const connected = () => {
    for (const listener of all) listener.connected()
  }
  const failed = () => {
    for (const listener of all) listener.failed()
  }
  const ended = () => {
    for (const listener of all) listener.ended?.()
  }
  // A Sentinel client reports only errors of its subscribing connection.
  const events = 'use' in client ? ['ready', 'error', 'topology-change'] : ['ready', 'node-ready']
  const handlers: Handler[] = [
    ...events.map((event): Handler => [event, connected]),
    ['reconnecting', failed],
    ['terminated', failed],
    ['end', ended],
  ]
  for (const handler of handlers) client.on(...handler)
  const entry = { all, handlers }
  shared.set(client, entry)
  return entry
}
