/** The certificate of the own service account, fetched at start and renewed for as long as the process runs. */
import { CertificateManager, GrpcCaClient, type SpiffeId, type WorkloadCertificate } from '@ambit/identity';
import type { GrpcClient } from '@ambit/grpc';
import type { Logger } from '@ambit/telemetry';
import type { CertificateMaterial } from '../worker-protocol.ts';

export interface OwnCertificateOptions {
  /** Disposed with this. */
  readonly channel: GrpcClient;
  readonly identity: SpiffeId;
  readonly ttlSec: number;
  /** To every worker. */
  readonly publish: (material: CertificateMaterial) => void;
  readonly log: Logger;
}

export class OwnCertificate implements Disposable {
  readonly manager: CertificateManager;
  readonly #options: OwnCertificateOptions;
  readonly #first = Promise.withResolvers<void>();

  constructor(options: OwnCertificateOptions) {
    const { channel, ttlSec, identity, log } = options;
    this.#options = options;
    this.manager = new CertificateManager({ client: new GrpcCaClient({ channel, ttlSec, isImpersonating: false }) });
    this.manager.subscribe((event) => {
      switch (event.kind) {
        case 'available':
          return this.#publish(event.certificate);
        case 'unavailable':
          return log.warn({ identity, error: event.error.message }, 'no certificate');
        case 'renewal-failed':
          return log.warn(
            { identity, error: event.error.message, retryInMs: event.retryInMs },
            'certificate not renewed',
          );
        case 'forgotten':
      }
    });
    this.manager.prefetch(identity);
  }

  /** Fulfilled when the workers have the first certificate. */
  get available(): Promise<void> {
    return this.#first.promise;
  }

  [Symbol.dispose](): void {
    this.manager[Symbol.dispose]();
    this.#options.channel[Symbol.dispose]();
  }

  #publish({ certificateChainPem, privateKeyPem, rootsPem, serialNumber }: WorkloadCertificate): void {
    this.#options.log.info({ identity: this.#options.identity, serialNumber }, 'certificate fetched');
    this.#options.publish({ certificateChainPem, privateKeyPem, rootsPem });
    this.#first.resolve();
  }
}
