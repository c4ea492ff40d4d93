import { route } from '@ambit/api';
import type { StreamRule, VirtualService } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { type DestinationScope, shares, weightedDestination } from './virtual-service-destination.ts';
import { canMatch, type RoutePlace } from './virtual-service-matches.ts';

/**
 * TLS or TCP rules of a VirtualService at a waypoint. Of TLS matches only the service's own server name can be used, of
 * TCP matches only the port. Spec: l7.md section 3.2, tls and tcp.
 */
export function virtualServiceStreams(
  { metadata, spec }: VirtualService,
  kind: 'tls' | 'tcp',
  hostname: string,
  place: RoutePlace,
  scope: DestinationScope,
): readonly route.TcpRoute[] {
  const { namespace, name } = metadata;
  return spec[kind].flatMap((rule, index) => {
    const isUsed =
      rule.matches.length === 0 || rule.matches.some((match) => isUsable(match, hostname, namespace, place));
    if (!isUsed) return [];
    return [
      create(route.TcpRouteSchema, {
        name: `${namespace}.${name}.${kind}.${index}`,
        backends: shares(rule.destinations).map(({ destination, weight }) =>
          weightedDestination(destination, weight, scope),
        ),
      }),
    ];
  });
}

function isUsable(
  match: StreamRule['matches'][number],
  hostname: string,
  namespace: string,
  place: RoutePlace,
): boolean {
  const [serverName] = match.sniHosts;
  const isOwnName = match.sniHosts.length === 0 || (match.sniHosts.length === 1 && serverName === hostname);
  return isOwnName && !match.hasSubnets && canMatch(match, namespace, place);
}
