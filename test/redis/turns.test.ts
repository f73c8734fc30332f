/** What the turns of one session's work remember, and for how long. */
import { expect } from 'chai'
import { Turns } from '../../src/redis/turns.ts'
import { nextTurn } from '../support/heard.ts'

const nothing = async () => undefined

describe('The turns of one session', () => {
  const works: Record<string, (turns: Turns) => Promise<unknown>> = {
    take: (turns) => turns.take('s1', nothing),
    make: (turns) => turns.make('s1', nothing),
    destroy: (turns) => turns.destroy('s1', nothing),
    'take that fails': (turns) => turns.take('s1', fails).catch(() => {}),
    'make that fails': (turns) => turns.make('s1', fails).catch(() => {}),
    'destroy that fails': (turns) => turns.destroy('s1', fails).catch(() => {}),
  }
  for (const [name, work] of Object.entries(works)) {
    it(`are forgotten after its last work: ${name}`, async () => {
      const turns = new Turns()
      const first = work(turns)
      const last = work(turns)
      await first
      expect(turns.destroyed('s1')).to.be.instanceOf(Promise)
      await last
      await nextTurn()
      expect(turns.destroyed('s1')).to.equal(undefined)
    })
  }

  it('are forgotten only when all work has ended, also after a destroy that overtook an update', async () => {
    const turns = new Turns()
    const { promise: held, release } = hold()
    const update = turns.take('s1', () => held)
    await turns.destroy('s1', nothing)
    await nextTurn()
    expect(turns.destroyed('s1')).to.be.instanceOf(Promise)
    release()
    await update
    await nextTurn()
    expect(turns.destroyed('s1')).to.equal(undefined)
  })

  it('destroys run beside each other, and after the work that makes the session', async () => {
    const turns = new Turns()
    const { promise: held, release } = hold()
    const order: string[] = []
    const made = turns.make('s1', () => held)
    const destroys = [1, 2].map((n) =>
      turns.destroy('s1', async () => {
        order.push(`begin ${n}`)
        await nextTurn()
        order.push(`end ${n}`)
      }),
    )
    await nextTurn()
    order.push('made')
    release()
    await Promise.all([made, ...destroys])
    expect(order).to.deep.equal(['made', 'begin 1', 'begin 2', 'end 1', 'end 2'])
  })

  it('loads wait until the session is deleted, and later work also for what its destroy does afterwards', async () => {
    const turns = new Turns()
    const { promise: held, release } = hold()
    const order: string[] = []
    const destroyed = turns.destroy('s1', async (deleted) => {
      await nextTurn()
      order.push('deleted')
      deleted()
      await held
      order.push('replicated')
    })
    const load = turns.destroyed('s1')?.then(() => order.push('load'))
    const later = [turns.take('s1', nothing), turns.make('s1', nothing)]
    const works = later.map((work) => work.then(() => order.push('work')))
    await load
    await nextTurn()
    release()
    await Promise.all([destroyed, ...works])
    expect(order).to.deep.equal(['deleted', 'load', 'replicated', 'work', 'work'])
  })

  it('pass the record on from turn to turn, but not beyond work that wrote none', async () => {
    const turns = new Turns()
    const seen: (string | undefined)[] = []
    const writes = (raw?: string) => async (latest: string | undefined) => {
      seen.push(latest)
      return raw
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
