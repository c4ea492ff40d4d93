import type { EndpointTable } from './endpoint-table.ts';
import type { PortLists } from './port-lists.ts';
import type { ServiceEntry } from './service-index.ts';
import type { LoadBalancingScope, PortMap, Workload } from './workload.ts';
import type { CallerPlace, WorkloadColumns } from './workload-columns.ts';

/**
 * Walks the endpoints of one service without decoding them. Valid until the store changes; an
 * endpoint that is not ready is left out unless the service allows it.
 */
export class EndpointCursor {
  readonly #columns: WorkloadColumns;
  readonly #endpoints: EndpointTable;
  readonly #ports: PortLists;
  readonly #service: ServiceEntry | undefined;
  readonly #caller: CallerPlace | undefined;
  readonly #decode: (slot: number) => Workload | undefined;
  #next = -1;
  #endpoint = -1;
  #slot = -1;

  constructor(
    columns: WorkloadColumns,
    endpoints: EndpointTable,
    ports: PortLists,
    service: ServiceEntry | undefined,
    caller: CallerPlace | undefined,
    decode: (slot: number) => Workload | undefined,
  ) {
    this.#columns = columns;
    this.#endpoints = endpoints;
    this.#ports = ports;
    this.#service = service;
    this.#caller = caller;
    this.#decode = decode;
    this.restart();
  }

  /** Goes back before the first endpoint. */
  restart(): void {
    this.#next = this.#service === undefined ? -1 : this.#endpoints.first(this.#service.id);
  }

  /** Goes to the next endpoint; false behind the last one. */
  advance(): boolean {
    while (this.#next >= 0) {
      this.#endpoint = this.#next;
      this.#next = this.#endpoints.next(this.#endpoint);
      this.#slot = this.#endpoints.workload(this.#endpoint);
      if (this.#service?.allowsUnhealthy === true || this.#columns.isHealthy(this.#slot)) {
        return true;
      }
    }
    return false;
  }

  get capacity(): number {
    return this.#columns.capacity(this.#slot);
  }

  get hasAddress(): boolean {
    return this.#columns.hasAddress(this.#slot);
  }

  /** Its addresses have to be resolved. */
  get hasNameOnly(): boolean {
    return this.#columns.hasNameOnly(this.#slot);
  }

  get hasGateway(): boolean {
    return this.#columns.hasGateway(this.#slot);
  }

  get hasApplicationTunnel(): boolean {
    return this.#columns.hasApplicationTunnel(this.#slot);
  }

  /** The endpoint's own ports. */
  get ports(): PortMap | undefined {
    return this.#ports.get(this.#endpoints.ports(this.#endpoint));
  }

  /** True when the endpoint and the caller share that scope. */
  matches(scope: LoadBalancingScope): boolean {
    return this.#caller !== undefined && this.#columns.matches(this.#slot, scope, this.#caller);
  }

  /** Decodes the endpoint. */
  workload(): Workload | undefined {
    return this.#decode(this.#slot);
  }
}
