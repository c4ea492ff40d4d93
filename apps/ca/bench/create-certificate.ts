/**
 * Certificates a second over gRPC with TLS: token verification, node authorization, issuance, audit. The CA is its own
 * process (one thread); this process only sends prepared requests and does not verify answers.
 * Run: `node apps/ca/bench/create-certificate.ts [seconds] [in flight]`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { auth } from '@ambit/api';
import { GrpcChannel, methodDefinition } from '@ambit/grpc';
import { createKeyAndCsr, makeSpiffeId } from '@ambit/identity';
import { create } from '@bufbuild/protobuf';
import { TokenIssuer } from '../src/testing/token-issuer.ts';

const seconds = Number(process.argv[2] ?? 5);
const inFlight = Number(process.argv[3] ?? 32);
const method = methodDefinition(auth.IstioCertificateService.method.createCertificate);
const identity = makeSpiffeId({ trustDomain: 'cluster.local', namespace: 'bench', serviceAccount: 'workload' });

const folder = mkdtempSync(join(tmpdir(), 'ambit-ca-bench-'));
const issuer = new TokenIssuer();
writeFileSync(join(folder, 'jwks.json'), issuer.jwks);
writeFileSync(join(folder, 'assignments.json'), JSON.stringify({ node1: [identity] }));
writeFileSync(join(folder, 'token'), issuer.issue('istio-system/ztunnel', 'node1'));
const server = spawn(process.execPath, [join(import.meta.dirname, '../src/main.ts')], {
  stdio: ['ignore', 'pipe', 'inherit'],
  env: {
    AMBIT_GRPC_ADDRESS: '127.0.0.1:0',
    AMBIT_HTTP_ADDRESS: '127.0.0.1',
    AMBIT_HTTP_PORT: '0',
    AMBIT_CA_DIR: join(folder, 'ca'),
    AMBIT_JWKS_FILE: join(folder, 'jwks.json'),
    AMBIT_ASSIGNMENTS_FILE: join(folder, 'assignments.json'),
    LOG_LEVEL: 'info',
  },
});

function readyPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    createInterface(server.stdout).on('line', (line) => {
      const port = /"port":(\d+).*"CA is ready"/.exec(line)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    server.once('exit', (code) => reject(new Error(`the CA ended with code ${code}`)));
  });
}

/** User and system time of the CA's process so far; Linux counts it in hundredths of a second. */
function cpuSeconds(): number {
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

try {
  const port = await readyPort();
  using channel = new GrpcChannel({
    address: `https://127.0.0.1:${port}`,
    roots: { kind: 'inline', pem: readFileSync(join(folder, 'ca/root-cert.pem'), 'utf8') },
    token: { kind: 'file', path: join(folder, 'token') },
    clusterId: 'Kubernetes',
  });
  const requests = Array.from({ length: 64 }, () => {
    const metadata = { ImpersonatedIdentity: identity };
    return create(auth.IstioCertificateRequestSchema, {
      csr: createKeyAndCsr(identity).csrPem,
      validityDuration: 86_400n,
      metadata,
    });
  });
  const run = async (untilMs: number): Promise<number> => {
    let issued = 0;
    const client = async (first: number): Promise<void> => {
      for (let count = first; performance.now() < untilMs; count += 1) {
        const request = requests[count % requests.length];
        if (request === undefined) return;
        await channel.unary(method, request);
        issued += 1;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, (_, index) => client(index)));
    return issued;
  };
  await run(performance.now() + 1000);
  const before = cpuSeconds();
  const startMs = performance.now();
  const issued = await run(startMs + seconds * 1000);
  const elapsedSec = (performance.now() - startMs) / 1000;
  const cpuSec = cpuSeconds() - before;
  process.stdout.write(
    `gRPC, ${inFlight} in flight: ${Math.round(issued / elapsedSec)} certificates/s, ` +
      `CA used ${(cpuSec / elapsedSec).toFixed(2)} cores, ${Math.round(issued / cpuSec)} per CPU second of the CA\n`,
  );
} finally {
  server.removeAllListeners('exit');
  server.kill('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}
