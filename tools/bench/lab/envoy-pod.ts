/**
 * A pod of the lab that turns into Envoy: fetches the certificate of its service account as a waypoint does, writes the
 * configuration beside it, and executes the program. `envoy-pod.ts ENVOY FOLDER CA_ADDRESS CA_ROOT_FILE TOKEN_FILE`.
 */
import { lookup } from 'node:dns/promises';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GrpcChannel } from '@ambit/grpc';
import { GrpcCaClient, makeSpiffeId } from '@ambit/identity';
import { envoyConfiguration } from '../src/l7/envoy-configuration.ts';

const [program = '', folder = '', address = '', rootsFile = '', tokenFile = ''] = process.argv.slice(2);
using channel = new GrpcChannel({
  address,
  roots: { kind: 'file', path: rootsFile },
  token: { kind: 'file', path: tokenFile },
});
const client = new GrpcCaClient({ channel, isImpersonating: false });
const identity = makeSpiffeId({ trustDomain: 'cluster.local', namespace: 'bench', serviceAccount: 'envoy' });
const certificate = await client.fetchCertificate(identity, { signal: AbortSignal.timeout(20_000) });
const file = (name: string, text: string, mode = 0o644): string => {
  writeFileSync(join(folder, name), text, { mode });
  return join(folder, name);
};
const configuration = file(
  'envoy.json',
  envoyConfiguration({
    certificateFile: file('envoy-chain.pem', certificate.certificateChainPem),
    keyFile: file('envoy-key.pem', certificate.privateKeyPem, 0o600),
    rootsFile: file('envoy-roots.pem', certificate.rootsPem),
    jwks: readFileSync(join(folder, 'jwks.json'), 'utf8'),
    logFile: join(folder, 'envoy-access.log'),
    // A headless service: the address of the pod itself.
    backend: { address: (await lookup('direct.bench.svc.cluster.local', 4)).address, port: 8080 },
  }),
);
// One worker, as Ambit's waypoint has one here.
process.execve(program, [program, '-c', configuration, '--concurrency', '1', '--disable-hot-restart', '-l', 'warn'], {
  PATH: '/usr/bin:/bin',
});
