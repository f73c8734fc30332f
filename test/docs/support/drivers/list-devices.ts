import { expect } from 'chai'
import { Curl, type Running } from '../driver.ts'

export default async function drive({ listening }: Running): Promise<void> {
  const url = await listening()
  const curl = new Curl(url)
  const list = (jar: string) => curl.run(`curl -b ${jar} http://localhost:3000/devices`)
  expect((await list('nobody')).status).to.equal(401)
  for (const jar of ['phone', 'laptop'])
    await curl.run(`curl -c ${jar} -X POST http://localhost:3000/sign-in/eva`)
  const devices: Record<string, unknown>[] = JSON.parse((await list('phone')).body)
  expect(devices.map(({ thisDevice }) => thisDevice)).to.have.members([true, false])
  for (const device of devices)
    expect(device).to.have.keys('handle', 'browser', 'thisDevice', 'lastActive', 'expires')
}
