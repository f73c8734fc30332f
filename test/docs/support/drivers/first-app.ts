import { expect } from 'chai'
import { expectSafeToCopy } from '../copied-app.ts'
import { Curl, type Running } from '../driver.ts'

export default async function drive({ listening, shell, redisUrl }: Running): Promise<void> {
  const url = await listening()
  const curl = new Curl(url)
  const answers = []
  for (const command of shell) answers.push(await curl.run(command))
  expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200, 200, 401])
  const [phone, , list, others, laptop] = answers.map(({ body }) => body)
  expect(phone).to.equal('Hello eva\n')
  const devices = JSON.parse(list as string)
  expect(devices).to.have.lengthOf(2)
  expect(devices.filter((device: { thisDevice: boolean }) => device.thisDevice)).to.have.lengthOf(1)
  for (const device of devices) expect(Date.now() - Date.parse(device.lastActive)).to.be.within(-1000, 60_000)
  expect(JSON.parse(others as string)).to.deep.equal({ signedOut: 1 })
  expect(laptop).to.equal('Sign in first\n')

  await curl.run('curl -c tablet -X POST http://localhost:3000/sign-in/eva')
  const [own, other] = JSON.parse((await curl.run('curl -b phone http://localhost:3000/devices')).body).sort(
    (a: { thisDevice: boolean }) => (a.thisDevice ? -1 : 1),
  )
  const signOut = (jar: string, { handle }: { handle: string }) =>
    curl.run(`curl -b ${jar} -X POST http://localhost:3000/devices/${handle}/sign-out`)
  await curl.run('curl -c strangers -X POST http://localhost:3000/sign-in/mallory')
  expect((await signOut('strangers', other)).status).to.equal(404)
  expect((await signOut('phone', other)).status).to.equal(200)
  expect((await curl.run('curl -b tablet http://localhost:3000/devices')).status).to.equal(401)
  expect(own.thisDevice).to.equal(true)

  await expectSafeToCopy({ url, redisUrl, pages: ['/devices'] })
}
