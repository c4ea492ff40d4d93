import { once } from 'node:events';
import { connect, createServer } from 'node:tls';
import type { WorkloadCertificate } from '@ambit/identity';

/** One mutual TLS 1.3 handshake between two workloads with a few bytes after it; rejects if either side refuses the other. */
export async function handshake(server: WorkloadCertificate, client: WorkloadCertificate): Promise<void> {
  const optionsOf = (own: WorkloadCertificate) => ({
    cert: own.certificateChainPem,
    key: own.privateKeyPem,
    ca: own.rootsPem,
    minVersion: 'TLSv1.3' as const,
    rejectUnauthorized: true,
  });
  const listener = createServer({ ...optionsOf(server), requestCert: true }, (socket) => socket.end('ok'));
  const refused = new Promise<never>((_, reject) => listener.once('tlsClientError', reject));
  refused.catch(() => undefined);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const socket = connect({ ...optionsOf(client), host: '127.0.0.1', port, checkServerIdentity: () => undefined });
  try {
    let text = '';
    socket.on('data', (chunk) => (text += String(chunk)));
    await Promise.race([once(socket, 'end'), refused]);
    if (text !== 'ok') throw new Error(`the server said ${JSON.stringify(text)}`);
  } finally {
    socket.destroy();
    await listener[Symbol.asyncDispose]();
  }
}
