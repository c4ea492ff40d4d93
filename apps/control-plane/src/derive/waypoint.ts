import { workload } from '@ambit/api';
import { type AllowedNamespaces, type Gateway, type GatewayClass, matchesSelector } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { ipBytes } from './ip-prefix.ts';

/** Port on which every waypoint takes HBONE, whatever its listeners say. */
export const hbonePort = 15_008;

/** On pods: the gateway they are an instance of, in their own namespace. */
export const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name';

/** A gateway that can be named as waypoint: any one with an address in its status, whatever its class. */
export interface Waypoint {
  /** `namespace/name` of the Gateway. */
  readonly key: string;
  readonly namespace: string;
  readonly address: workload.GatewayAddress;
  /** What may be bound to it: `service`, `workload` or `all`; anything else binds nothing. */
  readonly traffic: string;
  readonly allowed: AllowedNamespaces;
  /** How its own pods get traffic from the node's ztunnel; undefined when they terminate HBONE themselves. */
  readonly inboundTunnel: workload.ApplicationTunnel | undefined;
  /** Service accounts of its pods, sorted; only filled in when policies are made of them. */
  readonly serviceAccounts: readonly string[];
}

/**
 * The waypoint a Gateway is; undefined while its status has no address. An address once written keeps the waypoint in
 * force, so traffic to a waypoint that is down fails instead of going around it. Spec: control-plane.md section 4.2.
 */
export function gatewayWaypoint(
  gateway: Gateway,
  gatewayClass: GatewayClass | undefined,
  serviceAccounts: readonly string[],
  network: string,
): Waypoint | undefined {
  const { namespace, name } = gateway.metadata;
  const address = waypointAddress(gateway, network);
  if (address === undefined) return undefined;
  const binding = inboundTunnel(gateway, gatewayClass);
  const traffic = 'istio.io/waypoint-for';
  return {
    key: `${namespace}/${name}`,
    namespace,
    address,
    traffic: gateway.metadata.labels[traffic] ?? gatewayClass?.metadata.labels[traffic] ?? 'service',
    allowed: allowedNamespaces(gateway, binding),
    inboundTunnel: binding,
    serviceAccounts,
  };
}

/** Host names are better keys than addresses: they stay, and are one for both families. */
function waypointAddress(gateway: Gateway, network: string): workload.GatewayAddress | undefined {
  const { addresses } = gateway.status;
  const hostname = addresses.find(({ type, value }) => type === 'Hostname' && value !== '')?.value;
  if (hostname !== undefined) {
    const { namespace } = gateway.metadata;
    return create(workload.GatewayAddressSchema, {
      destination: { case: 'hostname', value: { namespace, hostname } },
      hboneMtlsPort: hbonePort,
    });
  }
  for (const { type, value } of addresses) {
    const address = type === 'IPAddress' ? ipBytes(value) : undefined;
    if (address === undefined) continue;
    return create(workload.GatewayAddressSchema, {
      destination: { case: 'address', value: { network, address } },
      hboneMtlsPort: hbonePort,
    });
  }
  return undefined;
}

/** `NONE` or `PROXY`, optionally with `/<port>`; no port keeps the original one. What cannot be read counts as absent. */
function inboundTunnel(
  gateway: Gateway,
  gatewayClass: GatewayClass | undefined,
): workload.ApplicationTunnel | undefined {
  const annotation = 'ambient.istio.io/waypoint-inbound-binding';
  const text = gateway.metadata.annotations[annotation] ?? gatewayClass?.metadata.annotations[annotation];
  const [, protocol, port = '0'] = /^(NONE|PROXY)(?:\/(\d{1,5}))?$/.exec(text ?? '') ?? [];
  if (protocol === undefined || Number(port) > 65_535) return undefined;
  const { NONE, PROXY } = workload.ApplicationTunnel_Protocol;
  return create(workload.ApplicationTunnelSchema, {
    protocol: protocol === 'PROXY' ? PROXY : NONE,
    port: Number(port),
  });
}

/** The rule of the listener that takes bound traffic, else of the HBONE listener, else the own namespace. */
function allowedNamespaces(gateway: Gateway, binding: workload.ApplicationTunnel | undefined): AllowedNamespaces {
  const { listeners } = gateway.spec;
  const isProxy = binding?.protocol === workload.ApplicationTunnel_Protocol.PROXY;
  const bound = listeners.find((listener) =>
    binding !== undefined && binding.port !== 0
      ? listener.port === binding.port
      : isProxy && listener.protocol === 'istio.io/PROXY',
  );
  const listener = bound ?? listeners.find(({ protocol, port }) => protocol === 'HBONE' && port === hbonePort);
  return listener?.allowedNamespaces ?? { from: 'Same', selector: undefined };
}

/** True when objects of a namespace may use a waypoint. `labelsOf` gives the labels of a namespace. */
export function allowsNamespace(
  waypoint: Waypoint,
  namespace: string,
  labelsOf: (namespace: string) => Readonly<Record<string, string>>,
): boolean {
  const { from, selector } = waypoint.allowed;
  switch (from) {
    case 'All':
      return true;
    case 'Selector':
      return selector !== undefined && matchesSelector(selector, labelsOf(namespace));
    case 'Same':
    case 'None':
      return namespace === waypoint.namespace;
  }
}
