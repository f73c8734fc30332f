/** Finds the real version of a server by asking it. */
import { createClient } from 'redis'

/** Resolves to a text such as `Redis 7.0.15` or `Valkey 8.1.1`. Sentinels answer too. */
export async function askVersion(url: string): Promise<string> {
  const client = createClient({ url })
  client.on('error', () => {})
  await client.connect()
  try {
    return versionIn(await client.info('server'))
  } finally {
    client.destroy()
  }
}

function versionIn(info: string): string {
  const valkey = /^valkey_version:(\S+)/m.exec(info)?.[1]
  return valkey ? `Valkey ${valkey}` : `Redis ${/^redis_version:(\S+)/m.exec(info)?.[1]}`
}

/**
 * Returns the beginning of the version that an image must have. `valkey/valkey:8` gives `Valkey 8.`. An image without
 * a number gives `Valkey `.
 */
export function versionOfImage(image: string): string {
  const [, name, major] = /^(redis|valkey)[^:@]*(?::(\d+))?/.exec(image.split('/').at(-1) ?? '') ?? []
  if (!name)
    throw new Error(`REDIS_IMAGE is ${image}, of which nobody can tell whether it is Redis or Valkey`)
  return `${name === 'valkey' ? 'Valkey' : 'Redis'} ${major ? `${major}.` : ''}`
}

/** Rejects if a container does not run the version in its image's name. */
export async function expectVersionOfImage(image: string, url: string): Promise<string> {
  const version = await askVersion(url)
  if (version.startsWith(versionOfImage(image))) return version
  throw new Error(`${image} runs ${version}`)
}
