import { type CallContext, GrpcError, type TokenVerifier } from '@ambit/grpc';
import { parseCertificate, parseSpiffeId, spiffeIdParts } from '@ambit/identity';
import type { XdsCaller } from '@ambit/xds';

export interface XdsCallersOptions {
  /** Undefined: tokens are not accepted. */
  readonly tokens: TokenVerifier | undefined;
  readonly trustDomain: string;
  readonly clusterId: string;
  /** Hears of refused callers; `reason` holds no secret. */
  readonly onRefused: (peer: string, reason: string) => void;
}

/**
 * Who opened an xDS stream: the client certificate if there is a verified one, else the bearer token. Throws
 * `UNAUTHENTICATED` when neither says who it is; the reason stays in the log.
 * Spec: control-plane.md section 1.3.
 */
export function authenticateXdsCaller(options: XdsCallersOptions): (call: CallContext) => Promise<XdsCaller> {
  return async (call) => {
    const ofCertificate = certificateIdentity(call.clientCertificate, options.trustDomain);
    if (ofCertificate !== undefined) return { identities: [ofCertificate] };
    const reason = await tokenIdentity(call, options);
    if (reason.kind === 'identity') return { identities: [reason.identity] };
    options.onRefused(call.peer, reason.reason);
    throw new GrpcError('UNAUTHENTICATED', 'authentication failure', { source: 'downstream' });
  };
}

type TokenIdentity =
  | { readonly kind: 'identity'; readonly identity: string }
  | { readonly kind: 'none'; readonly reason: string };

async function tokenIdentity(call: CallContext, options: XdsCallersOptions): Promise<TokenIdentity> {
  const { tokens, trustDomain, clusterId } = options;
  if (tokens === undefined) return { kind: 'none', reason: 'no client certificate, and tokens are not accepted' };
  const wanted = call.header('clusterid');
  if (wanted !== undefined && wanted !== clusterId) return { kind: 'none', reason: 'a token of an unknown cluster' };
  const verdict = await tokens.verify(call.header('authorization'));
  if (verdict.kind === 'refused') return { kind: 'none', reason: verdict.reason };
  return { kind: 'identity', identity: `spiffe://${trustDomain}/ns/${verdict.namespace}/sa/${verdict.serviceAccount}` };
}

function certificateIdentity(der: Uint8Array | undefined, trustDomain: string): string | undefined {
  if (der === undefined) return undefined;
  const uris = parseCertificate(der).uriSans;
  const identity = uris.length === 1 ? parseSpiffeId(uris[0] ?? '') : undefined;
  return identity !== undefined && spiffeIdParts(identity).trustDomain === trustDomain ? identity : undefined;
}
