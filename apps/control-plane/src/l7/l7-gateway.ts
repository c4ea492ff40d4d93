import { proxy } from '@ambit/api';
import { type Gateway, type GatewayClass, type Labels, matchesLabels, type WorkloadSelector } from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';

/** A Gateway whose proxies are Ambit's. */
export interface L7Gateway {
  /** `namespace/name`. */
  readonly key: string;
  readonly role: 'waypoint' | 'gateway';
  readonly controllerName: string;
  readonly gateway: Gateway;
}

/** Classes that mean something without a GatewayClass object: folders usually hold none. */
const wellKnown: Readonly<Record<string, string>> = {
  'ambit-waypoint': 'ambit.dev/mesh-controller',
  'istio-waypoint': 'istio.io/mesh-controller',
  ambit: 'ambit.dev/gateway-controller',
  istio: 'istio.io/gateway-controller',
};

/** What a Gateway is to us; undefined for one of another implementation. */
export function l7Gateway(
  gateway: Gateway,
  gatewayClass: GatewayClass | undefined,
  settings: MeshSettings,
): L7Gateway | undefined {
  const { gatewayClassName } = gateway.spec;
  const controllerName = gatewayClass?.spec.controllerName ?? wellKnown[gatewayClassName] ?? '';
  const key = `${gateway.metadata.namespace}/${gateway.metadata.name}`;
  if (settings.waypointControllers.includes(controllerName)) {
    return { key, role: 'waypoint', controllerName, gateway };
  }
  return settings.gatewayControllers.includes(controllerName)
    ? { key, role: 'gateway', controllerName, gateway }
    : undefined;
}

/** Labels of the pods of a gateway, as selectors of users and preferences of place see them. */
export function proxyLabels({ gateway: { metadata, spec } }: L7Gateway): Labels {
  return {
    ...(spec.podLabels ?? metadata.labels),
    'gateway.networking.k8s.io/gateway-name': metadata.name,
    'gateway.networking.k8s.io/gateway-class-name': spec.gatewayClassName,
  };
}

/** Whether the selector of a policy means the gateway. Without labels it means all, unlike at ztunnel. Istio: PolicyMatcher, isSelected. */
export function selectsGateway(selector: WorkloadSelector | undefined, at: L7Gateway): boolean {
  return selector?.matchLabels === undefined || matchesLabels(selector.matchLabels, proxyLabels(at));
}

/** Kind of proxy in the words of the contract. */
export function proxyKind({ role }: L7Gateway): proxy.Proxy_Kind {
  return role === 'waypoint' ? proxy.Proxy_Kind.WAYPOINT : proxy.Proxy_Kind.GATEWAY;
}

/** Name of the Destination of a service at one gateway. */
export function destinationName(gateway: string, serviceKey: string): string {
  return `${gateway}/${serviceKey}`;
}
