/** Every client of a test. At the end of the run, the tests report the clients that were left open. */
type Closable = { readonly isOpen: boolean; destroy(): unknown }

const given = new Set<Closable>()

/** Has the end of the run check that this client was closed. */
export function tracked<Client extends Closable>(client: Client): Client {
  given.add(client)
  return client
}

/** Closes the clients that tests left open, because they would keep the process alive. Returns how many there were. */
export function closeForgottenClients(): number {
  const open = [...given].filter((client) => client.isOpen)
  for (const client of open) client.destroy()
  given.clear()
  return open.length
}
