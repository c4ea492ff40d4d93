/**
 * The node that introduces a stream: what a client says about itself, and what a server accepts.
 * Spec: control-plane.md sections 1.3 and 1.5.
 */
import { isIP } from 'node:net';
import { core } from '@ambit/api';
import { create, type JsonObject } from '@bufbuild/protobuf';
import { XdsError } from './xds-error.ts';

/** Kinds of client in the first part of a node id. */
export const NODE_KINDS = ['sidecar', 'router', 'waypoint', 'ztunnel', 'agentgateway'] as const;
export type NodeKind = (typeof NODE_KINDS)[number];

/** A node as far as a server needs it. Absent metadata are empty strings. */
export interface XdsNode {
  readonly id: string;
  readonly kind: NodeKind;
  readonly addresses: readonly string[];
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly nodeName: string;
  readonly metadata: JsonObject;
}

/** What a ztunnel is, for its node id and metadata. */
export interface ZtunnelIdentity {
  /** Empty becomes `1.1.1.1`, as Istio's does it: a server wants an address. */
  readonly instanceIp: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly nodeName: string;
  /** Further metadata: `ISTIO_META_<X>` as strings, `ISTIO_METAJSON_<X>` as JSON. */
  readonly extraMetadata: JsonObject;
}

/** `ztunnel~<ip>~<pod>.<ns>~<ns>.svc.cluster.local` with the metadata Istio's ztunnel sends. */
export function ztunnelNode(identity: ZtunnelIdentity): core.Node {
  const ip = identity.instanceIp === '' ? '1.1.1.1' : identity.instanceIp;
  const { podName, podNamespace, nodeName } = identity;
  return create(core.NodeSchema, {
    id: `ztunnel~${ip}~${podName}.${podNamespace}~${podNamespace}.svc.cluster.local`,
    metadata: {
      NAME: podName,
      NAMESPACE: podNamespace,
      INSTANCE_IPS: ip,
      NODE_NAME: nodeName,
      ...identity.extraMetadata,
    },
  });
}

/** What an L7 proxy is, for its node id and metadata. */
export interface GatewayIdentity extends ZtunnelIdentity {
  readonly kind: 'waypoint' | 'router';
  /** Name of the Gateway in the pod's namespace. */
  readonly gateway: string;
  readonly serviceAccount: string;
}

/** `waypoint~<ip>~<pod>.<ns>~<ns>.svc.cluster.local`, or `router`, with metadata of Istio's names. */
export function gatewayNode(identity: GatewayIdentity): core.Node {
  const ip = identity.instanceIp === '' ? '1.1.1.1' : identity.instanceIp;
  const { kind, gateway, serviceAccount, podName, podNamespace, nodeName } = identity;
  return create(core.NodeSchema, {
    id: `${kind}~${ip}~${podName}.${podNamespace}~${podNamespace}.svc.cluster.local`,
    metadata: {
      NAME: podName,
      NAMESPACE: podNamespace,
      SERVICE_ACCOUNT: serviceAccount,
      WORKLOAD_NAME: gateway,
      INSTANCE_IPS: ip,
      NODE_NAME: nodeName,
      ...identity.extraMetadata,
    },
  });
}

/** Throws `XdsError` `BAD_NODE` with the sentence a client is shown. */
export function readNode(node: core.Node | undefined): XdsNode {
  if (node === undefined || node.id === '') throw badNode('missing node information');
  const parts = node.id.split('~');
  const [kind, ips] = parts;
  if (parts.length !== 4 || kind === undefined || ips === undefined) {
    throw badNode('the node id needs four parts separated by ~');
  }
  const known = NODE_KINDS.find((candidate) => candidate === kind);
  if (known === undefined) throw badNode('the node id names an unknown type of client');
  const metadata = node.metadata ?? {};
  const text = (key: string): string => {
    const value = metadata[key];
    return typeof value === 'string' ? value : '';
  };
  const isAddress = (ip: string): boolean => isIP(ip) !== 0;
  const addresses = [...ips.split(','), ...text('INSTANCE_IPS').split(',')].filter(isAddress);
  if (!ips.split(',').some(isAddress)) throw badNode('the node id holds no valid IP address');
  return {
    id: node.id,
    kind: known,
    addresses: [...new Set(addresses)],
    namespace: text('NAMESPACE'),
    serviceAccount: text('SERVICE_ACCOUNT'),
    nodeName: text('NODE_NAME'),
    metadata,
  };
}

/**
 * The node has to be of the caller's namespace, and of its service account if it names one. A caller without
 * identities (plaintext port) is not checked. Throws `XdsError` `NODE_NOT_OF_CALLER`.
 */
export function checkNodeOwner(node: XdsNode, identities: readonly string[]): void {
  if (identities.length === 0) return;
  for (const identity of identities) {
    const match = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(identity);
    if (match === null || match[1] !== node.namespace) continue;
    if (node.serviceAccount === '' || match[2] === node.serviceAccount) return;
  }
  throw new XdsError(
    'NODE_NOT_OF_CALLER',
    'the node says it belongs to another namespace or service account than its caller',
  );
}

function badNode(message: string): XdsError {
  return new XdsError('BAD_NODE', message);
}
