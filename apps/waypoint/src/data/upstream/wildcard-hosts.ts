/** Hosts that a wildcard service stands for: found by the name that a request asks for. Spec: contract l7 3.5, DYNAMIC_DNS. */
import { parseIp } from '@ambit/net';
import type { WorkloadStore } from '@ambit/workload';

import { coversHost } from '../../config/wildcard-host.ts';
import type { EndpointFacts } from './cluster-endpoint.ts';

export interface WildcardQuery {
  readonly store: WorkloadStore;
  readonly network: string;
  /** Addresses of a name; undefined as long as nobody knows. */
  lookUp(hostname: string): readonly string[] | undefined;
}

/** Endpoints of the host, or `resolving` when it has to be asked for again soon. */
export function wildcardEndpoints(
  query: WildcardQuery,
  pattern: string,
  host: string,
  port: number,
): readonly EndpointFacts[] | 'resolving' {
  const lowerHost = host.toLowerCase();
  if (!coversHost(pattern, lowerHost)) return [];
  const addresses = query.lookUp(lowerHost);
  if (addresses === undefined) return 'resolving';
  return addresses
    .filter((address) => isOutside(query, address))
    .map((address) => ({
      id: `${lowerHost}/${address}/${port}`,
      socketAddress: { address, port },
      route: { kind: 'plain' },
      workload: undefined,
      weight: 1,
      rank: 0,
      share: undefined,
    }));
}

/** Whoever holds the name's zone chooses the address: it must not lead to this proxy's own machine, nor around a pod's own guard. */
function isOutside({ store, network }: WildcardQuery, address: string): boolean {
  const bytes = parseIp(address)?.bytes;
  if (bytes === undefined || isLocal(bytes)) return false;
  const workload = store.workloadByAddress(network, address);
  return workload === undefined || (workload.protocol !== 'hbone' && !workload.nativeTunnel);
}

/** Loopback, link-local, unspecified, multicast; also as IPv4 in IPv6. */
function isLocal(bytes: Uint8Array): boolean {
  if (bytes.length === 16) {
    const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
    if (isMapped) return isLocal(bytes.subarray(12));
    if (bytes.subarray(0, 15).every((byte) => byte === 0)) return true;
    return bytes[0] === 0xff || (bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80);
  }
  const [first = 0, second = 0] = bytes;
  return first === 0 || first === 127 || (first === 169 && second === 254) || first >= 224;
}
