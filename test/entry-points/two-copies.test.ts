/** The package loaded twice in one process, as an ES module and as CommonJS. */
import { expect } from 'chai'
import * as own from '../../src/session/errors.ts'

describe('An error of another copy of the package', () => {
  let other: typeof own

  before(async () => {
    other = await import(`../../src/session/errors.ts?copy=${process.pid}`)
    expect(other.SessionNotFoundError).to.not.equal(own.SessionNotFoundError)
  })

  const errorsOf = ({ ...classes }: typeof own) => ({
    SessionNotFoundError: new classes.SessionNotFoundError('s1'),
    SessionUserError: new classes.SessionUserError('s1', 'eva'),
    SessionLimitError: new classes.SessionLimitError('eva', 2),
    CorruptSessionError: new classes.CorruptSessionError('session:s1', 'is wrong'),
    SessionConflictError: new classes.SessionConflictError('s1', 3),
    NotReplicatedError: new classes.NotReplicatedError(0, { count: 1, timeout: 10 }, 1),
  })
  type Name = keyof ReturnType<typeof errorsOf>

  it('is an instance of the class of the same name, and of no other', () => {
    for (const [name, error] of Object.entries(errorsOf(other))) {
      for (const each of Object.keys(errorsOf(own)) as Name[]) {
        expect(error instanceof Reflect.get(own, each), `${name} instanceof ${each}`).to.equal(name === each)
      }
    }
  })

  it('is no instance of a class that an app derives', () => {
    class Own extends own.SessionNotFoundError {}
    expect(new Own('s1')).to.be.instanceOf(Own).and.instanceOf(other.SessionNotFoundError)
    expect(new own.SessionNotFoundError('s1')).to.not.be.instanceOf(Own)
    expect(new other.SessionNotFoundError('s1')).to.not.be.instanceOf(Own)
  })

  it('is told apart from errors of other libraries, and from other values', () => {
    const foreign = Object.assign(new Error('foreign'), { name: 'SessionNotFoundError', code: 'NOT_FOUND' })
    const { name, code } = new own.SessionNotFoundError('s1')
    for (const value of [
      foreign,
      new Error('other'),
      { name, code },
      null,
      undefined,
      'SessionNotFoundError',
    ]) {
      expect(value instanceof own.SessionNotFoundError).to.equal(false)
    }
  })
})
