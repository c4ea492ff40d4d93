import { type Fd, formatProbeAnswer, io, type ProbeState, type TlsContext } from '@ambit/net';
import type { Workload } from '@ambit/workload';
import type { CertificateWaiter } from './certificates.ts';
import { LocalWorkloadWait } from './local-workload.ts';
import type { LiveConnection, PodScope } from './pod-scope.ts';

/**
 * Tells the node agent, through the pod's own stack, that this pod's connections end up here and whether its identity can
 * be used. No traffic of the pod: neither logged nor counted. Owns the accepted socket.
 */
export class EnforcementAnswer implements LiveConnection, CertificateWaiter {
  readonly direction = 'outbound';
  readonly #scope: PodScope;
  readonly #fd: Fd;
  #identity: string | undefined;
  #cancelWait: (() => void) | undefined;
  #isOver = false;

  /** Nothing happens before `start`. */
  constructor(scope: PodScope, fd: Fd) {
    this.#scope = scope;
    this.#fd = fd;
  }

  start(): void {
    const { data, pod } = this.#scope;
    this.#scope.add(this);
    const wait = new LocalWorkloadWait(data, pod, (workload) => this.#onWorkload(workload));
    this.#cancelWait = () => wait.cancel();
    wait.start();
  }

  describe(): undefined {
    return undefined;
  }

  updateCounters(): void {}

  traffic(): undefined {
    return undefined;
  }

  abort(): void {
    this.#cancelWait?.();
    this.#end();
  }

  onCertificate(_context: TlsContext): void {
    this.#answer('valid');
  }

  onCertificateFailed(_detail: string): void {
    this.#answer('no-certificate');
  }

  #onWorkload(workload: Workload | undefined): void {
    this.#cancelWait = undefined;
    if (workload === undefined) {
      this.#answer('unknown');
      return;
    }
    const { certificates } = this.#scope.data;
    const { identity } = workload;
    this.#identity = identity;
    this.#cancelWait = () => certificates.cancel(identity, this);
    certificates.obtain(identity, this);
  }

  #answer(state: ProbeState): void {
    const { namespace, name } = this.#scope.pod;
    const line = formatProbeAnswer({ pod: `${namespace}/${name}`, state, identity: this.#identity });
    // The send buffer of a fresh connection takes one line; what does not fit is no answer, and the agent asks again.
    const bytes = Buffer.from(line);
    io.write(this.#fd, bytes, 0, bytes.length);
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    io.close(this.#fd);
    this.#scope.remove(this);
  }
}
