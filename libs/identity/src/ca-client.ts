import { auth } from '@ambit/api';
import { type GrpcClient, methodDefinition } from '@ambit/grpc';
import { type Clock, systemClock } from '@ambit/runtime';
import { create } from '@bufbuild/protobuf';
import { IdentityError } from './identity-error.ts';
import { createKeyAndCsr } from './key-and-csr.ts';
import type { SpiffeId } from './spiffe-id.ts';
import { type WorkloadCertificate, acceptCaResponse } from './workload-certificate.ts';

/** Whoever can turn an identity into a certificate with a fresh key. */
export interface CaClient {
  /** One attempt, no retries. Rejects with an AmbitError, or with `signal.reason` when aborted. */
  fetchCertificate(identity: SpiffeId, options: { readonly signal: AbortSignal }): Promise<WorkloadCertificate>;
}

/** Options of {@link GrpcCaClient}. */
export interface GrpcCaClientOptions {
  /** Owned by the caller. */
  readonly channel: GrpcClient;
  /** Requested lifetime, seconds; Istio: SECRET_TTL, 24 h. */
  readonly ttlSec?: number;
  /**
   * True for a node proxy that asks in the name of workloads with its own token; false asks for the caller's own
   * certificate, and the identity is only checked.
   */
  readonly isImpersonating: boolean;
  /** Deadline of one attempt, milliseconds; default 10 000. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

const createCertificate = methodDefinition(auth.IstioCertificateService.method.createCertificate);

/** Asks an `istio.v1.auth.IstioCertificateService`. Spec: data-plane contract 8.1 and 8.2. */
export class GrpcCaClient implements CaClient {
  readonly #options: GrpcCaClientOptions;

  constructor(options: GrpcCaClientOptions) {
    this.#options = options;
  }

  async fetchCertificate(
    identity: SpiffeId,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<WorkloadCertificate> {
    signal.throwIfAborted();
    const { channel, isImpersonating, ttlSec = 86_400, timeoutMs = 10_000, clock = systemClock } = this.#options;
    const key = createKeyAndCsr(identity);
    const request = create(auth.IstioCertificateRequestSchema, {
      csr: key.csrPem,
      validityDuration: BigInt(ttlSec),
      ...(isImpersonating ? { metadata: { ImpersonatedIdentity: identity } } : {}),
    });
    let certChain: readonly string[];
    try {
      ({ certChain } = await channel.unary(createCertificate, request, { signal, timeoutMs }));
    } catch (error) {
      signal.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      throw new IdentityError('CA_REQUEST_FAILED', `the CA gave no certificate for ${identity}: ${reason}`, {
        source: 'upstream',
        retryable: true,
        cause: error,
      });
    }
    return acceptCaResponse(identity, certChain, key, clock.wallTimeMs());
  }
}
