import { grown, IdPool } from './id-pool.ts';

/** Ends a list of endpoints. */
export const noEndpoint = -1;

/**
 * Which workload is an endpoint of which service, as linked lists in typed arrays: a list for
 * each service to balance over, a list for each workload to take it out again.
 */
export class EndpointTable {
  readonly #ids = new IdPool();
  #workload: Uint32Array = new Uint32Array(64);
  #service: Uint32Array = new Uint32Array(64);
  #ports: Uint32Array = new Uint32Array(64);
  // Links are ids plus one.
  #nextOfService: Uint32Array = new Uint32Array(64);
  #previousOfService: Uint32Array = new Uint32Array(64);
  #nextOfWorkload: Uint32Array = new Uint32Array(64);
  #firstOfService: Uint32Array = new Uint32Array(64);
  #firstOfWorkload: Uint32Array = new Uint32Array(64);
  #countOfService: Uint32Array = new Uint32Array(64);

  /** Makes a workload an endpoint; `ports` is an interned port list. */
  add(workload: number, service: number, ports: number): void {
    const id = this.#ids.take();
    this.#grow(id, workload, service);
    const first = this.#firstOfService[service] ?? 0;
    this.#workload[id] = workload;
    this.#service[id] = service;
    this.#ports[id] = ports;
    this.#previousOfService[id] = 0;
    this.#nextOfService[id] = first;
    if (first > 0) this.#previousOfService[first - 1] = id + 1;
    this.#firstOfService[service] = id + 1;
    this.#nextOfWorkload[id] = this.#firstOfWorkload[workload] ?? 0;
    this.#firstOfWorkload[workload] = id + 1;
    this.#countOfService[service] = (this.#countOfService[service] ?? 0) + 1;
  }

  /** Takes a workload out of all services and calls back with each of them. */
  removeWorkload(workload: number, onService: (service: number) => void): void {
    let id = (this.#firstOfWorkload[workload] ?? 0) - 1;
    while (id >= 0) {
      const next = this.#nextOfWorkload[id] ?? 0;
      const service = this.#service[id] ?? 0;
      this.#unlink(id, service);
      this.#ids.give(id);
      onService(service);
      id = next - 1;
    }
    if (workload < this.#firstOfWorkload.length) this.#firstOfWorkload[workload] = 0;
  }

  /** The first endpoint of a service, or `noEndpoint`. */
  first(service: number): number {
    return (this.#firstOfService[service] ?? 0) - 1;
  }

  next(endpoint: number): number {
    return (this.#nextOfService[endpoint] ?? 0) - 1;
  }

  workload(endpoint: number): number {
    return this.#workload[endpoint] ?? 0;
  }

  ports(endpoint: number): number {
    return this.#ports[endpoint] ?? 0;
  }

  count(service: number): number {
    return this.#countOfService[service] ?? 0;
  }

  /** The endpoint that joins the two, or `noEndpoint`; walks the few services of the workload. */
  find(workload: number, service: number): number {
    let id = (this.#firstOfWorkload[workload] ?? 0) - 1;
    while (id >= 0 && this.#service[id] !== service) id = (this.#nextOfWorkload[id] ?? 0) - 1;
    return id;
  }

  #unlink(id: number, service: number): void {
    const next = this.#nextOfService[id] ?? 0;
    const previous = this.#previousOfService[id] ?? 0;
    if (previous > 0) this.#nextOfService[previous - 1] = next;
    else this.#firstOfService[service] = next;
    if (next > 0) this.#previousOfService[next - 1] = previous;
    this.#countOfService[service] = (this.#countOfService[service] ?? 1) - 1;
  }

  #grow(id: number, workload: number, service: number): void {
    this.#workload = grown(this.#workload, id);
    this.#service = grown(this.#service, id);
    this.#ports = grown(this.#ports, id);
    this.#nextOfService = grown(this.#nextOfService, id);
    this.#previousOfService = grown(this.#previousOfService, id);
    this.#nextOfWorkload = grown(this.#nextOfWorkload, id);
    this.#firstOfWorkload = grown(this.#firstOfWorkload, workload);
    this.#firstOfService = grown(this.#firstOfService, service);
    this.#countOfService = grown(this.#countOfService, service);
  }
}
