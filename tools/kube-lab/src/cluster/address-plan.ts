/** Addresses of a lab. Labs do not see each other, so all use the same. Pure. */

export const MAX_NODES = 9;
/** The control plane's address on the bridge. */
export const CONTROL_PLANE = { v4: '10.89.0.1', v6: 'fd00:89::1' } as const;
/** First address of the services' range: `kubernetes.default`. */
export const API_SERVICE = '10.96.0.1';
/** Of Services of type LoadBalancer, which `load-balancer.ts` gives out. */
export const LOAD_BALANCER_ADDRESSES = '10.97.0.0/24';
/** As `assets/coredns.yaml` says. */
export const DNS_SERVICE = '10.96.0.10';

export interface AddressRanges {
  readonly services: string;
  readonly pods: string;
}

/** What the API server and kube-proxy are told; with IPv6 behind a comma in a dual stack. */
export function addressRanges(isDual: boolean): AddressRanges {
  return {
    services: ['10.96.0.0/16', ...(isDual ? ['fd00:96::/112'] : [])].join(','),
    pods: ['10.244.0.0/16', ...(isDual ? ['fd00:244::/56'] : [])].join(','),
  };
}

export interface NodeAddresses {
  readonly v4: string;
  readonly v6: string;
  /** Range of the node's pods. */
  readonly pods: { readonly v4: string; readonly v6: string };
}

/** @param node 1 to {@link MAX_NODES} */
export function nodeAddresses(node: number): NodeAddresses {
  return {
    v4: `10.89.0.1${node}`,
    v6: `fd00:89::1${node}`,
    pods: { v4: `10.244.${node}.0/24`, v6: `fd00:244:0:${node}::/64` },
  };
}

/** All nodes that a lab may have. */
export const nodeNumbers: readonly number[] = Array.from({ length: MAX_NODES }, (_, index) => index + 1);
