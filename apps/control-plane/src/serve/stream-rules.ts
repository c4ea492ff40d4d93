/**
 * What an authenticated caller may be on xDS when the pods are known: a node proxy of its own node, or the waypoint that
 * its pod is. Pure. Stricter than Istio, where every authenticated workload may read the whole mesh.
 * Spec: control-plane.md section 1.3.
 */
import type { Gateway, Pod } from '@ambit/kube';
import type { XdsNode } from '@ambit/xds';
import type { TokenPod } from './token-judge.ts';

/** Who called, as its token says. */
export interface TokenOwner {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: TokenPod | undefined;
}

/** What is known of the cluster now. */
export interface ClusterView {
  get(kind: 'Pod', name: string): Pod | undefined;
  get(kind: 'Gateway', name: string): Gateway | undefined;
}

export interface StreamRules {
  /** `namespace/serviceaccount` of node proxies. */
  readonly nodeAccounts: readonly string[];
  readonly view: ClusterView;
}

const GATEWAY_LABEL = 'gateway.networking.k8s.io/gateway-name';

/** The reason why the caller must not be this node; undefined when it may. */
export function refuseStream(owner: TokenOwner, node: XdsNode, rules: StreamRules): string | undefined {
  const { namespace, serviceAccount, pod: bound } = owner;
  if (bound === undefined) return 'the token is not bound to a pod';
  const pod = rules.view.get('Pod', `${namespace}/${bound.name}`);
  // A pod of the same name that came later is another pod.
  const known = pod?.metadata.uid === bound.uid ? pod : undefined;
  switch (node.kind) {
    case 'ztunnel':
      if (!rules.nodeAccounts.includes(`${namespace}/${serviceAccount}`)) {
        return `${namespace}/${serviceAccount} is no account of node proxies`;
      }
      return refuseNode(bound.node === '' ? (known?.spec.nodeName ?? '') : bound.node, node.nodeName);
    case 'waypoint':
    case 'router':
    case 'agentgateway':
      if (known === undefined) return `pod ${namespace}/${bound.name} is not known`;
      return refuseGateway(known, rules.view);
    case 'sidecar':
      return 'sidecars are not served';
  }
}

/** The gateway that the caller's pod says it is; empty, which is no gateway, for any other pod. */
export function gatewayOfPod({ namespace, pod: bound }: TokenOwner, view: ClusterView): string {
  const pod = bound === undefined ? undefined : view.get('Pod', `${namespace}/${bound.name}`);
  return (pod?.metadata.uid === bound?.uid ? pod?.metadata.labels[GATEWAY_LABEL] : undefined) ?? '';
}

function refuseNode(own: string, claimed: string): string | undefined {
  if (own === '') return "the node of the caller's pod is not known";
  return own === claimed
    ? undefined
    : `the caller runs on node ${own}, not on ${claimed === '' ? 'an unnamed one' : claimed}`;
}

function refuseGateway({ metadata }: Pod, view: ClusterView): string | undefined {
  const gateway = metadata.labels[GATEWAY_LABEL];
  if (gateway === undefined) return `pod ${metadata.namespace}/${metadata.name} has no label ${GATEWAY_LABEL}`;
  if (view.get('Gateway', `${metadata.namespace}/${gateway}`) !== undefined) return undefined;
  return `there is no Gateway ${metadata.namespace}/${gateway}`;
}
