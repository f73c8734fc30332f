import { expect } from 'chai'
import { Curl, type Running } from '../driver.ts'

export default async function drive({ listening }: Running): Promise<void> {
  const url = await listening()
  const curl = new Curl(url)
  const role = () => curl.run('curl -b phone http://localhost:3000/role')
  await curl.run('curl -c phone -X POST http://localhost:3000/sign-in/eva')
  expect((await role()).body).to.equal('{"role":"member"}')
  const changed = await fetch(`${url}/admin/users/eva/role`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ role: 'admin' }),
  })
  expect(await changed.json()).to.deep.equal({ changed: 1 })
  expect((await role()).body).to.equal('{"role":"admin"}')
}
