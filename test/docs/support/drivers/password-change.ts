import { expect } from 'chai'
import { Curl, type Running } from '../driver.ts'

export default async function drive({ listening }: Running): Promise<void> {
  const url = await listening()
  const curl = new Curl(url)
  for (const jar of ['old', 'other'])
    await curl.run(`curl -c ${jar} -X POST http://localhost:3000/sign-in/eva`)
  const change = (jars: string) => curl.run(`curl ${jars} -X POST http://localhost:3000/password`)
  expect((await change('-b old -c new')).body).to.equal('{"signedOut":1}')
  for (const jar of ['old', 'other']) expect((await change(`-b ${jar}`)).status).to.equal(401)
  expect((await change('-b new')).body).to.equal('{"signedOut":0}')
}
