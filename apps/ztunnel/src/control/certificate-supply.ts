/**
 * Certificates for the data workers: fetched ahead for the HBONE workloads of this node, on demand for the rest of its
 * workloads, for nobody else. A key goes to the workers and nowhere else, and leaves with the last workload that has it.
 * Spec: data-plane.md section 8.3.
 */
import { type CertificateEvent, type CertificateManager, isSpiffeId, type WorkloadCertificate } from '@ambit/identity';
import { toAmbitError } from '@ambit/runtime';
import type { Logger } from '@ambit/telemetry';
import type { LocalWorkloadWatcher, Workload } from '@ambit/workload';
import type { CertificateMaterial, ToWorker } from '../worker-protocol.ts';

export interface CertificateSupplyOptions {
  readonly manager: CertificateManager;
  /** To every worker. */
  readonly publish: (message: ToWorker) => void;
  /** Does this workload run here? In dedicated mode only one does, whatever the store calls local. */
  readonly isServed: (workload: Workload) => boolean;
  readonly log: Logger;
}

interface LocalIdentity {
  workloads: number;
  /** Those among them whose certificate is fetched ahead. */
  prefetched: number;
}

export class CertificateSupply implements LocalWorkloadWatcher, Disposable {
  readonly #options: CertificateSupplyOptions;
  readonly #local = new Map<string, LocalIdentity>();
  readonly #subscription: Disposable;
  readonly #stop = new AbortController();

  constructor(options: CertificateSupplyOptions) {
    this.#options = options;
    this.#subscription = options.manager.subscribe((event) => this.#onEvent(event));
  }

  onLocalWorkload(workload: Workload): void {
    const { identity } = workload;
    if (!this.#options.isServed(workload) || !isSpiffeId(identity)) return;
    const local = this.#local.get(identity) ?? { workloads: 0, prefetched: 0 };
    local.workloads += 1;
    if (isPrefetched(workload)) {
      local.prefetched += 1;
      this.#options.manager.prefetch(identity);
    }
    this.#local.set(identity, local);
  }

  onLocalWorkloadGone(workload: Workload): void {
    const { identity } = workload;
    const local = this.#local.get(identity);
    if (!this.#options.isServed(workload) || local === undefined || !isSpiffeId(identity)) return;
    local.workloads -= 1;
    if (local.workloads === 0) this.#local.delete(identity);
    if (!isPrefetched(workload)) return;
    local.prefetched -= 1;
    this.#options.manager.forget(identity);
  }

  /** A connection of a worker waits. Answered by `certificate` or `certificateFailed`. */
  need(identity: string): void {
    const { manager, publish } = this.#options;
    const fail = (error: string): void => publish({ kind: 'certificateFailed', identity, error });
    if (!isSpiffeId(identity)) return fail(`not a SPIFFE id: ${identity}`);
    if (!this.#local.has(identity)) return fail(`no workload of ${identity} runs on this node`);
    const available = manager.get(identity);
    if (available !== undefined) return publish({ kind: 'certificate', material: materialOf(available) });
    // Success is published by the event that comes with it.
    manager.fetch(identity, { signal: this.#stop.signal }).catch((error: unknown) => fail(toAmbitError(error).message));
  }

  /** What a worker that starts now has to be told. */
  snapshot(): readonly ToWorker[] {
    return this.#options.manager
      .statuses()
      .flatMap(({ certificate }) =>
        certificate === undefined ? [] : [{ kind: 'certificate' as const, material: materialOf(certificate) }],
      );
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#subscription[Symbol.dispose]();
  }

  #onEvent(event: CertificateEvent): void {
    const { publish, log } = this.#options;
    const { identity } = event;
    switch (event.kind) {
      case 'available':
        log.debug({ identity, serialNumber: event.certificate.serialNumber }, 'certificate fetched');
        return publish({ kind: 'certificate', material: materialOf(event.certificate) });
      case 'unavailable':
        log.warn({ identity, error: event.error.message }, 'no certificate');
        return publish({ kind: 'certificateFailed', identity, error: event.error.message });
      case 'renewal-failed':
        return log.warn(
          { identity, error: event.error.message, retryInMs: event.retryInMs },
          'certificate not renewed',
        );
      case 'forgotten':
        return publish({ kind: 'certificateForgotten', identity });
    }
  }
}

/** Istio: HBONE and native tunnels only; others ask when they connect. */
function isPrefetched(workload: Workload): boolean {
  return workload.protocol === 'hbone' || workload.nativeTunnel;
}

function materialOf(certificate: WorkloadCertificate): CertificateMaterial {
  const { identity, certificateChainPem, privateKeyPem, rootsPem, notAfterMs } = certificate;
  return { identity, certificateChainPem, privateKeyPem, rootsPem, notAfterMs };
}
