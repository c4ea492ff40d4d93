import type { EndpointSlice, Service } from '@ambit/kube';
import type { GatewayServiceFacts } from './gateway-status.ts';

/** What a Gateway's status says of its Service; undefined while there is none. */
export function gatewayServiceFacts(
  service: Service | undefined,
  slices: Iterable<EndpointSlice>,
  clusterDomain: string,
): GatewayServiceFacts | undefined {
  if (service === undefined) return undefined;
  const { namespace, name } = service.metadata;
  const isServed = [...slices].some(
    ({ metadata, endpoints }) =>
      metadata.namespace === namespace &&
      metadata.labels['kubernetes.io/service-name'] === name &&
      endpoints.some(({ isReady }) => isReady !== false),
  );
  return {
    addresses: service.spec.clusterIPs.filter((address) => address !== 'None'),
    hostname: `${name}.${namespace}.svc.${clusterDomain}`,
    isServed,
  };
}
