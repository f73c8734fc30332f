/** What the turns of one session's work remember, and for how long. */
import { expect } from 'chai'
import { Turns } from '../../src/redis/turns.ts'
import { nextTurn } from '../support/heard.ts'

const nothing = async () => undefined

describe('The turns of one session', () => {
  const works: Record<string, (turns: Turns) => Promise<unknown>> = {
    take: (turns) => turns.take('s1', nothing),
    make: (turns) => turns.make('s1', nothing),
    end: (turns) => turns.end('s1', nothing),
    'take that fails': (turns) => turns.take('s1', fails).catch(() => {}),
    'make that fails': (turns) => turns.make('s1', fails).catch(() => {}),
    'end that fails': (turns) => turns.end('s1', fails).catch(() => {}),
  }
  for (const [name, work] of Object.entries(works)) {
    it(`are forgotten after its last work: ${name}`, async () => {
      const turns = new Turns()
      const first = work(turns)
      const last = work(turns)
      await first
      expect(turns.existence('s1')).to.be.instanceOf(Promise)
      await last
      await nextTurn()
      expect(turns.existence('s1')).to.equal(undefined)
    })
  }

  it('are forgotten only when all work has ended, also after a destroy that overtook an update', async () => {
    const turns = new Turns()
    const { promise: held, release } = hold()
    const update = turns.take('s1', () => held)
    await turns.end('s1', nothing)
    await nextTurn()
    expect(turns.existence('s1')).to.be.instanceOf(Promise)
    release()
    await update
    await nextTurn()
    expect(turns.existence('s1')).to.equal(undefined)
  })

  it('pass the record on from turn to turn, but not beyond work that wrote none', async () => {
    const turns = new Turns()
    const seen: (string | undefined)[] = []
    const writes = (raw?: string) => async (latest?: { raw: string }) => {
      seen.push(latest?.raw)
      return raw === undefined ? undefined : { raw }
    }
    await Promise.all([writes('a'), writes('b'), writes(), writes('c')].map((work) => turns.take('s1', work)))
    expect(seen).to.deep.equal([undefined, 'a', 'b', undefined])
  })
})

async function fails(): Promise<never> {
  throw new Error('refused')
}

function hold(): { promise: Promise<undefined>; release(): void } {
  let release = () => {}
  const promise = new Promise<undefined>((resolve) => {
    release = () => resolve(undefined)
  })
  return { promise, release }
}
