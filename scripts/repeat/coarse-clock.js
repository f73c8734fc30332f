/**
 * A clock that moves only every COARSE_CLOCK_MS, for `node --import`. Everything in between happens in the same
 * millisecond, as on a machine that is so many times as fast. Timers and Redis keep their own clocks.
 */
const step = Number(process.env.COARSE_CLOCK_MS)
const RealDate = globalThis.Date
const now = () => Math.floor(RealDate.now() / step) * step

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, made) => Reflect.construct(target, args.length > 0 ? args : [now()], made),
  apply: () => new RealDate(now()).toString(),
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
})
