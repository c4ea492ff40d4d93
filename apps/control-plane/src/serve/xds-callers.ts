import { type CallContext, GrpcError } from '@ambit/grpc';
import { parseCertificate, parseSpiffeId, type SpiffeId, spiffeIdParts } from '@ambit/identity';
import type { XdsCaller } from '@ambit/xds';
import type { Gateway } from '@ambit/kube';
import { type GatewayReader, mayReadGateway } from '../l7/gateway-readers.ts';
import { gatewayOfPod, refuseStream, type StreamRules } from './stream-rules.ts';
import type { Judgement, TokenJudge } from './token-judge.ts';

export interface XdsCallersOptions {
  /** Undefined: tokens are not accepted. */
  readonly tokens: TokenJudge | undefined;
  /** What a caller may be; undefined: whatever its identity allows, and client certificates count too. */
  readonly rules: StreamRules | undefined;
  readonly trustDomain: string;
  readonly clusterId: string;
  /** A Gateway by `namespace/name`. */
  readonly gatewayOf: (key: string) => Gateway | undefined;
  /** Hears of refused callers; `reason` holds no secret. */
  readonly onRefused: (peer: string, reason: string) => void;
}

/**
 * Who opened an xDS stream: the client certificate if there is a verified one, else the bearer token. With rules only a
 * token counts, because only a token tells which pod calls. Throws `UNAUTHENTICATED` when nothing says who it is; the
 * reason stays in the log. Spec: control-plane.md section 1.3.
 */
export function authenticateXdsCaller(options: XdsCallersOptions): (call: CallContext) => Promise<XdsCaller> {
  const { rules, trustDomain, onRefused, gatewayOf } = options;
  const reads =
    (reader: GatewayReader): NonNullable<XdsCaller['mayRead']> =>
    (_typeUrl, name) =>
      mayReadGateway(reader, name, gatewayOf);
  return async (call) => {
    const ofCertificate = rules === undefined ? certificateIdentity(call.clientCertificate, trustDomain) : undefined;
    if (ofCertificate !== undefined) {
      const { namespace, serviceAccount } = spiffeIdParts(ofCertificate);
      return { identities: [ofCertificate], mayRead: reads({ namespace, serviceAccount, gateway: undefined }) };
    }
    const judgement = await judge(call, options);
    if (judgement.kind === 'refused') {
      onRefused(call.peer, judgement.reason);
      throw new GrpcError('UNAUTHENTICATED', 'authentication failure', { source: 'downstream' });
    }
    const { namespace, serviceAccount } = judgement;
    const identities = [`spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`];
    if (rules === undefined) {
      return { identities, mayRead: reads({ namespace, serviceAccount, gateway: undefined }) };
    }
    const gateway = gatewayOfPod(judgement, rules.view);
    const admit: XdsCaller['admit'] = (node) => {
      const reason = refuseStream(judgement, node, rules);
      if (reason === undefined) return;
      onRefused(call.peer, reason);
      throw new GrpcError('PERMISSION_DENIED', reason, { source: 'policy' });
    };
    return { identities, admit, mayRead: reads({ namespace, serviceAccount, gateway }) };
  };
}

async function judge(call: CallContext, options: XdsCallersOptions): Promise<Judgement> {
  const { tokens, clusterId } = options;
  if (tokens === undefined) return { kind: 'refused', reason: 'no client certificate, and tokens are not accepted' };
  const wanted = call.header('clusterid');
  if (wanted !== undefined && wanted !== clusterId) return { kind: 'refused', reason: 'a token of an unknown cluster' };
  return tokens.verify(call.header('authorization'));
}

function certificateIdentity(der: Uint8Array | undefined, trustDomain: string): SpiffeId | undefined {
  if (der === undefined) return undefined;
  const uris = parseCertificate(der).uriSans;
  const identity = uris.length === 1 ? parseSpiffeId(uris[0] ?? '') : undefined;
  return identity !== undefined && spiffeIdParts(identity).trustDomain === trustDomain ? identity : undefined;
}
