/** Which server it really is: what it says itself, not what somebody meant to start. */
import { createClient } from 'redis'

/** Such as `Redis 7.0.15` or `Valkey 8.1.1`; Sentinels tell it too. */
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

/** What a server of this image must say that it is: `valkey/valkey:8` starts with `Valkey 8.`, an image without a number with `Valkey `. */
export function versionOfImage(image: string): string {
  const [, name, major] = /^(redis|valkey)[^:@]*(?::(\d+))?/.exec(image.split('/').at(-1) ?? '') ?? []
  if (!name)
    throw new Error(`REDIS_IMAGE is ${image}, of which nobody can tell whether it is Redis or Valkey`)
  return `${name === 'valkey' ? 'Valkey' : 'Redis'} ${major ? `${major}.` : ''}`
}

/** Rejects where a container does not run what its image is called. */
export async function expectVersionOfImage(image: string, url: string): Promise<string> {
  const version = await askVersion(url)
  if (version.startsWith(versionOfImage(image))) return version
  throw new Error(`${image} runs ${version}`)
}
