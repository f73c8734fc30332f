/** What this process has written last of a session, while saves of it are under way; `null` if the session is gone. */
export interface Latest {
  raw: string | null
}

interface Queue {
  /** The end of the work so far. */
  tail: Promise<unknown>
  /** The end of the work so far that makes the session. */
  making: Promise<unknown>
  latest: Latest | undefined
}

/**
 * Work on one session takes turns within a process, in the order of the calls. Each turn begins with what the one before has
 * written, so that N overlapping saves cost O(N) commands.
 */
export class Turns {
  readonly #queues = new Map<string, Queue>()

  /** Runs `work` when all work on this session that was begun before has ended. It resolves to what it has written, if it knows. */
  async take(
    sessionId: string,
    makes: boolean,
    work: (latest: Latest | undefined) => Promise<Latest | undefined>,
  ): Promise<void> {
    const queue = this.#queues.get(sessionId) ?? {
      tail: Promise.resolve(),
      making: Promise.resolve(),
      latest: undefined,
    }
    const turn = queue.tail.then(async () => {
      const { latest } = queue
      queue.latest = undefined
      queue.latest = await work(latest)
    })
    const ended: Promise<void> = turn.catch(() => {}).then(() => this.#end(sessionId, queue, ended))
    queue.tail = ended
    if (makes) queue.making = ended
    this.#queues.set(sessionId, queue)
    await turn
  }

  /** Resolves when nobody is making this session any more who began before: whoever destroys it must see it. */
  async made(sessionId: string): Promise<void> {
    await this.#queues.get(sessionId)?.making
  }

  #end(sessionId: string, queue: Queue, ended: Promise<unknown>): void {
    if (queue.tail === ended) this.#queues.delete(sessionId)
  }
}
