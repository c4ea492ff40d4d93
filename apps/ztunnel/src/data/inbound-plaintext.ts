import { TcpBridge } from '@ambit/hbone';
import { type Fd, io, type SocketAddress } from '@ambit/net';
import type { Admitted } from '@ambit/policy';
import { addressText, guessInboundService, servicesOf, type Workload } from '@ambit/workload';
import type { ConnectionRecord as ConnectionDump } from '../worker-protocol.ts';
import { ConnectionRecord } from './connection-record.ts';
import { selfCall, unknownWorkload } from './failure.ts';
import { InboundConnection } from './inbound-connection.ts';
import type { PodScope } from './pod-scope.ts';
import { sourceToKeep } from './source-address.ts';

/**
 * A plaintext connection to the pod, caught on 15006: policy without an identity, then the application with the
 * client's address kept. Spec: contract data-plane 5.8.
 */
export class InboundPlaintext extends InboundConnection {
  readonly #fd: Fd;
  readonly #source: SocketAddress;
  readonly #target: SocketAddress;

  constructor(scope: PodScope, fd: Fd, source: SocketAddress, target: SocketAddress) {
    super(scope);
    this.#fd = fd;
    this.#source = source;
    this.#target = target;
  }

  start(): void {
    const { data, pod } = this.scope;
    data.outlets.metrics.sockets('destination').inc();
    this.enter();
    if (data.illegalPorts.has(this.#target.port)) {
      this.#deny(selfCall);
      return;
    }
    this.waitForWorkload((workload) => {
      if (workload === undefined) this.#deny(unknownWorkload(pod));
      else this.#open(workload);
    });
  }

  override describe(): ConnectionDump | undefined {
    if (!this.isAuthorized) return undefined;
    return {
      src: addressText(this.#source),
      originalDst: null,
      actualDst: addressText(this.#target),
      protocol: 'TCP',
    };
  }

  override onConnected(fd: Fd): void {
    this.cancelWait = undefined;
    this.leavePending();
    this.bridge = new TcpBridge(this.scope.data.loop, this.#fd, fd, this);
  }

  protected override connect(permit: Admitted): void {
    const { address } = this.#target;
    this.dial(permit, address, sourceToKeep(this.scope, this.#source.address, address));
  }

  protected override refuse(): void {
    io.close(this.#fd);
  }

  protected override leave(): void {
    super.leave();
    this.scope.data.outlets.metrics.sockets('destination').dec();
  }

  #open(local: Workload): void {
    const { data } = this.scope;
    const { address, port } = this.#target;
    this.record = new ConnectionRecord(data.outlets, {
      reporter: 'destination',
      source: data.store.workloadByAddress(data.settings.network, this.#source.address),
      sourceBaggage: undefined,
      sourcePrincipal: undefined,
      destination: local,
      service: guessInboundService(data.store, servicesOf(data.store, local), local, port, undefined),
      isMutualTls: false,
      sourceAddress: this.#source,
      destinationAddress: this.#target,
      authority: undefined,
      startMs: this.startMs,
    });
    this.authorize(local, {
      sourceAddress: this.#source.address,
      sourceIdentity: undefined,
      destinationAddress: address,
      destinationPort: port,
    });
  }

  #deny(reason: string): void {
    this.scope.data.log.denied(this.#source, this.#target, 'inbound', reason);
    io.close(this.#fd);
    this.finish(undefined);
  }
}
