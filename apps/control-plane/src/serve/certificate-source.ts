import { parseTokenSource, parseTrustRoots } from '@ambit/grpc';
import { makeSpiffeId } from '@ambit/identity';
import { AmbitError } from '@ambit/runtime';
import type { ControlPlaneConfig } from '../config.ts';
import type { CertificateSource } from './serving-certificate.ts';

/** Where the settings say that the certificate of the xDS port comes from. Throws `NO_CERTIFICATE` when nowhere. */
export function certificateSource(config: ControlPlaneConfig): CertificateSource {
  const { certificateFile, privateKeyFile, clientRootsFile, caAddress, clusterId, trustDomain } = config;
  if (certificateFile !== undefined && privateKeyFile !== undefined) {
    return { kind: 'files', certificateFile, privateKeyFile, clientRootsFile };
  }
  if (caAddress === undefined) {
    const advice = 'set AMBIT_TLS_CERT_FILE and AMBIT_TLS_KEY_FILE, or CA_ADDRESS';
    throw new AmbitError('NO_CERTIFICATE', `the xDS port needs a certificate: ${advice}`);
  }
  return {
    kind: 'ca',
    address: caAddress,
    roots: parseTrustRoots(config.caRoots),
    token: parseTokenSource(config.token),
    clusterId,
    identity: makeSpiffeId({ trustDomain, namespace: config.systemNamespace, serviceAccount: config.serviceAccount }),
    ttlSec: Math.ceil(config.servingTtlMs / 1000),
  };
}
