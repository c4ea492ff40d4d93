/** RateLimitPolicy at L7 proxies. Spec: l7.md section 9.1; docs/architecture/waypoint.md. */
import { limit } from '@ambit/api';
import { compareText, type Index } from '@ambit/collections';
import type { RateLimitAttribute, RateLimitPolicy, RateLimitSpec } from '@ambit/kube';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { serviceHostname } from '../derive/kubernetes-service.ts';
import type { MeshReads } from '../derive/mesh-reads.ts';
import type { MeshObjects } from '../derive/mesh-objects.ts';
import type { MeshSettings } from '../mesh-settings.ts';
import { duration } from './proto-text.ts';

/** Of the counters of a service that names no other. */
const defaultDomain = 'ambit';

/** Finds the limits of what policies are attached to. */
export class RateLimitFinder {
  readonly #byTarget: Index<RateLimitPolicy>;

  constructor(objects: MeshObjects) {
    this.#byTarget = objects.RateLimitPolicy.index('by-target', ({ spec, metadata: { namespace } }) => [
      ...new Set(
        spec.targets
          .filter((target) => target.namespace === undefined || target.namespace === namespace)
          .map(({ kind, name }) => `${kind}/${namespace}/${name}`),
      ),
    ]);
  }

  /** Limits of an object, by the names of their policies. */
  of(reads: MeshReads, kind: string, namespace: string, name: string): limit.RateLimit[] {
    return reads
      .lookup(this.#byTarget, `${kind}/${namespace}/${name}`)
      .toSorted((a, b) => compareText(a.metadata.name, b.metadata.name))
      .flatMap((policy) => policy.spec.limits.map((one) => rateLimit(policy, one)));
  }
}

const { CLIENT_ADDRESS, SOURCE_PRINCIPAL, SOURCE_NAMESPACE, ROUTE, HOST, METHOD, PATH } = limit.RateLimit_Attribute;
const attributes: Readonly<Record<RateLimitAttribute, limit.RateLimit_Attribute>> = {
  ClientAddress: CLIENT_ADDRESS,
  SourcePrincipal: SOURCE_PRINCIPAL,
  SourceNamespace: SOURCE_NAMESPACE,
  Route: ROUTE,
  Host: HOST,
  Method: METHOD,
  Path: PATH,
};

function rateLimit({ metadata, spec }: RateLimitPolicy, one: RateLimitSpec): limit.RateLimit {
  const policy = `${metadata.namespace}/${metadata.name}`;
  const isGlobal = one.scope === 'Global';
  type Key = MessageInitShape<typeof limit.RateLimit_KeySchema>;
  return create(limit.RateLimitSchema, {
    name: `${policy}/${one.name}`,
    requests: one.requests,
    interval: duration(one.intervalMs),
    burst: one.burst ?? 0,
    keys: [
      ...one.attributes.map((value): Key => ({ kind: { case: 'attribute', value: attributes[value] } })),
      ...one.headers.map((name): Key => ({ kind: { case: 'header', value: name.toLowerCase() } })),
      ...one.claims.map((path): Key => ({ kind: { case: 'claim', value: { path: [...path] } } })),
    ],
    service: isGlobal ? policy : '',
    domain: isGlobal ? (spec.service?.domain ?? defaultDomain) : '',
    tellClients: spec.tellsClients,
    dryRun: one.isDryRun,
  });
}

/** The service that counts for a policy; undefined when each proxy counts for itself. */
export function rateLimitService(
  { metadata, spec }: RateLimitPolicy,
  settings: MeshSettings,
): { readonly key: string; readonly message: limit.RateLimitService } | undefined {
  const { service } = spec;
  if (service === undefined) return undefined;
  const namespace = service.namespace ?? metadata.namespace;
  const hostname = serviceHostname(service.name, namespace, settings);
  const message = create(limit.RateLimitServiceSchema, {
    name: `${metadata.namespace}/${metadata.name}`,
    namespace,
    hostname,
    port: service.port,
    ...(service.timeoutMs === undefined ? {} : { timeout: duration(service.timeoutMs) }),
    failClosed: service.onFailure === 'Refuse',
  });
  return { key: `${namespace}/${hostname}`, message };
}
