/**
 * Configuration on its way through the control thread: validated, kept once, and passed on to the data workers.
 *
 * Addresses lie in an arena of shared memory that workers read; policies travel as their bytes. Each slice of a response
 * is passed on as soon as it is taken, so that a large resync reaches the workers in small parts.
 */
import { security } from '@ambit/api';
import { decodePolicy } from '@ambit/policy';
import { WorkloadArena, type WorkloadStore } from '@ambit/workload';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  type DeltaTypeHandler,
  type ReceivedResource,
  type Rejection,
} from '@ambit/xds';
import { fromBinary } from '@bufbuild/protobuf';
import type { ToWorker } from '../worker-protocol.ts';

export interface MeshStateOptions {
  /** Workloads of this node are watched; undefined takes all. */
  readonly localNode: string | undefined;
  /** Passes changes on to every worker. */
  readonly publish: (message: ToWorker) => void;
}

export class MeshState {
  readonly #publish: (message: ToWorker) => void;
  readonly #arena: WorkloadArena;
  readonly #policies = new Map<string, Uint8Array>();

  constructor(options: MeshStateOptions) {
    this.#publish = options.publish;
    this.#arena = new WorkloadArena(options.localNode === undefined ? {} : { localNode: options.localNode });
  }

  /** The control thread's own view. */
  get store(): WorkloadStore {
    return this.#arena.store;
  }

  /** Policies as received, for the dump. */
  *policies(): Generator<security.Authorization, void, undefined> {
    for (const value of this.#policies.values()) yield fromBinary(security.AuthorizationSchema, value);
  }

  /** What a worker that starts now has to be told first. */
  snapshot(): readonly ToWorker[] {
    this.#publishAddresses();
    const changes = [...this.#policies].map(([name, value]) => ({ name, value }));
    return [
      { kind: 'policies', changes },
      { kind: 'addresses', batch: this.#arena.snapshot() },
    ];
  }

  addressHandler(mode: DeltaTypeHandler['mode']): DeltaTypeHandler {
    return {
      typeUrl: ADDRESS_TYPE,
      mode,
      update: (resources) => this.#updateAddresses(resources),
      remove: (names) => {
        for (const name of names) this.#arena.remove(name);
        this.#publishAddresses();
      },
    };
  }

  policyHandler(): DeltaTypeHandler {
    return {
      typeUrl: AUTHORIZATION_TYPE,
      mode: 'wildcard',
      update: (resources) => this.#updatePolicies(resources),
      remove: (names) => {
        const known = names.filter((name) => this.#policies.delete(name));
        if (known.length === 0) return;
        this.#publish({ kind: 'policies', changes: known.map((name) => ({ name, value: undefined })) });
      },
    };
  }

  #updateAddresses(resources: readonly ReceivedResource[]): readonly Rejection[] {
    const rejections = this.#arena.upsertAll(resources);
    this.#publishAddresses();
    return rejections;
  }

  #updatePolicies(resources: readonly ReceivedResource[]): readonly Rejection[] {
    const rejections: Rejection[] = [];
    const changes: { readonly name: string; readonly value: Uint8Array }[] = [];
    for (const { name, value: view } of resources) {
      const decoded = decodePolicy(view);
      if (decoded.kind === 'rejected') {
        rejections.push({ name, reason: decoded.reason });
        continue;
      }
      const value = view.slice();
      this.#policies.set(name, value);
      changes.push({ name, value });
    }
    if (changes.length > 0) this.#publish({ kind: 'policies', changes });
    return rejections;
  }

  #publishAddresses(): void {
    const batch = this.#arena.takeBatch();
    if (batch !== undefined) this.#publish({ kind: 'addresses', batch });
  }
}
