import { type SpiffeId, spiffeIdParts } from '@ambit/identity';
import { CaError } from '../ca-error.ts';
import type { Caller } from './caller.ts';

/** Answers whether a node runs a pod of an identity. Implementations: assignments file; later a pod cache. */
export interface NodeAssignments {
  /**
   * True only if a pod of `identity` is on the node of `caller`'s pod. Throws CaError when it cannot tell, which refuses.
   */
  hasPodOnCallersNode(caller: Caller, identity: SpiffeId): boolean | Promise<boolean>;
}

/** Rules of impersonation. */
export interface NodeAuthorizerOptions {
  /** `<namespace>/<service account>` of node proxies. Istio: CA_TRUSTED_NODE_ACCOUNTS. */
  readonly trustedAccounts: readonly string[];
  readonly trustDomain: string;
  readonly clusterId: string;
  readonly assignments: NodeAssignments;
}

/**
 * Decides whether a node proxy may have a certificate for a workload of its node.
 * Spec: control-plane contract 6.3. Stricter than Istio: the requested trust domain must be the mesh's.
 */
export class NodeAuthorizer {
  readonly #options: NodeAuthorizerOptions;

  constructor(options: NodeAuthorizerOptions) {
    this.#options = options;
  }

  /** Resolves if allowed; throws CaError IMPERSONATION_REFUSED with the reason otherwise. */
  async authorize(caller: Caller, identity: SpiffeId, clusterId: string | undefined): Promise<void> {
    const { trustedAccounts, trustDomain, assignments } = this.#options;
    if (clusterId === undefined) throw refused('the request names no cluster');
    if (clusterId !== this.#options.clusterId)
      throw refused(`unknown cluster ${JSON.stringify(clusterId.slice(0, 64))}`);
    const { namespace, serviceAccount } = spiffeIdParts(caller.identity);
    if (!trustedAccounts.includes(`${namespace}/${serviceAccount}`))
      throw refused('the caller is no trusted node account');
    if (caller.pod === undefined) throw refused("the caller's credentials are not bound to a pod");
    if (caller.pod.node === '') throw refused("the caller's token does not name its node");
    if (spiffeIdParts(identity).trustDomain !== trustDomain) throw refused('the identity is of another trust domain');
    if (!(await assignments.hasPodOnCallersNode(caller, identity))) {
      throw refused(`no pod of ${identity} on node ${caller.pod.node}`);
    }
  }
}

function refused(reason: string): CaError {
  return new CaError('IMPERSONATION_REFUSED', reason, { source: 'policy', retryable: true });
}
