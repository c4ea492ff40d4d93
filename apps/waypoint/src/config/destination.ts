/** One service as this proxy sees it. Compiled from ambit.v1.Destination. */
import { proxy as messages } from '@ambit/api';
import { fromBinary } from '@bufbuild/protobuf';

import { type AccessLevel, compileAccessLevel } from './access.ts';
import { type ServiceTarget, serviceTarget } from './backend-target.ts';
import { compileRoute, plainRoute } from './compile-route.ts';
import { compileTrafficPolicy } from './compile-traffic-policy.ts';
import { type Compiled, Problems } from './problems.ts';
import { compileRateLimits, type RateLimitRule } from './rate-limit.ts';
import { RouteTable } from './route-table.ts';
import { type CompiledTcpRoute, compileTcpRoute, plainTcpRoute } from './tcp-route.ts';
import type { TelemetrySettings } from './proxy.ts';
import { defaultTrafficPolicy, type TrafficPolicy } from './traffic-policy.ts';

const { Protocol } = messages;

/** How the bytes of a port are read. */
export type PortProtocol = 'auto' | 'http' | 'http2' | 'grpc' | 'grpc-web' | 'tcp' | 'tls';

export interface CompiledPort {
  readonly port: number;
  readonly name: string;
  readonly protocol: PortProtocol;
  /** The first that matches; none: 404. Without configured routes the only one leads to the service itself. */
  readonly routes: RouteTable;
  readonly tcpRoutes: readonly CompiledTcpRoute[];
  readonly traffic: TrafficPolicy;
  readonly target: ServiceTarget;
}

export interface CompiledSubset {
  readonly name: string;
  readonly workloadUids: ReadonlySet<string>;
  /** Replaces that of the port; undefined: the port's. */
  readonly traffic: TrafficPolicy | undefined;
  /** By service port, where something else holds. */
  readonly portTraffic: ReadonlyMap<number, TrafficPolicy>;
}

export interface CompiledDestination {
  /** `<namespace>/<hostname>`. */
  readonly key: string;
  readonly namespace: string;
  readonly hostname: string;
  /** False: only a backend of routes; connections to it are refused. */
  readonly isServed: boolean;
  readonly ports: ReadonlyMap<number, CompiledPort>;
  readonly subsets: ReadonlyMap<string, CompiledSubset>;
  readonly access: AccessLevel;
  /** Of all its requests; those of routes count after them. */
  readonly limits: readonly RateLimitRule[];
  /** Undefined: as the proxy's. */
  readonly telemetry: TelemetrySettings | undefined;
}

/** Reads the bytes of a resource; what is not this message is a problem, not an error. */
export function compileDestination(bytes: Uint8Array): Compiled<CompiledDestination> {
  const problems = new Problems();
  const message = problems.decode(() => fromBinary(messages.DestinationSchema, bytes));
  if (message === undefined) return problems.refusal();
  const { namespace, hostname } = message;
  if (namespace === '' || hostname === '') problems.bad('destination', 'without namespace or host name');
  const ports = message.ports.map((port) => compilePort(message, port, problems));
  return problems.result({
    key: `${namespace}/${hostname}`,
    namespace,
    hostname,
    isServed: message.served,
    ports: new Map(ports.map((port) => [port.port, port])),
    subsets: new Map(message.subsets.map((subset) => [subset.name, compileSubset(subset, problems)])),
    access: compileAccessLevel(message.access, 'destination', problems),
    limits: compileRateLimits(message.rateLimits, 'destination', problems),
    telemetry: message.telemetry,
  });
}

function compilePort(
  destination: messages.Destination,
  message: messages.DestinationPort,
  problems: Problems,
): CompiledPort {
  const { port, name } = message;
  const place = `port ${port}`;
  if (port < 1 || port > 65_535) problems.bad(place, 'no port number');
  const target = serviceTarget(destination.namespace, destination.hostname, port);
  const routes = message.httpRoutes.map((route) => compileRoute(route, `${place} route ${route.name}`, problems));
  const tcpRoutes = message.tcpRoutes.map((route) => compileTcpRoute(route, `${place} route ${route.name}`, problems));
  return {
    port,
    name,
    protocol: protocolOf(message.protocol, place, problems),
    routes: new RouteTable(message.noMatchIsError ? routes : [...routes, plainRoute(target)]),
    tcpRoutes: tcpRoutes.length > 0 ? tcpRoutes : [plainTcpRoute(target)],
    traffic: compileTrafficPolicy(message.traffic, place, problems),
    target,
  };
}

function compileSubset(message: messages.Subset, problems: Problems): CompiledSubset {
  const { name, workloadUids, traffic, portTraffic } = message;
  const place = `subset ${name}`;
  return {
    name,
    workloadUids: new Set(workloadUids),
    traffic: traffic === undefined ? undefined : compileTrafficPolicy(traffic, place, problems),
    portTraffic: new Map(
      portTraffic.map((entry) => [
        entry.port,
        entry.traffic === undefined
          ? defaultTrafficPolicy
          : compileTrafficPolicy(entry.traffic, `${place} port ${entry.port}`, problems),
      ]),
    ),
  };
}

function protocolOf(protocol: messages.Protocol, place: string, problems: Problems): PortProtocol {
  switch (protocol) {
    case Protocol.AUTO:
      return 'auto';
    case Protocol.HTTP:
      return 'http';
    case Protocol.HTTP2:
      return 'http2';
    case Protocol.GRPC:
      return 'grpc';
    case Protocol.GRPC_WEB:
      return 'grpc-web';
    case Protocol.TCP:
      return 'tcp';
    case Protocol.TLS:
      return 'tls';
    default:
      problems.bad(place, `unknown protocol ${String(protocol)}`);
      return 'tcp';
  }
}
