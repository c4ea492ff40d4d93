/** The certificate manager over the configured CA. */
import { parseTokenSource, parseTrustRoots, RpcChannel } from '@ambit/grpc';
import { CertificateManager, GrpcCaClient } from '@ambit/identity';
import { imagePath, serverAddress, tokenSetting } from './derived-settings.ts';
import type { ZtunnelConfig } from './ztunnel-config.ts';

export interface CertificateSource extends Disposable {
  readonly manager: CertificateManager;
}

/** Undefined when the CA is turned off. Connects when the first certificate is needed. */
export function openCertificates(
  config: ZtunnelConfig,
  headers: Readonly<Record<string, string>>,
  tokenExists: (path: string) => boolean,
): CertificateSource | undefined {
  const address = serverAddress(config.caAddress, config.kubernetesHost);
  if (address === undefined) return undefined;
  const token = tokenSetting(config.authToken, tokenExists);
  const isPlaintext = address.startsWith('http://');
  const channel = new RpcChannel({
    address,
    clusterId: config.clusterId,
    headers,
    ...(isPlaintext ? {} : { roots: parseTrustRoots(imagePath(config.caRoot)) }),
    ...(token === undefined || isPlaintext ? {} : { token: parseTokenSource(token) }),
    ...(config.altCaHostname === undefined ? {} : { altHostname: config.altCaHostname }),
  });
  const client = new GrpcCaClient({
    channel,
    ttlSec: Math.round(config.secretTtlMs / 1_000),
    isImpersonating: config.mode === 'shared',
  });
  const manager = new CertificateManager({ client });
  return {
    manager,
    [Symbol.dispose]: () => {
      manager[Symbol.dispose]();
      channel[Symbol.dispose]();
    },
  };
}
