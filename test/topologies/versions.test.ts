/** Every server of every topology has the version that this run should test. The log of the run shows it. */
import { execFileSync } from 'node:child_process'
import { expect } from 'chai'
import { redisUrl } from '../support/hooks.ts'
import { askVersion, versionOfImage } from '../support/server-version.ts'
import { serverBinary } from '../support/spawn-server.ts'
import { onEveryTopology } from '../support/topologies.ts'

const { TEST_REDIS, REDIS_IMAGE, REDIS_URL } = process.env

describe('the servers of this run', () => {
  it('the one that all tests share', async () => {
    const version = await askVersion(redisUrl())
    process.stdout.write(`      ${version}\n`)
    // The server of REDIS_URL may have any version.
    if (!REDIS_URL) expect(version.startsWith(wanted()), `${version} is ${wanted()}`).to.equal(true)
  })

  onEveryTopology((topology) => {
    it('those of the topology', async () => {
      const { name, nodes, sentinels } = topology()
      const servers = [...nodes.map(({ server }) => server), ...sentinels]
      const versions = await Promise.all(servers.map(({ url }) => askVersion(url)))
      process.stdout.write(`      ${name} runs ${versions.join(', ')}\n`)
      const others = versions.filter((version) => !version.startsWith(wanted()))
      expect(others, `not ${wanted()}`).to.deep.equal([])
    })
  })
})

/** The beginning of every version: that of the image, or of the program that starts the servers. */
function wanted(): string {
  return TEST_REDIS === 'docker' ? versionOfImage(REDIS_IMAGE || 'redis:8') : versionOfBinary()
}

function versionOfBinary(): string {
  const said = execFileSync(serverBinary() as string, ['--version'], { encoding: 'utf8' })
  const [, name, version] = /^(Redis|Valkey) server v=([\d.]+)/.exec(said) ?? []
  return `${name} ${version}`
}
