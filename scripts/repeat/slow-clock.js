/**
 * A clock that shows another millisecond at each look, for `node --import`. No two steps of a program happen in the same
 * millisecond, as on a slow machine. Timers and Redis keep their own clocks.
 */
const RealDate = globalThis.Date
const realNow = RealDate.now
let last = 0

function now() {
  const before = last
  while (last === before) last = realNow()
  return last
}

RealDate.now = now
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, made) => Reflect.construct(target, args.length > 0 ? args : [now()], made),
  apply: () => new RealDate(now()).toString(),
})
