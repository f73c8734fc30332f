/** Whether the servers of the tests support `SET … IFEQ`. */

interface AnyServer {
  sendCommand(args: string[]): Promise<unknown>
}

let isKnown = false

export function serverKnowsIfeq(): boolean {
  return isKnown
}

/** Asks the server of the next tests. The run's Redis and a topology may have different versions. */
export async function askForIfeq(server: AnyServer, key: string): Promise<void> {
  const reply = await server.sendCommand(['SET', key, 'new', 'IFEQ', 'old']).catch((error: Error) => error)
  if (reply instanceof Error && !reply.message.startsWith('ERR syntax error')) throw reply
  isKnown = reply === null
}
