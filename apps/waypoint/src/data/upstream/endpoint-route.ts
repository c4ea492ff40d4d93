/** How bytes get to an endpoint: through its node's HBONE tunnel, or plainly. Pure. */
import type { Workload } from '@ambit/workload';

export type EndpointRoute =
  | {
      readonly kind: 'hbone';
      /** What the peer of the tunnel has to prove; it may not be another workload of the same account's namespace. */
      readonly identity: string;
      /** What the peer is asked for; undefined: the endpoint's own address. */
      readonly authority?: string;
    }
  | { readonly kind: 'plain' };

const plain: EndpointRoute = { kind: 'plain' };

/** Undefined: not reachable from here (another network, whose gateways are not spoken to yet). */
export function endpointRoute(workload: Workload | undefined, ownNetwork: string): EndpointRoute | undefined {
  if (workload === undefined) return plain;
  if (workload.network !== ownNetwork && workload.networkGateway !== undefined) return undefined;
  if (workload.protocol === 'hbone' || workload.nativeTunnel) return { kind: 'hbone', identity: workload.identity };
  return plain;
}
