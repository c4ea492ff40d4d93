import type { BoundPod } from '@ambit/grpc';
import { type SpiffeId, spiffeIdParts } from '@ambit/identity';
import { CaError } from '../ca-error.ts';
import type { Caller } from './caller.ts';

/** A caller whose credentials are bound to a pod. */
export interface PodCaller extends Caller {
  readonly pod: BoundPod;
}

/** Answers where pods run. Implementations: assignments file, pods of the API server. */
export interface NodeAssignments {
  /**
   * The node on which the caller's pod runs. Throws CaError IMPERSONATION_REFUSED if it runs nowhere, or is not the pod
   * that the credentials are bound to.
   */
  nodeOf(caller: PodCaller): string | Promise<string>;
  /** True only if a pod of `identity` is on `node`. Throws CaError when it cannot tell, which refuses. */
  hasPod(node: string, identity: SpiffeId): boolean | Promise<boolean>;
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
    if (clusterId === undefined) throw impersonationRefused('the request names no cluster');
    if (clusterId !== this.#options.clusterId)
      throw impersonationRefused(`unknown cluster ${JSON.stringify(clusterId.slice(0, 64))}`);
    const { namespace, serviceAccount } = spiffeIdParts(caller.identity);
    if (!trustedAccounts.includes(`${namespace}/${serviceAccount}`))
      throw impersonationRefused('the caller is no trusted node account');
    if (!isPodCaller(caller)) throw impersonationRefused("the caller's credentials are not bound to a pod");
    if (spiffeIdParts(identity).trustDomain !== trustDomain)
      throw impersonationRefused('the identity is of another trust domain');
    const node = await assignments.nodeOf(caller);
    if (!(await assignments.hasPod(node, identity)))
      throw impersonationRefused(`no pod of ${identity} on node ${node}`);
  }
}

function isPodCaller(caller: Caller): caller is PodCaller {
  return caller.pod !== undefined;
}

/** The refusal of a request for another identity. The reason is for the log. */
export function impersonationRefused(reason: string, cause?: unknown): CaError {
  return new CaError('IMPERSONATION_REFUSED', reason, { source: 'policy', retryable: true, cause });
}
