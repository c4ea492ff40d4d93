/** Asks a CA for a certificate, rightly or wrongly; prints what it got. */
import { GrpcChannel, GrpcError } from '@ambit/grpc';
import { GrpcCaClient, isSpiffeId } from '@ambit/identity';
import { finish, readOrder } from './order.ts';

interface Order {
  readonly address: string;
  readonly rootsFile: string;
  /** The caller's own, a stolen or a forged one. */
  readonly token: string;
  readonly identity: string;
  /** Asks in the name of another, as node proxies do. */
  readonly isImpersonating: boolean;
}

const order = await readOrder<Order>();
using channel = new GrpcChannel({
  address: order.address,
  roots: { kind: 'file', path: order.rootsFile },
  token: { kind: 'literal', token: order.token },
});
if (!isSpiffeId(order.identity)) throw new Error(`${order.identity} is no SPIFFE id`);
const client = new GrpcCaClient({ channel, isImpersonating: order.isImpersonating });
try {
  const certificate = await client.fetchCertificate(order.identity, { signal: AbortSignal.timeout(10_000) });
  const { certificateChainPem, privateKeyPem, identity } = certificate;
  finish({ identity, credentials: { certificateChainPem, privateKeyPem } });
} catch (error) {
  const { cause } = error instanceof Error ? error : { cause: undefined };
  finish({
    refusal: cause instanceof GrpcError ? cause.status : String(error),
    message: cause instanceof Error ? cause.message : String(error),
  });
}
