import type { RequestHead } from '@ambit/exchange';
import type { WorkloadStore } from '@ambit/workload';

import type { BackendTarget, ServiceTarget } from '../../config/backend-target.ts';
import { type ConfigSnapshot, findPort, trafficPolicyOf } from '../../config/config-snapshot.ts';
import { defaultTrafficPolicy } from '../../config/traffic-policy.ts';
import type {
  EndpointLease,
  PendingAttempt,
  UpstreamChoiceFacts,
  UpstreamFailure,
  Upstreams,
  UpstreamUser,
} from '../../request/upstream.ts';
import type { ClusterDescription } from '../../worker-protocol.ts';
import { Cluster, type ClusterFacts, type ClusterSurroundings, EndpointTurn } from './cluster.ts';
import type { ClusterEndpoint, EndpointFacts } from './cluster-endpoint.ts';
import { addressEndpoint, type EndpointQuery, serviceEndpoints } from './find-endpoints.ts';
import { waypointEndpoints } from './waypoint-endpoints.ts';
import { wildcardEndpoints } from './wildcard-hosts.ts';

export interface MeshUpstreamsOptions {
  readonly surroundings: ClusterSurroundings;
  readonly store: WorkloadStore;
  readonly network: string;
  readonly instanceIp: string;
  config(): ConfigSnapshot | undefined;
  resolve(hostname: string): readonly string[];
  /** Of names that clients choose; undefined as long as nobody knows. */
  lookUp(hostname: string): readonly string[] | undefined;
}

/** A cluster, and the state of things that it was made from. */
interface Held {
  readonly cluster: Cluster;
  readonly target: BackendTarget;
  snapshot: ConfigSnapshot | undefined;
  meshVersion: number;
}

/** Longest list of addresses that a PASSTHROUGH target is remembered for. */
const maxPassthroughEndpoints = 1024;

/** Backends by target: clusters are made when they are asked for first, and brought up to date when they are asked next. */
export class MeshUpstreams implements Upstreams {
  readonly #options: MeshUpstreamsOptions;
  readonly #clusters = new Map<string, Held>();
  /** Endpoints that clients named, by target. */
  readonly #named = new Map<string, Map<string, EndpointFacts>>();
  #meshVersion = 1;
  #prepared: { readonly snapshot: ConfigSnapshot | undefined; readonly mesh: number } = {
    snapshot: undefined,
    mesh: 0,
  };

  constructor(options: MeshUpstreamsOptions) {
    this.#options = options;
  }

  /** Workloads, services or resolved names have changed. */
  onMeshChanged(): void {
    this.#meshVersion += 1;
  }

  /** Asks for the addresses of endpoints that are known by name only, before a request needs them. */
  prepare(): void {
    const { store, config, resolve } = this.#options;
    const snapshot = config();
    if (snapshot === undefined || (this.#prepared.snapshot === snapshot && this.#prepared.mesh === this.#meshVersion))
      return;
    this.#prepared = { snapshot, mesh: this.#meshVersion };
    for (const key of snapshot.destinations.keys()) {
      const service = store.serviceByKey(key);
      if (service === undefined) continue;
      const cursor = store.endpointsOf(service, undefined);
      while (cursor.advance()) {
        const hostname = cursor.hasNameOnly ? (cursor.workload()?.hostname ?? '') : '';
        if (hostname !== '' && !hostname.startsWith('*')) resolve(hostname);
      }
    }
  }

  /** Brings every cluster up to date: connections to what is gone end. Called now and then. */
  refresh(): void {
    this.prepare();
    for (const [key, held] of this.#clusters) {
      if (this.#bringUp(held)) continue;
      held.cluster.retire();
      this.#clusters.delete(key);
      this.#named.delete(key);
    }
  }

  /** Ends idle connections, the others with their requests. */
  retire(): void {
    for (const { cluster } of this.#clusters.values()) cluster.retire();
  }

  describe(): readonly ClusterDescription[] {
    return [...this.#clusters.values()].map(({ cluster }) => cluster.describe());
  }

  choose(target: BackendTarget, facts: UpstreamChoiceFacts): EndpointLease | UpstreamFailure {
    return this.take(target, facts);
  }

  /** As `choose`, for callers that dial by themselves. */
  take(target: BackendTarget, facts: UpstreamChoiceFacts): EndpointTurn | UpstreamFailure {
    const held = this.#held(target);
    if (held === undefined) return { kind: 'unknown-backend' };
    const { cluster } = held;
    if (target.kind === 'service' && target.hostname.startsWith('*')) return this.#takeWild(held, target, facts);
    return cluster.policy.balancing.kind === 'passthrough' ? this.#takeNamed(held, facts) : cluster.choose(facts);
  }

  hasEndpoint(target: BackendTarget, sessionTag: string): boolean {
    return this.#held(target)?.cluster.endpointOfTag(sessionTag) !== undefined;
  }

  open(lease: EndpointLease, head: RequestHead, isEnd: boolean, user: UpstreamUser): PendingAttempt {
    if (!(lease instanceof EndpointTurn)) throw new TypeError('a lease of somebody else');
    return lease.cluster.pool(lease.endpoint, lease.facts).open(head, isEnd, user);
  }

  beginRetry(target: BackendTarget): boolean {
    return this.#held(target)?.cluster.beginRetry() ?? false;
  }

  endRetry(target: BackendTarget): void {
    this.#clusters.get(target.key)?.cluster.endRetry();
  }

  /** Up to date; undefined if the target is not configured. */
  #held(target: BackendTarget): Held | undefined {
    const known = this.#clusters.get(target.key);
    const held = known ?? {
      cluster: new Cluster(target.key, this.#options.surroundings),
      target,
      snapshot: undefined,
      meshVersion: 0,
    };
    if (!this.#bringUp(held)) return undefined;
    if (known === undefined) this.#clusters.set(target.key, held);
    return held;
  }

  /** False if the target is not configured any more. */
  #bringUp(held: Held): boolean {
    const snapshot = this.#options.config();
    if (snapshot === undefined) return false;
    if (held.snapshot === snapshot && held.meshVersion === this.#meshVersion) return true;
    const facts = this.#factsOf(held.target, snapshot);
    if (facts === undefined) return false;
    held.snapshot = snapshot;
    held.meshVersion = this.#meshVersion;
    held.cluster.update(facts);
    return true;
  }

  #factsOf(target: BackendTarget, snapshot: ConfigSnapshot): ClusterFacts | undefined {
    const query = this.#query();
    if (target.kind === 'workload') {
      const workload = query.store.workloadByUid(target.uid);
      if (workload?.addresses.includes(target.address) !== true) return undefined;
      const endpoint = addressEndpoint(query, target.address, target.port);
      const endpoints = endpoint === undefined ? [] : [{ ...endpoint, workload }];
      return { policy: defaultTrafficPolicy, protocol: 'auto', serviceHostname: '', endpoints };
    }
    const port = findPort(snapshot, target);
    if (port === undefined) return undefined;
    const key = `${target.namespace}/${target.hostname}`;
    const subset =
      target.subset === '' ? undefined : snapshot.destinations.get(key)?.destination.subsets.get(target.subset);
    if (target.subset !== '' && subset === undefined) return undefined;
    const policy = trafficPolicyOf(snapshot, target);
    const common = { policy, protocol: port.protocol, serviceHostname: target.hostname };
    if (policy.balancing.kind === 'passthrough' || target.hostname.startsWith('*')) {
      return { ...common, endpoints: [...(this.#named.get(target.key)?.values() ?? [])] };
    }
    const service = query.store.serviceByKey(key);
    if (service === undefined) return { ...common, endpoints: [] };
    const through = snapshot.proxy.kind === 'gateway' ? waypointEndpoints(query, service, target.port) : undefined;
    // TLS to the backend, and which of its endpoints, is the waypoint's business then.
    if (through !== undefined) return { ...common, policy: { ...policy, tls: undefined }, endpoints: through };
    return { ...common, endpoints: serviceEndpoints(query, service, target.port, subset?.workloadUids, policy) };
  }

  /** To where the client was going. */
  #takeNamed(held: Held, facts: UpstreamChoiceFacts): EndpointTurn | UpstreamFailure {
    const { originalAddress, originalPort } = facts;
    const endpoint =
      held.cluster.endpoint(`${originalAddress}/${originalPort}`) ??
      this.#name(held, addressEndpoint(this.#query(), originalAddress, originalPort));
    return endpoint === undefined ? { kind: 'no-endpoint' } : held.cluster.take(endpoint, facts);
  }

  /** To the host that the client asks for, one of its addresses. */
  #takeWild(held: Held, target: ServiceTarget, facts: UpstreamChoiceFacts): EndpointTurn | UpstreamFailure {
    const { store, network, lookUp } = this.#options;
    const service = store.serviceByKey(`${target.namespace}/${target.hostname}`);
    const port = service === undefined ? undefined : service.ports.get(target.port);
    if (port === undefined) return { kind: 'no-endpoint' };
    const query = { store, network, lookUp };
    const found = wildcardEndpoints(query, target.hostname, facts.requestHost, port === 0 ? target.port : port);
    if (found === 'resolving') return { kind: 'resolving' };
    const fresh = found.filter(({ id }) => !facts.triedEndpoints.includes(id));
    const among = fresh.length > 0 ? fresh : found;
    const chosen = among[Math.floor(this.#options.surroundings.random() * among.length)];
    const endpoint = held.cluster.endpoint(chosen?.id ?? '') ?? this.#name(held, chosen);
    return endpoint === undefined ? { kind: 'no-endpoint' } : held.cluster.take(endpoint, facts);
  }

  /** Remembers an endpoint that a client named. */
  #name(held: Held, found: EndpointFacts | undefined): ClusterEndpoint | undefined {
    if (found === undefined) return undefined;
    const named = this.#named.get(held.target.key) ?? new Map<string, EndpointFacts>();
    if (named.size >= maxPassthroughEndpoints) named.clear();
    this.#named.set(held.target.key, named.set(found.id, found));
    held.meshVersion = 0;
    this.#bringUp(held);
    return held.cluster.endpoint(found.id);
  }

  #query(): EndpointQuery {
    const { store, network, instanceIp, resolve } = this.#options;
    const self = instanceIp === '' ? undefined : store.workloadByAddress(network, instanceIp);
    return { store, network, self, resolve };
  }
}
