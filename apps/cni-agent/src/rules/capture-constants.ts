/** Numbers and names that the node agent, ztunnel and the kernel have to agree on. Istio: in-pod redirection constants. */

/** Ports ztunnel listens on inside each enrolled pod. */
export const ZTUNNEL_PORTS = { outbound: 15001, inboundPlaintext: 15006, inboundHbone: 15008, dns: 15053 } as const;

/** Put by ztunnel on each of its own sockets, so that its traffic is not captured again. */
export const ZTUNNEL_MARK = 0x539;
/** Put on connections that ztunnel opened, so that the application's answers to a spoofed source come back to it. */
export const CONNECTION_MARK = 0x111;
/** Both marks live in the low twelve bits; the others belong to the network plugin. */
export const MARK_MASK = 0xfff;

/** Where marked answers are routed: a table whose only route delivers everything locally. */
export const RETURN_PATH = { table: 100, priority: 32764 } as const;

/** Sources that stand for "a process of the node, for instance the kubelet's probe". */
export interface ProbeAddresses {
  readonly v4: string;
  readonly v6: string;
}

export const DEFAULT_PROBE_ADDRESSES: ProbeAddresses = {
  v4: '169.254.7.127',
  v6: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff',
};

/** Connection-tracking zone that keeps ztunnel's own DNS queries apart from the application's redirected ones. */
export const DNS_ZONE = 1;

/** `0x539/0xfff`, the way iptables writes a mark. */
export function markText(mark: number): string {
  return `0x${mark.toString(16)}/0x${MARK_MASK.toString(16)}`;
}
