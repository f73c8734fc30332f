import { expect } from 'chai'
import { createClient } from 'redis'
import { UserSessionStore } from '../../../../src/index.ts'
import { Curl, type Running } from '../driver.ts'

export default async function drive({ listening, redisUrl }: Running): Promise<void> {
  const url = await listening()
  const curl = new Curl(url)
  const signIn = (jar: string, name = 'eva') =>
    curl.run(`curl -c ${jar} -X POST http://localhost:3000/sign-in/${name}`)
  const post = (jar: string, path: string) => curl.run(`curl -b ${jar} -X POST http://localhost:3000${path}`)
  const client = await createClient({ url: redisUrl }).connect()
  const sessions = () => new UserSessionStore({ client }).userSessions('eva')

  await signIn('phone')
  const [phone] = await sessions()
  for (const jar of ['laptop', 'tablet']) await signIn(jar)
  await signIn('stranger', 'mallory')
  expect((await post('stranger', `/devices/${phone?.handle}/sign-out`)).status).to.equal(404)
  expect((await post('laptop', `/devices/${phone?.handle}/sign-out`)).status).to.equal(204)
  expect((await post('laptop', '/sign-out-others')).body).to.equal('{"signedOut":1}')
  expect((await post('laptop', '/sign-out-everywhere')).body).to.equal('{"signedOut":1}')
  expect((await post('laptop', '/sign-out-everywhere')).status).to.equal(401)
  expect(await sessions()).to.deep.equal([])
  await client.close()
}
