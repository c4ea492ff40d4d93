import { type ConnectCallback, HboneError, type OutboundStream, TcpBridge } from '@ambit/hbone';
import { type Fd, io, type SocketAddress, type TlsContext } from '@ambit/net';
import { addressText, findAddress, type OutboundPlan, planOutbound, type Workload } from '@ambit/workload';
import type { ConnectionRecord as ConnectionDump } from '../worker-protocol.ts';
import type { CertificateWaiter } from './certificates.ts';
import { connectHeaders, newTraceParent } from './connect-headers.ts';
import { ConnectionRecord } from './connection-record.ts';
import { hboneFailure, identityFailure, otherFailure, selfCall, unknownWorkload } from './failure.ts';
import { isLoopback } from './loopback.ts';
import { PodConnection } from './pod-connection.ts';
import { type PodScope, podSocketOptions } from './pod-scope.ts';
import { type DialListener, TcpDial } from './tcp-dial.ts';

type HbonePlan = Extract<OutboundPlan, { kind: 'hbone' }>;
type ReadyPlan = Exclude<OutboundPlan, { kind: 'resolve' | 'rejected' }>;

/** A host name may lead to another endpoint with another host name; not for ever. */
const maxResolutions = 3;

const noAddresses: ReadonlyMap<string, readonly string[]> = new Map();

/**
 * A connection that the pod opened: source workload, plan, certificate, tunnel or plain dial, copy. Owns the accepted socket
 * until a bridge takes it.
 */
export class OutboundConnection extends PodConnection implements CertificateWaiter, ConnectCallback, DialListener {
  readonly direction = 'outbound';
  readonly #fd: Fd;
  readonly #source: SocketAddress;
  readonly #target: SocketAddress;
  #resolved: ReadonlyMap<string, readonly string[]> = noAddresses;
  #plan: ReadyPlan | undefined;

  /** `target` is where the application wanted to go. Nothing happens before `start`. */
  constructor(scope: PodScope, fd: Fd, source: SocketAddress, target: SocketAddress) {
    super(scope);
    this.#fd = fd;
    this.#source = source;
    this.#target = target;
  }

  start(): void {
    const { data, pod } = this.scope;
    data.outlets.metrics.sockets('source').inc();
    this.enter();
    if (isLoopback(this.#target.address) && data.illegalPorts.has(this.#target.port)) {
      this.#deny(selfCall);
      return;
    }
    this.waitForWorkload((workload) => {
      if (workload === undefined) this.#deny(unknownWorkload(pod));
      else this.#demand(workload);
    });
  }

  override describe(): ConnectionDump | undefined {
    if (this.#plan === undefined) return undefined;
    return {
      src: addressText(this.#source),
      originalDst: addressText(this.#target),
      actualDst: addressText(this.#plan.nextHop),
      protocol: this.#plan.kind === 'tcp' ? 'TCP' : 'HBONE',
    };
  }

  onCertificate(context: TlsContext): void {
    this.cancelWait = undefined;
    const plan = this.#plan;
    if (this.isOver || plan?.kind !== 'hbone') return;
    this.#openTunnel(plan, context);
  }

  onCertificateFailed(detail: string): void {
    this.fail(identityFailure(detail));
  }

  onConnected(opened: OutboundStream | Fd): void {
    this.cancelWait = undefined;
    this.leavePending();
    this.bridge =
      typeof opened === 'number'
        ? new TcpBridge(this.scope.data.loop, this.#fd, opened, this)
        : opened.bridge(this.#fd, this);
  }

  onError(error: HboneError): void {
    this.cancelWait = undefined;
    if (error.code === 'CERT_REVOKED' && error.details['isHandshake'] === true)
      this.scope.data.revocations.onRefused('source');
    this.fail(hboneFailure(error));
  }

  protected override refuse(): void {
    io.close(this.#fd);
  }

  protected override leave(): void {
    this.scope.data.outlets.metrics.sockets('source').dec();
  }

  /** In on-demand mode what is not known is asked for before the plan takes it for a foreign address. */
  #demand(source: Workload): void {
    const { data } = this.scope;
    const { network, isOnDemand } = data.settings;
    const isKnown =
      !isOnDemand || findAddress(data.store, network, this.#target.address, source.namespace) !== undefined;
    if (isKnown) {
      this.#decide(source);
      return;
    }
    data.demands.ask(`${network}/${this.#target.address}`, () => {
      if (!this.isOver) this.#decide(source);
    });
  }

  #decide(source: Workload): void {
    const { data } = this.scope;
    const plan = planOutbound({
      view: data.store,
      network: data.settings.network,
      source,
      sourceAddress: this.#source.address,
      target: this.#target,
      random: () => data.random(),
      resolved: this.#resolved,
      hbonePort: data.settings.ports.inboundHbone,
    });
    if (plan.kind === 'rejected') this.#deny(plan.reason);
    else if (plan.kind === 'resolve') this.#resolve(source, plan.hostname);
    else this.#execute(plan);
  }

  #resolve(source: Workload, hostname: string): void {
    if (this.#resolved.size >= maxResolutions) {
      this.#deny(`no ip addresses were resolved for workload: ${hostname}`);
      return;
    }
    this.scope.data.hosts.resolve(hostname, (addresses) => {
      if (this.isOver) return;
      this.#resolved = new Map([...this.#resolved, [hostname, addresses]]);
      this.#decide(source);
    });
  }

  #execute(plan: ReadyPlan): void {
    this.#plan = plan;
    const { data } = this.scope;
    const isTunnel = plan.kind !== 'tcp';
    this.record = new ConnectionRecord(data.outlets, {
      reporter: 'source',
      source: plan.source,
      sourceBaggage: undefined,
      sourcePrincipal: isTunnel ? plan.source.identity : undefined,
      destination: plan.destination,
      service: plan.service,
      isMutualTls: isTunnel,
      sourceAddress: this.#source,
      destinationAddress: plan.nextHop,
      authority: isTunnel ? plan.authority : undefined,
      startMs: this.startMs,
    });
    switch (plan.kind) {
      case 'tcp': {
        const options = { ...podSocketOptions(this.scope), ...plan.nextHop };
        const dial = new TcpDial(data.loop, options, this);
        this.cancelWait = () => dial.cancel();
        return;
      }
      case 'hbone': {
        const { identity } = plan.source;
        this.cancelWait = () => data.certificates.cancel(identity, this);
        data.certificates.obtain(identity, this);
        return;
      }
      case 'double-hbone':
        this.fail(otherFailure('unsupported feature: double HBONE to another network'));
    }
  }

  #openTunnel(plan: HbonePlan, tls: TlsContext): void {
    const { data, pool } = this.scope;
    const { nextHop, expectedIdentities } = plan;
    const key = {
      sourceIdentity: plan.source.identity,
      destinationIdentities: expectedIdentities,
      sourceAddress: this.#source.address,
      ...nextHop,
    };
    const dial = {
      ...podSocketOptions(this.scope),
      ...nextHop,
      tls,
      verifyPeer: (names: readonly string[]): boolean => names.some((name) => expectedIdentities.includes(name)),
    };
    const traceParent = newTraceParent(() => Math.floor(data.random() * 0x1_0000_0000));
    const { source, service } = plan;
    const facts = { source, service, sourceAddress: this.#source, traceParent };
    const request = {
      authority: plan.authority,
      headers: connectHeaders(facts),
      ...(data.settings.sendsEarly ? { earlyFd: this.#fd } : {}),
    };
    try {
      const pending = pool.connect(key, dial, request, this);
      this.cancelWait = () => pending.cancel();
    } catch (error) {
      this.fail(error instanceof HboneError ? hboneFailure(error) : otherFailure(String(error)));
    }
  }

  /** Ends it before it counts as a connection: a warning, no metrics. */
  #deny(reason: string): void {
    this.scope.data.log.denied(this.#source, this.#target, 'outbound', reason);
    io.close(this.#fd);
    this.finish(undefined);
  }
}
