/** Checks what a program of the documentation does while it runs. */
export type Running = {
  /** Resolves to the program's address as soon as it listens. */
  listening: () => Promise<string>
  /** The lines that the program has written with `console.log`. */
  lines: string[]
  /** The page's commands for the program. */
  shell: string[]
  redisUrl: string
  /** The exports of the program. */
  exported: Record<string, unknown>
}

/** A driver's module may also export `env`: variables that are set before the program runs. */
export type DriverModule = { default: Driver; env?: Record<string, string> }

export type Driver = (running: Running) => Promise<void>

/** Sends requests as the `curl` commands of the documentation would: with the options -X, and -b and -c for cookies. */
export class Curl {
  readonly #jars = new Map<string, string>()

  constructor(readonly url: string) {}

  async run(command: string): Promise<{ status: number; body: string }> {
    const words = command.split(' ')
    if (words.shift() !== 'curl') throw new Error(`not a curl command: ${command}`)
    const options = new Map<string, string>()
    while (words[0]?.startsWith('-')) options.set(words.shift() as string, words.shift() as string)
    const [address = ''] = words
    if (words.length !== 1 || !address.startsWith('http://localhost:3000/')) {
      throw new Error(`a curl command that this does not understand: ${command}`)
    }
    const cookie = this.#jars.get(options.get('-b') ?? '')
    const response = await fetch(address.replace('http://localhost:3000', this.url), {
      method: options.get('-X') ?? 'GET',
      headers: cookie ? { cookie } : {},
    })
    const [received] = response.headers.getSetCookie()
    const jar = options.get('-c')
    if (jar && received) this.#jars.set(jar, received.split(';')[0] as string)
    return { status: response.status, body: await response.text() }
  }
}
