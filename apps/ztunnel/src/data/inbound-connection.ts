import { type Fd, parseIp } from '@ambit/net';
import type { Admitted, Denied, PeerIdentity, PolicyTarget } from '@ambit/policy';
import type { Workload } from '@ambit/workload';
import type { AuthorizedConnection } from './authorized-connections.ts';
import type { DenialCause } from './connection-record.ts';
import { closedByPolicyChange, type Failure } from './failure.ts';
import { type AdmissionListener, InboundAdmission } from './inbound-admission.ts';
import { localWorkload } from './local-workload.ts';
import { PodConnection } from './pod-connection.ts';
import { podSocketPlace } from './pod-scope.ts';
import { type DialListener, dialApplication } from './tcp-dial.ts';

const noAddress: Uint8Array = new Uint8Array(0);

/** Who wants to go where, as policy sees it. */
interface AdmissionFacts {
  readonly sourceAddress: string;
  readonly sourceIdentity: PeerIdentity | undefined;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

/** A connection to the pod: let in by policy, then dialled to the application; closed when policy changes its mind. */
export abstract class InboundConnection
  extends PodConnection
  implements AdmissionListener, AuthorizedConnection, DialListener
{
  readonly direction = 'inbound';
  #authorization: { readonly permit: Admitted; readonly target: PolicyTarget } | undefined;

  abstract onConnected(fd: Fd): void;
  /** Policy has let it in: dials the application. */
  protected abstract connect(permit: Admitted): void;

  get permit(): Admitted {
    return this.#authorized().permit;
  }

  get policyTarget(): PolicyTarget {
    return localWorkload(this.scope.data, this.scope.pod) ?? this.#authorized().target;
  }

  onForbidden(denied: Denied): void {
    const { reason, explanation } = denied;
    this.denial = { policy: explanation.policy ?? '', reason, isLate: true };
    if (this.bridge === undefined) this.fail(closedByPolicyChange, 401);
    else this.abort(closedByPolicyChange);
  }

  onAdmitted(permit: Admitted, target: PolicyTarget): void {
    this.cancelWait = undefined;
    if (this.isOver) return;
    this.#authorization = { permit, target };
    this.scope.data.authorized.add(this);
    this.connect(permit);
  }

  onRefused(failure: Failure, cause: DenialCause): void {
    this.cancelWait = undefined;
    this.denial = cause;
    this.fail(failure, 401);
  }

  protected get isAuthorized(): boolean {
    return this.#authorization !== undefined;
  }

  /** Asks policy; `local` stands for the pod if the control plane takes it back meanwhile. */
  protected authorize(local: Workload, facts: AdmissionFacts): void {
    const { data, pod } = this.scope;
    const context = {
      sourceIp: parseIp(facts.sourceAddress)?.bytes ?? noAddress,
      sourceIdentity: facts.sourceIdentity,
      destinationIp: parseIp(facts.destinationAddress)?.bytes ?? noAddress,
      destinationPort: facts.destinationPort,
    };
    const target = (): Workload => localWorkload(data, pod) ?? local;
    const admission = new InboundAdmission(data, context, target, this);
    this.cancelWait = () => admission.cancel();
    admission.start();
  }

  /** `sourceAddress`: what the application is to see; undefined: an address of the node. */
  protected dial(permit: Admitted, address: string, sourceAddress: string | undefined): void {
    const options = {
      ...podSocketPlace(this.scope),
      address,
      ...(sourceAddress === undefined ? {} : { sourceAddress }),
    };
    const dial = dialApplication(this.scope.data.loop, permit, options, this);
    this.cancelWait = () => dial.cancel();
  }

  protected override leave(): void {
    this.scope.data.authorized.delete(this);
  }

  #authorized(): { readonly permit: Admitted; readonly target: PolicyTarget } {
    if (this.#authorization === undefined) throw new RangeError('connection is not authorized yet');
    return this.#authorization;
  }
}
