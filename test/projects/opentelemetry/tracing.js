const { registerInstrumentations } = require('@opentelemetry/instrumentation')
const { RedisInstrumentation } = require('@opentelemetry/instrumentation-redis')

/** To be called before `redis` is loaded. Spans name the command, and leave out its arguments, which hold sessions. */
exports.traceRedis = (tracerProvider) =>
  registerInstrumentations({
    tracerProvider,
    instrumentations: [new RedisInstrumentation({ dbStatementSerializer: (command) => command })],
  })
