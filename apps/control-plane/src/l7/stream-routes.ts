import { route } from '@ambit/api';
import { gatewayGroup, type StreamRouteRule, type TCPRoute, type TLSRoute } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { resolveBackend } from './backend-lookup.ts';
import type { RouteSurroundings } from './gateway-api-routes.ts';

/** The route of a TLSRoute or TCPRoute: its first rule. Spec: l7.md section 1.7. */
export function streamRoutes(
  resource: TLSRoute | TCPRoute,
  surroundings: Omit<RouteSurroundings, 'listenerPort' | 'rateLimits'>,
  serverNames: readonly string[] = resource.spec.hostnames,
): readonly route.TcpRoute[] {
  const { namespace, name } = resource.metadata;
  return resource.spec.rules.slice(0, 1).map((rule) =>
    create(route.TcpRouteSchema, {
      name: rule.name ?? `${namespace}.${name}.0`,
      serverNames: [...serverNames],
      backends: backendsOf(resource, rule, surroundings),
    }),
  );
}

function backendsOf(
  { kind, metadata }: TLSRoute | TCPRoute,
  rule: StreamRouteRule,
  { view, place, problems }: Omit<RouteSurroundings, 'listenerPort' | 'rateLimits'>,
): route.WeightedBackend[] {
  const referrer = { group: gatewayGroup, kind, namespace: metadata.namespace, needsGrant: place === 'gateway' };
  const backends = rule.backends.map((backend) => {
    const { weight } = backend;
    const resolved = resolveBackend(backend, referrer, view);
    if (resolved.kind === 'failed') {
      problems.push(resolved.problem);
      return create(route.WeightedBackendSchema, { weight, target: { case: 'failureStatus', value: 500 } });
    }
    const { namespace, hostname, port } = resolved;
    return create(route.WeightedBackendSchema, {
      weight,
      target: { case: 'backend', value: { namespace, hostname, port } },
    });
  });
  return backends.filter(({ weight }) => weight > 0);
}
