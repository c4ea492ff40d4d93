/** One Gateway object and how its proxies behave. Compiled from ambit.v1.Proxy. */
import { proxy as messages } from '@ambit/api';
import { fromBinary } from '@bufbuild/protobuf';
import type { PathRules } from '@ambit/routing';

import { type AccessLevel, compileAccessLevel } from './access.ts';
import { type AuthorizationProvider, compileProvider } from './authorization-provider.ts';
import { limitMs } from './duration.ts';
import { type Compiled, Problems } from './problems.ts';
import { compileLimitService, compileRateLimits, type LimitService, type RateLimitRule } from './rate-limit.ts';

const { Proxy_Kind: Kind, RequestHandling_PathNormalisation: Path, RequestHandling_EscapedSlashes: Slashes } = messages;

/** How requests are read and answered. */
export interface RequestHandling {
  readonly pathRules: PathRules;
  /** Undefined leaves the backend's. */
  readonly serverHeader: string | undefined;
  readonly forwardsClientIdentity: boolean;
  readonly acceptsHttp10: boolean;
  readonly trustedProxies: number;
  /** Limits of the connections; undefined: their defaults. */
  readonly maxHeadBytes: number | undefined;
  readonly maxHeaders: number | undefined;
  readonly streamIdleTimeoutMs: number | undefined;
  readonly requestHeadTimeoutMs: number | undefined;
}

/** As sent: the telemetry of the process makes series and log formats of it. */
export type TelemetrySettings = messages.Telemetry;

export interface CompiledProxy {
  readonly namespace: string;
  readonly name: string;
  readonly kind: 'waypoint' | 'gateway';
  /** Resource names to subscribe to. */
  readonly destinations: readonly string[];
  readonly servers: readonly string[];
  readonly access: AccessLevel;
  readonly handling: RequestHandling;
  readonly telemetry: TelemetrySettings | undefined;
  /** By name. A policy whose provider is not here refuses what it matches. */
  readonly providers: ReadonlyMap<string, AuthorizationProvider>;
  readonly trustDomains: readonly string[];
  /** Of all its requests. */
  readonly limits: readonly RateLimitRule[];
  /** By name. */
  readonly limitServices: ReadonlyMap<string, LimitService>;
}

/** Reads the bytes of a resource; what is not this message is a problem, not an error. */
export function compileProxy(bytes: Uint8Array): Compiled<CompiledProxy> {
  const problems = new Problems();
  const message = problems.decode(() => fromBinary(messages.ProxySchema, bytes));
  if (message === undefined) return problems.refusal();
  if (message.kind !== Kind.WAYPOINT && message.kind !== Kind.GATEWAY) {
    problems.bad('proxy', `unknown kind ${String(message.kind)}`);
  }
  if (message.trustDomains.length === 0) problems.bad('proxy', 'no trust domain');
  return problems.result({
    namespace: message.namespace,
    name: message.name,
    kind: message.kind === Kind.GATEWAY ? 'gateway' : 'waypoint',
    destinations: message.destinations,
    servers: message.servers,
    access: compileAccessLevel(message.access, 'proxy', problems),
    handling: compileHandling(message.handling, problems),
    telemetry: message.telemetry,
    providers: new Map(
      message.providers.flatMap((one) => {
        const provider = compileProvider(one, problems);
        return provider === undefined ? [] : [[provider.name, provider] as const];
      }),
    ),
    trustDomains: message.trustDomains,
    limits: compileRateLimits(message.rateLimits, 'proxy', problems),
    limitServices: new Map(message.rateLimitServices.map((service) => [service.name, compileLimitService(service)])),
  });
}

function compileHandling(message: messages.RequestHandling | undefined, problems: Problems): RequestHandling {
  const limit = (value: number | undefined): number | undefined => (value === 0 ? undefined : value);
  return {
    pathRules: {
      normalisation: pathNormalisation(message?.pathNormalisation, problems),
      escapedSlashes: escapedSlashes(message?.escapedSlashes, problems),
    },
    serverHeader: message === undefined || message.serverHeader === '' ? undefined : message.serverHeader,
    forwardsClientIdentity: message?.forwardClientIdentity ?? false,
    acceptsHttp10: message?.acceptHttp10 ?? false,
    trustedProxies: message?.trustedProxies ?? 0,
    maxHeadBytes: limit(message?.maxHeadBytes),
    maxHeaders: limit(message?.maxHeaders),
    streamIdleTimeoutMs: limitMs(message?.streamIdleTimeout),
    requestHeadTimeoutMs: limitMs(message?.requestHeadTimeout),
  };
}

function pathNormalisation(
  value: messages.RequestHandling_PathNormalisation | undefined,
  problems: Problems,
): PathRules['normalisation'] {
  switch (value) {
    case undefined:
    case Path.PATH_BASE:
      return 'base';
    case Path.PATH_NONE:
      return 'none';
    case Path.PATH_MERGE_SLASHES:
      return 'merge-slashes';
    case Path.PATH_DECODE_AND_MERGE_SLASHES:
      return 'decode-and-merge-slashes';
    default:
      problems.bad('proxy', `unknown path normalisation ${String(value)}`);
      return 'base';
  }
}

function escapedSlashes(
  value: messages.RequestHandling_EscapedSlashes | undefined,
  problems: Problems,
): PathRules['escapedSlashes'] {
  switch (value) {
    case undefined:
    case Slashes.SLASHES_KEEP:
      return 'keep';
    case Slashes.SLASHES_REJECT:
      return 'reject';
    case Slashes.SLASHES_UNESCAPE_AND_REDIRECT:
      return 'unescape-and-redirect';
    case Slashes.SLASHES_UNESCAPE_AND_FORWARD:
      return 'unescape-and-forward';
    default:
      problems.bad('proxy', `unknown treatment of escaped slashes ${String(value)}`);
      return 'keep';
  }
}
