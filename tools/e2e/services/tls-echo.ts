/**
 * An outside server that speaks nothing but TLS: HTTPS on 18443 with `tls.crt` and `tls.key` of /certificate. Says by which
 * name it was asked for, and from which address.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { TLSSocket } from 'node:tls';

const [cert, key] = ['tls.crt', 'tls.key'].map((name) => readFileSync(`/certificate/${name}`));

createServer({ cert, key }, ({ socket, headers }, response) => {
  const serverName = socket instanceof TLSSocket ? socket.servername : undefined;
  const client = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  response.end(JSON.stringify({ serverName, client, host: headers.host }));
}).listen({ port: 18443, host: '::' });
