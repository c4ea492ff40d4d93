/** GET of an address that somebody wrote into a resource: never this process's own host, nor what only its host may ask. */
import { lookup as resolve } from 'node:dns';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { get as httpsGet } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

export interface OutsideRequest {
  readonly signal: AbortSignal;
  /** More of an answer is an error. */
  readonly maxBytes: number;
  /** For tests. Default: `ownAddresses`. */
  readonly blocked?: BlockList;
}

/** Loopback, link-local (where clouds tell machines their credentials), nowhere, and two clouds' own places for such. */
export const ownAddresses: BlockList = new BlockList();
ownAddresses.addSubnet('127.0.0.0', 8, 'ipv4');
ownAddresses.addSubnet('0.0.0.0', 8, 'ipv4');
ownAddresses.addSubnet('169.254.0.0', 16, 'ipv4');
ownAddresses.addAddress('100.100.100.200', 'ipv4');
ownAddresses.addAddress('::', 'ipv6');
ownAddresses.addAddress('::1', 'ipv6');
ownAddresses.addSubnet('fe80::', 10, 'ipv6');
ownAddresses.addAddress('fd00:ec2::254', 'ipv6');

/**
 * The body of a 2xx answer. Redirects are not followed: they could lead anywhere. Names are looked up once and what they stand for is
 * judged before it is connected to. Rejects for anything else. Class: GHSA-fgw5-hp8f-xfhc.
 */
export async function fetchOutside(url: string, options: OutsideRequest): Promise<string> {
  const { signal, maxBytes, blocked = ownAddresses } = options;
  const target = new URL(url);
  const host = target.hostname.replace(/^\[|\]$/g, '');
  if (isBlocked(blocked, host)) throw new Error(`${host} is not asked: it is this host's own, or its cloud's`);
  const { promise, resolve: onResponse, reject } = Promise.withResolvers<IncomingMessage>();
  const get = target.protocol === 'https:' ? httpsGet : httpGet;
  const headers = { accept: 'application/json' };
  get(target, { signal, headers, agent: false, lookup: lookupOutside(blocked) }, onResponse).on('error', reject);
  const response = await promise;
  const { statusCode = 0 } = response;
  if (statusCode < 200 || statusCode > 299) {
    response.destroy();
    throw new Error(`${url} answered ${statusCode}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response) {
    if (!(chunk instanceof Uint8Array)) continue;
    size += chunk.byteLength;
    if (size > maxBytes) throw new Error(`${url} answered more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Node's look-up, which fails for a name with a blocked address among its own. */
function lookupOutside(blocked: BlockList): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '');
      const bad = addresses.find(({ address }) => isBlocked(blocked, address));
      if (bad !== undefined) {
        return callback(new Error(`${hostname} is ${bad.address}, which is not asked: it is this host's own`), '');
      }
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      callback(null, first?.address ?? '', first?.family);
    });
  };
}

function isBlocked(blocked: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && blocked.check(address, family === 6 ? 'ipv6' : 'ipv4');
}
