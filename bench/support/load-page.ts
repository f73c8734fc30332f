/** The load: signed-in visitors who request the page as fast as they get it. */
import autocannon from 'autocannon'

const CONNECTIONS = 10
const VISITORS = 100

const cookiesOf = new Map<number, string[]>()

/** Latencies of the requests in ms, and how long all took together. */
export async function loadPage(
  port: number,
  amount: number,
): Promise<{ latencies: number[]; seconds: number }> {
  const cookies = cookiesOf.get(port) ?? (await signInAll(port))
  cookiesOf.set(port, cookies)
  const latencies: number[] = []
  const start = performance.now()
  let end = start
  await new Promise<void>((resolve, reject) => {
    const requests = cookies.map((cookie) => ({ path: '/page' as const, headers: { cookie } }))
    const options = { url: `http://127.0.0.1:${port}`, connections: CONNECTIONS, amount, requests }
    const run = autocannon(options, (error, result) => {
      if (error) return reject(error)
      if (result.errors + result.non2xx > 0) return reject(new Error('Some pages failed to load'))
      resolve()
    })
    run.on('response', (_client, _status, _bytes, milliseconds) => {
      latencies.push(milliseconds)
      end = performance.now()
    })
  })
  return { latencies, seconds: (end - start) / 1000 }
}

async function signInAll(port: number): Promise<string[]> {
  const cookies: string[] = []
  for (let n = 0; n < VISITORS; n++) {
    const response = await fetch(`http://127.0.0.1:${port}/sign-in/user-${n}`)
    cookies.push((response.headers.get('set-cookie') ?? '').split(';')[0] as string)
  }
  return cookies
}
