/** Describes the place of an IP address without a request over the network. */
import { BlockList, isIPv6 } from 'node:net'

/** Undefined if it is not known. It may be asynchronous. */
export type DescribePlace = (ip: string) => string | undefined | Promise<string | undefined>

const thisComputer = new BlockList()
thisComputer.addSubnet('127.0.0.0', 8)
thisComputer.addAddress('::1', 'ipv6')

const localNetwork = new BlockList()
for (const [net, bits] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
] as const) {
  localNetwork.addSubnet(net, bits)
}
localNetwork.addSubnet('fc00::', 7, 'ipv6')
localNetwork.addSubnet('fe80::', 10, 'ipv6')

/**
 * What needs no data. For cities and countries plug in a database that lies on your disk, such as GeoLite2 with `maxmind`:
 *
 *     const reader = await maxmind.open<CityResponse>('GeoLite2-City.mmdb')
 *     const describePlace = (ip: string) => {
 *       const { city, country } = reader.get(ip) ?? {}
 *       return [city?.names.en, country?.names.en].filter(Boolean).join(', ') || undefined
 *     }
 *     createApp({ …, describePlace })
 *
 * Say "near" in your pages if you like: such a database is often wrong about the city.
 */
export const describeKnownPlace = (ip: string): string | undefined => {
  const family = isIPv6(ip) ? 'ipv6' : 'ipv4'
  if (thisComputer.check(ip, family)) return 'this computer'
  if (localNetwork.check(ip, family)) return 'local network'
  return undefined
}
