/** Workloads and services on their way to the workers, through an arena of shared memory. */
import { type AddressBatch, WorkloadArena, type WorkloadStore } from '@ambit/workload';
import { ADDRESS_TYPE, type DeltaTypeHandler, type ReceivedResource, type Rejection } from '@ambit/xds';

export class MeshAddresses {
  readonly #arena = new WorkloadArena();
  readonly #publish: (batch: AddressBatch) => void;

  /** `publish` passes a batch on to every worker. */
  constructor(publish: (batch: AddressBatch) => void) {
    this.#publish = publish;
  }

  /** The control thread's own view. */
  get store(): WorkloadStore {
    return this.#arena.store;
  }

  handler(): DeltaTypeHandler {
    return {
      typeUrl: ADDRESS_TYPE,
      mode: 'wildcard',
      update: (resources) => this.#update(resources),
      remove: (names) => {
        for (const name of names) this.#arena.remove(name);
        this.#flush();
      },
    };
  }

  #update(resources: readonly ReceivedResource[]): readonly Rejection[] {
    const rejections = this.#arena.upsertAll(resources);
    this.#flush();
    return rejections;
  }

  #flush(): void {
    const batch = this.#arena.takeBatch();
    if (batch !== undefined) this.#publish(batch);
  }
}
