/** Every client that a test asked for, so that the end of the run can tell which was left open. */
type Closable = { readonly isOpen: boolean; destroy(): unknown }

const given = new Set<Closable>()

/** Has the end of the run check that this client was closed. */
export function tracked<Client extends Closable>(client: Client): Client {
  given.add(client)
  return client
}

/** Closes the clients that their tests left open, which would keep the process alive, and tells how many. */
export function closeForgottenClients(): number {
  const open = [...given].filter((client) => client.isOpen)
  for (const client of open) client.destroy()
  given.clear()
  return open.length
}
