/**
 * The whole configuration of a proxy at one moment, and how one moment follows another. A request takes a snapshot once and
 * keeps it: whatever arrives later is for the next request.
 */
import type { ServedTarget } from '../request/downstream-facts.ts';
import { type Access, type AccessLevel, joinAccess, openLevel } from './access.ts';
import type { BackendTarget } from './backend-target.ts';
import type { CompiledDestination, CompiledPort } from './destination.ts';
import type { CompiledProxy, TelemetrySettings } from './proxy.ts';
import type { CompiledServer } from './server.ts';
import { defaultTrafficPolicy, type TrafficPolicy } from './traffic-policy.ts';

/** A destination with everything that decides about its requests. */
export interface ServedDestination {
  readonly destination: CompiledDestination;
  readonly access: Access;
}

/** Immutable. */
export interface ConfigSnapshot {
  readonly proxy: CompiledProxy;
  /** Of traffic that no destination's policies are for: gateways, and workloads reached by their addresses. */
  readonly access: Access;
  /** By `<namespace>/<hostname>`. */
  readonly destinations: ReadonlyMap<string, ServedDestination>;
  readonly servers: ReadonlyMap<number, CompiledServer>;
}

/** The port that a target stands for; undefined if nothing is known of it. */
export function findPort(snapshot: ConfigSnapshot, target: BackendTarget): CompiledPort | undefined {
  if (target.kind === 'workload') return undefined;
  return snapshot.destinations.get(`${target.namespace}/${target.hostname}`)?.destination.ports.get(target.port);
}

/** How the endpoints of a target are used: the subset's policy, else the port's, else the defaults. */
export function trafficPolicyOf(snapshot: ConfigSnapshot, target: BackendTarget): TrafficPolicy {
  if (target.kind === 'workload') return defaultTrafficPolicy;
  const served = snapshot.destinations.get(`${target.namespace}/${target.hostname}`);
  if (served === undefined) return defaultTrafficPolicy;
  const { subsets, ports } = served.destination;
  const subset = target.subset === '' ? undefined : subsets.get(target.subset);
  return (
    subset?.portTraffic.get(target.port) ?? subset?.traffic ?? ports.get(target.port)?.traffic ?? defaultTrafficPolicy
  );
}

/** What is told about requests: what the service says, else the proxy. */
export function telemetryOf(
  { proxy, destinations }: ConfigSnapshot,
  served: ServedTarget,
): TelemetrySettings | undefined {
  const own = served.kind === 'service' ? destinations.get(served.key)?.destination.telemetry : undefined;
  return own ?? proxy.telemetry;
}

/** Resources that changed at once; undefined takes one away. Destinations and servers by their resource names. */
export interface ConfigChange {
  readonly proxy?: CompiledProxy;
  readonly destinations?: ReadonlyMap<string, CompiledDestination | undefined>;
  readonly servers?: ReadonlyMap<string, CompiledServer | undefined>;
}

/** Holds the last good state of every resource and makes snapshots of it. One for each thread that serves. */
export class ConfigState {
  #proxy: CompiledProxy | undefined;
  readonly #destinations = new Map<string, CompiledDestination>();
  readonly #servers = new Map<string, CompiledServer>();
  #snapshot: ConfigSnapshot | undefined;

  /** Undefined until the proxy's own resource has come. */
  get snapshot(): ConfigSnapshot | undefined {
    return this.#snapshot;
  }

  /** The next snapshot. What did not change is the same object as before, so that counters and pools by identity go on. */
  apply(change: ConfigChange): ConfigSnapshot | undefined {
    this.#proxy = change.proxy ?? this.#proxy;
    for (const [name, destination] of change.destinations ?? []) replace(this.#destinations, name, destination);
    for (const [name, server] of change.servers ?? []) replace(this.#servers, name, server);
    const proxy = this.#proxy;
    if (proxy === undefined) return undefined;

    const before = this.#snapshot;
    const isProxySame = before?.proxy === proxy;
    const join = (levels: readonly AccessLevel[]): Access => joinAccess(levels, proxy.trustDomains);
    const access = isProxySame ? before.access : join([proxy.access]);
    const destinations = new Map<string, ServedDestination>();
    for (const destination of this.#destinations.values()) {
      const known = isProxySame ? before.destinations.get(destination.key) : undefined;
      // Most services have no policy of their own: they share what is joined for the proxy.
      const served = (): ServedDestination => ({
        destination,
        access: isOpen(destination.access) ? access : join([proxy.access, destination.access]),
      });
      destinations.set(destination.key, known?.destination === destination ? known : served());
    }
    const servers = new Map([...this.#servers.values()].map((server) => [server.port, server]));
    this.#snapshot = { proxy, access, destinations, servers };
    return this.#snapshot;
  }
}

function isOpen(level: AccessLevel): boolean {
  return level === openLevel || (level.policies.length === 0 && level.jwtRules.length === 0);
}

function replace<T>(map: Map<string, T>, name: string, value: T | undefined): void {
  if (value === undefined) map.delete(name);
  else map.set(name, value);
}
