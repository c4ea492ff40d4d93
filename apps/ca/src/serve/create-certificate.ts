/**
 * The CreateCertificate RPC: who calls, for whom, may they, sign, record.
 * Spec: control-plane contract 6.1.
 */
import { auth } from '@ambit/api';
import { type CallContext, type GrpcHandler, methodDefinition, unaryHandler } from '@ambit/grpc';
import { type SpiffeId, type SubjectAltNames, parseSpiffeId, readCsr, spiffeIdParts } from '@ambit/identity';
import { toAmbitError } from '@ambit/runtime';
import type { Logger } from '@ambit/telemetry';
import { create } from '@bufbuild/protobuf';
import { CaError } from '../ca-error.ts';
import { authenticateCaller } from '../callers/authenticate-caller.ts';
import type { Caller, CallerAuthenticator } from '../callers/caller.ts';
import type { NodeAuthorizer } from '../callers/node-authorizer.ts';
import type { CertificateAuthority, Issued } from '../issue/certificate-authority.ts';
import { type LifetimeRules, lifetimeMs } from '../issue/lifetime.ts';
import type { ServingNames } from '../issue/serving-names.ts';
import type { AuditTrail } from './audit-trail.ts';
import type { CaMetrics } from './ca-metrics.ts';
import { statusOf } from './status-of.ts';

/** What the RPC is made of. */
export interface CreateCertificateParts {
  readonly authority: CertificateAuthority;
  readonly authenticators: readonly CallerAuthenticator[];
  readonly nodeAuthorizer: NodeAuthorizer;
  readonly lifetimes: LifetimeRules;
  /** Names that a service account gets beside its id, keyed `<namespace>/<service account>`. */
  readonly servingNames: ReadonlyMap<string, ServingNames>;
  readonly audit: AuditTrail;
  readonly metrics: CaMetrics;
  readonly logger: Logger;
}

type Request = auth.IstioCertificateRequest;

/** The handler for a `GrpcServer`. */
export function createCertificateHandler(parts: CreateCertificateParts): GrpcHandler {
  const method = methodDefinition(auth.IstioCertificateService.method.createCertificate);
  return unaryHandler(method, async (request, call) => {
    parts.metrics.requests += 1;
    try {
      const certChain = await createCertificate(parts, request, call);
      parts.metrics.issued += 1;
      return create(auth.IstioCertificateResponseSchema, { certChain: [...certChain] });
    } catch (error) {
      throw refuse(parts, error, call);
    }
  });
}

async function createCertificate(
  parts: CreateCertificateParts,
  request: Request,
  call: CallContext,
): Promise<readonly string[]> {
  const caller = await authenticateCaller(parts.authenticators, call);
  const identity = await subjectOf(parts, caller, request, call);
  const altNames = altNamesOf(parts, caller, identity);
  const csr = readCsr(request.csr);
  const ttlMs = lifetimeMs(request.validityDuration, parts.lifetimes);
  const issued = parts.authority.issue({
    publicKeyInfo: csr.publicKeyInfo,
    altNames,
    commonName: csr.commonName,
    ttlMs,
  });
  record(parts, caller, identity, issued, call);
  return issued.certChain;
}

/** The identity to certify: the caller's own, or the one a trusted node proxy asks for. */
async function subjectOf(
  parts: CreateCertificateParts,
  caller: Caller,
  request: Request,
  call: CallContext,
): Promise<SpiffeId> {
  const wanted = request.metadata?.['ImpersonatedIdentity'] ?? '';
  if (wanted === '') return caller.identity;
  const identity = typeof wanted === 'string' ? parseSpiffeId(wanted) : undefined;
  if (identity === undefined)
    throw new CaError('IMPERSONATION_REFUSED', 'the requested identity is no SPIFFE id', { source: 'downstream' });
  await parts.nodeAuthorizer.authorize(caller, identity, call.header('clusterid'));
  return identity;
}

function altNamesOf(parts: CreateCertificateParts, caller: Caller, identity: SpiffeId): SubjectAltNames {
  const { namespace, serviceAccount } = spiffeIdParts(identity);
  // Serving names are for the holder of the account itself: never through a node proxy.
  const names = caller.identity === identity ? parts.servingNames.get(`${namespace}/${serviceAccount}`) : undefined;
  return { uris: [identity], ...names };
}

function record(
  parts: CreateCertificateParts,
  caller: Caller,
  identity: SpiffeId,
  issued: Issued,
  call: CallContext,
): void {
  const { serialHex, notAfterMs } = issued;
  parts.audit.issued({ identity, caller: caller.identity, serialNumber: serialHex, notAfterWallTimeMs: notAfterMs });
  parts.logger.info(
    {
      identity,
      caller: caller.identity,
      method: caller.method,
      pod: caller.pod?.name,
      node: caller.pod?.node,
      peer: call.peer,
      serialNumber: serialHex,
      notAfter: new Date(notAfterMs).toISOString(),
    },
    'certificate issued',
  );
}

function refuse(parts: CreateCertificateParts, error: unknown, call: CallContext): Error {
  const { code, message } = toAmbitError(error);
  const status = statusOf(error);
  if (status.status === 'UNAUTHENTICATED') parts.metrics.authenticationFailures += 1;
  else if (status.status === 'INVALID_ARGUMENT') parts.metrics.csrErrors += 1;
  else parts.metrics.signErrors += 1;
  const level = status.status === 'INTERNAL' ? 'error' : 'warn';
  parts.logger[level]({ code, reason: message, peer: call.peer, status: status.status }, 'certificate refused');
  return status;
}
