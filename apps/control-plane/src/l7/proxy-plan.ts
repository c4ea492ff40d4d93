/** One gateway and how its proxies behave. */
import { access, type limit, proxy } from '@ambit/api';
import { compareText } from '@ambit/collections';
import { create, toBinary } from '@bufbuild/protobuf';
import { isGoTrue } from '../derive/go-literal.ts';
import type { AuthorizationProviderSettings, MeshSettings } from '../mesh-settings.ts';
import { type L7Gateway, proxyKind } from './l7-gateway.ts';
import { duration } from './proto-text.ts';
import { trustedProxiesOf } from './trusted-proxies.ts';

/** A Proxy as it is sent. */
export interface PlannedProxy {
  /** Resource name: `namespace/gateway`. */
  readonly name: string;
  readonly message: proxy.Proxy;
  readonly bytes: Uint8Array;
}

export interface ProxyParts {
  readonly destinations: readonly string[];
  readonly servers: readonly string[];
  readonly access: access.AccessRules | undefined;
  readonly telemetry: proxy.Telemetry | undefined;
  /** With the service each of them is. */
  readonly providers: readonly access.AuthorizationProvider[];
  readonly rateLimits: readonly limit.RateLimit[];
  readonly rateLimitServices: readonly limit.RateLimitService[];
}

export function planProxy(at: L7Gateway, parts: ProxyParts, settings: MeshSettings): PlannedProxy {
  const { namespace, name } = at.gateway.metadata;
  const message = create(proxy.ProxySchema, {
    namespace,
    name,
    kind: proxyKind(at),
    destinations: parts.destinations.toSorted(compareText),
    servers: parts.servers.toSorted(compareText),
    ...(parts.access === undefined ? {} : { access: parts.access }),
    handling: requestHandling(at, settings),
    ...(parts.telemetry === undefined ? {} : { telemetry: parts.telemetry }),
    providers: [...parts.providers],
    rateLimits: [...parts.rateLimits],
    rateLimitServices: parts.rateLimitServices.toSorted((a, b) => compareText(a.name, b.name)),
    trustDomains: [settings.trustDomain, ...settings.trustDomainAliases],
  });
  return { name: at.key, message, bytes: toBinary(proxy.ProxySchema, message) };
}

const { PATH_BASE, PATH_NONE, PATH_MERGE_SLASHES, PATH_DECODE_AND_MERGE_SLASHES } =
  proxy.RequestHandling_PathNormalisation;

const normalisations = {
  BASE: PATH_BASE,
  NONE: PATH_NONE,
  MERGE_SLASHES: PATH_MERGE_SLASHES,
  DECODE_AND_MERGE_SLASHES: PATH_DECODE_AND_MERGE_SLASHES,
} as const;

/** Envoy's limits: 60 KiB and 100 headers. Spec: l7.md sections 3.3, 4.4, 4.8 and 5.2. */
function requestHandling({ gateway, role }: L7Gateway, settings: MeshSettings): proxy.RequestHandling {
  const identity = gateway.metadata.annotations['ambient.istio.io/xfcc-include-client-identity'];
  return create(proxy.RequestHandlingSchema, {
    pathNormalisation: normalisations[settings.pathNormalisation],
    escapedSlashes: proxy.RequestHandling_EscapedSlashes.SLASHES_KEEP,
    serverHeader: settings.serverHeader,
    // A gateway tells of client certificates always, a waypoint when asked to.
    forwardClientIdentity: role === 'gateway' || isGoTrue(identity ?? ''),
    maxHeadBytes: 60 * 1024,
    maxHeaders: 100,
    // A waypoint's clients are the mesh's own.
    trustedProxies: role === 'gateway' ? trustedProxiesOf(gateway, settings) : 0,
  });
}

/** A provider with the service that it is. */
export function authorizationProvider(
  settings: AuthorizationProviderSettings,
  service: { readonly namespace: string; readonly hostname: string },
): access.AuthorizationProvider {
  const { protocol } = settings;
  return create(access.AuthorizationProviderSchema, {
    name: settings.name,
    namespace: service.namespace,
    hostname: service.hostname,
    port: settings.port,
    timeout: duration(settings.timeoutMs),
    failOpen: settings.failsOpen,
    statusOnError: settings.statusOnError,
    maxBodyBytes: settings.maxBodyBytes,
    allowPartialBody: settings.allowsPartialBody,
    protocol:
      protocol.kind === 'grpc'
        ? { case: 'grpc', value: {} }
        : {
            case: 'http',
            value: {
              pathPrefix: protocol.pathPrefix,
              includedHeaders: [...protocol.includedHeaders],
              addedHeaders: { ...protocol.addedHeaders },
              headersToUpstream: [...protocol.headersToUpstream],
              headersToDownstreamOnAllow: [...protocol.headersToDownstreamOnAllow],
              headersToDownstreamOnDeny: [...protocol.headersToDownstreamOnDeny],
            },
          },
  });
}
