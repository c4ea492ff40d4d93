/** A data worker in this process, with a mesh around it. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TokenBuckets } from '@ambit/routing';
import { MetricRegistry } from '@ambit/telemetry';
import { freePort } from '@ambit/testing';
import { WorkloadArena } from '@ambit/workload';
import type { ConfigUpdate, DataSettings, FromWorker } from '../../worker-protocol.ts';
import { DataWorker } from '../data-worker.ts';
import { clientId, MeshRig, waypointId } from './mesh-rig.ts';

export { clientId, waypointId } from './mesh-rig.ts';

export class WaypointRig extends MeshRig {
  readonly reports: FromWorker[] = [];
  readonly registry: MetricRegistry = new MetricRegistry();
  readonly worker: DataWorker;
  readonly #arena = new WorkloadArena();
  readonly #logPath: string;

  private constructor(nodePort: number) {
    super(nodePort);
    const folder = mkdtempSync(join(tmpdir(), 'ambit-waypoint-'));
    this.#logPath = join(folder, 'access.log');
    const fd = openSync(this.#logPath, 'a');
    this.defer(() => rmSync(folder, { recursive: true }));
    this.defer(() => closeSync(fd));
    const settings: DataSettings = {
      role: 'waypoint',
      network: '',
      clusterId: 'Kubernetes',
      podName: 'waypoint-1',
      podNamespace: 'shop',
      gateway: 'waypoint',
      nodeName: 'node1',
      instanceIp: '127.0.0.99',
      identity: waypointId,
      listenAddress: '127.0.0.1',
      isIpv6Enabled: false,
      hbonePort: 0,
      peerHbonePort: nodePort,
      buckets: TokenBuckets.allocate(),
      log: { directives: 'info', fd },
    };
    this.worker = new DataWorker(this.loop, settings, (message) => {
      this.reports.push(message);
      if (message.kind === 'metrics') {
        for (const announcement of message.announcements) this.registry.mirror('data-0', announcement);
      }
    });
    this.worker.receive({ kind: 'certificate', material: this.ca.issue(waypointId) });
    this.worker.receive({ kind: 'listen' });
    assert.notEqual(this.worker.hbonePort, 0);
  }

  static async open(): Promise<WaypointRig> {
    return new WaypointRig(await freePort());
  }

  get accessLog(): string {
    this.worker.flush();
    return readFileSync(this.#logPath, 'utf8');
  }

  get metrics(): string {
    this.worker.flush();
    return this.registry.expose();
  }

  mesh(...resources: readonly Uint8Array[]): void {
    for (const resource of resources) this.#arena.upsert(resource);
    const batch = this.#arena.takeBatch();
    if (batch !== undefined) this.worker.receive({ kind: 'addresses', batch });
  }

  forget(name: string): void {
    this.#arena.remove(name);
    this.mesh();
  }

  configure(update: Partial<ConfigUpdate>): void {
    this.worker.receive({
      kind: 'config',
      update: { proxy: undefined, destinations: [], servers: [], ...update },
    });
  }

  /** As `entryTo`, to this waypoint. */
  entry(authority: string, identity: string = clientId, failures: string[] = []): number {
    return this.entryTo(this.worker.hbonePort, authority, identity, failures);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.worker.receive({ kind: 'stop' });
    await super[Symbol.asyncDispose]();
  }
}
