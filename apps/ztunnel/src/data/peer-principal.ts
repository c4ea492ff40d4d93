/** Which identity a verified client certificate stands for. Spec: contract data-plane 1.1. */
import { parseSpiffeId, spiffeIdParts } from '@ambit/identity';
import { type PeerIdentity, peerIdentity } from '@ambit/policy';

/** The first URI name that is an identity of the mesh; undefined when none is. */
export function firstIdentity(uriSans: readonly string[]): PeerIdentity | undefined {
  for (const san of uriSans) {
    const id = parseSpiffeId(san);
    if (id === undefined) continue;
    const { trustDomain, namespace, serviceAccount } = spiffeIdParts(id);
    return peerIdentity(trustDomain, namespace, serviceAccount);
  }
  return undefined;
}

/** True when any name is an identity of this trust domain: the only check that a ztunnel makes in TLS. */
export function isOfTrustDomain(uriSans: readonly string[], trustDomain: string): boolean {
  for (const san of uriSans) {
    const id = parseSpiffeId(san);
    if (id !== undefined && spiffeIdParts(id).trustDomain === trustDomain) return true;
  }
  return false;
}
