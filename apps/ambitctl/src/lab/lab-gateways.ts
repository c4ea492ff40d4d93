/** A lab's deployment controller: keeps a pod and a Service for each waypoint, and writes the Gateway's address. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type FolderSource, type Gateway, writeStatus } from '@ambit/kube';
import { stringify } from 'yaml';
import type { LabPaths } from './lab-names.ts';
import { writeWhole } from './lab-tokens.ts';
import { processEntry } from './process-entry.ts';
import { isLabWaypoint, waypointObjects, waypointPod } from './waypoint-manifest.ts';

export interface LabGatewaysOptions {
  readonly source: FolderSource;
  readonly paths: LabPaths;
  readonly repository: string;
}

export class LabGateways implements Disposable {
  readonly #options: LabGatewaysOptions;
  /** Gateways that have their objects, by `namespace/name`. */
  readonly #deployed = new Set<string>();
  /** Gateways whose address has been written: it stays, so that nothing goes around a waypoint that is down. */
  readonly #programmed = new Set<string>();
  readonly #subscription: Disposable;

  constructor(options: LabGatewaysOptions) {
    this.#options = options;
    mkdirSync(this.#folder, { recursive: true });
    this.#subscription = options.source.subscribe((events) => {
      const isOurs = events.some((event) => {
        const { kind } = event.kind === 'delete' ? event.previous : event.resource;
        return kind === 'Gateway' || kind === 'Pod' || kind === 'Service';
      });
      if (isOurs) this.sync();
    });
    this.sync();
    options.source.refresh();
  }

  /** Idempotent. */
  sync(): void {
    const { source } = this.#options;
    const wanted = new Map(
      source
        .list('Gateway')
        .filter(isLabWaypoint)
        .map((gateway) => [keyOf(gateway), gateway]),
    );
    for (const key of this.#deployed) if (!wanted.has(key)) this.#remove(key);
    for (const [key, gateway] of wanted) {
      if (!this.#deployed.has(key)) this.#deploy(key, gateway);
      if (!this.#programmed.has(key)) this.#program(key, gateway);
    }
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  get #folder(): string {
    return join(this.#options.paths.manifests, 'generated');
  }

  #deploy(key: string, gateway: Gateway): void {
    const { paths, repository } = this.#options;
    const objects = waypointObjects(gateway, paths, processEntry(repository, 'apps/waypoint/src/main.ts'));
    const text = objects.map((object) => stringify(object)).join('---\n');
    writeWhole(this.#manifest(key), text, 0o600);
    this.#deployed.add(key);
  }

  #program(key: string, { metadata: { namespace, name } }: Gateway): void {
    const { source } = this.#options;
    const isOf = ({
      metadata,
    }: {
      readonly metadata: { readonly namespace: string; readonly name: string };
    }): boolean => metadata.namespace === namespace && (metadata.name === name || metadata.name === waypointPod(name));
    const pod = source.list('Pod').find(isOf);
    const service = source.list('Service').find(isOf);
    const [address] = service?.spec.clusterIPs ?? [];
    if (pod === undefined || !pod.status.isReady || address === undefined) return;
    writeStatus(this.#status(key), {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { namespace, name },
      status: {
        addresses: [
          { type: 'IPAddress', value: address },
          { type: 'Hostname', value: `${name}.${namespace}.svc.cluster.local` },
        ],
      },
    });
    this.#programmed.add(key);
  }

  #remove(key: string): void {
    rmSync(this.#manifest(key), { force: true });
    rmSync(this.#status(key), { force: true });
    this.#deployed.delete(key);
    this.#programmed.delete(key);
  }

  #manifest(key: string): string {
    return join(this.#folder, `waypoint.${key.replace('/', '.')}.yaml`);
  }

  #status(key: string): string {
    return join(this.#options.paths.status, `gateway.${key.replace('/', '.')}.yaml`);
  }
}

function keyOf({ metadata }: Gateway): string {
  return `${metadata.namespace}/${metadata.name}`;
}
