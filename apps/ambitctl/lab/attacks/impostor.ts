/**
 * Serves 15008 with whatever certificate it is told to show, in place of a node proxy: `impostor.ts`, order on the input.
 * Prints `ready`, then a line of JSON for each connection: how far the caller went with it.
 */
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { nameOfError, readOrder, type Credentials } from './order.ts';

interface Order {
  readonly credentials: Credentials;
}

const { credentials } = await readOrder<Order>();
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const server = createSecureServer({
  cert: credentials.certificateChainPem,
  key: credentials.privateKeyPem,
  minVersion: 'TLSv1.3',
  requestCert: true,
  rejectUnauthorized: false,
  ALPNProtocols: ['h2'],
});
server.on('tlsClientError', (error) => say({ refusedBy: nameOfError(error) }));
server.on('session', (session) => session.on('error', (error) => say({ brokenBy: nameOfError(error) })));
server.on('stream', (stream: ServerHttp2Stream, headers) => {
  stream.on('error', () => {});
  say({ asked: headers[':method'], authority: headers[':authority'] });
  stream.respond({ ':status': 200 });
  stream.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nimpostor\n');
});
server.listen({ port: 15_008, host: '::' }, () => say('ready'));
