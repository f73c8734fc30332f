/** Parts of a benchmark that run in their own process, and answer one message at a time. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { onProcessEnd } from '../../test/support/process-end.ts'

export interface Child {
  /** Sends a message and resolves to the answer. */
  ask<Answer>(message: object): Promise<Answer>
  stop(): Promise<void>
}

export function startChild(module: URL, nodeOptions: readonly string[] = []): Child {
  const child = fork(module, {
    execArgv: ['--import', 'tsx', ...nodeOptions],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const forget = onProcessEnd(() => child.kill('SIGKILL'))
  return {
    async ask<Answer>(message: object): Promise<Answer> {
      const done = new AbortController()
      try {
        child.send(message)
        const [answer] = await Promise.race([once(child, 'message', done), failure(child, done.signal)])
        return answer as Answer
      } finally {
        done.abort()
      }
    },
    async stop() {
      forget()
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}

/** Answers the parent's messages; a rejection ends the process, and so reaches the parent. */
export function answer<Message>(reply: (message: Message) => Promise<object>): void {
  process.on('message', async (message) => {
    process.send?.(await reply(message as Message))
  })
}

async function failure(child: ChildProcess, signal: AbortSignal): Promise<never> {
  const [code] = await once(child, 'exit', { signal })
  throw new Error(`A process of the benchmark ended with exit code ${code}`)
}
