/**
 * The facts about one connection that a policy may look at, and nothing else.
 * Spec: contract data-plane 6.4.
 */

/** A SPIFFE identity taken apart once, so that no rule has to parse it again. */
export interface PeerIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** `<trust domain>/ns/<namespace>/sa/<account>`: what `principals` are compared with. */
  readonly principal: string;
}

/**
 * One inbound connection as a policy sees it. IP addresses are 4 or 16 raw bytes, and a
 * v4-mapped address must have been turned into its 4 bytes before.
 */
export interface ConnectionContext {
  /** The TCP peer, never a header's claim. */
  readonly sourceIp: Uint8Array;
  /** Undefined on a plaintext connection. */
  readonly sourceIdentity: PeerIdentity | undefined;
  /** The local address of the pod. */
  readonly destinationIp: Uint8Array;
  /** The resolved port of the application, never 15008. */
  readonly destinationPort: number;
}

/** The part of the destination workload that selects policies. */
export interface PolicyTarget {
  readonly namespace: string;
  /** Resource names of the policies that select this workload. */
  readonly authorizationPolicies: readonly string[];
}

/** Takes the parts of a verified SPIFFE identity together. */
export function peerIdentity(trustDomain: string, namespace: string, serviceAccount: string): PeerIdentity {
  const principal = `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
  return { trustDomain, namespace, serviceAccount, principal };
}
