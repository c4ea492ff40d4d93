/** What every attack program shares: its order comes as JSON on its input, its findings go as JSON to its output. */
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';

/** A certificate with its key, for the order only: neither lies in a file. */
export interface Credentials {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

/** Where a tunnel is asked for, and by whom. */
export interface TunnelOrder {
  readonly host: string;
  readonly port: number;
  /** Undefined: no certificate is shown. */
  readonly credentials?: Credentials;
}

/** Reads the order. The programs are started by the demonstration, which wrote it. */
export async function readOrder<Order>(): Promise<Order> {
  let text = '';
  process.stdin.setEncoding('utf8');
  for await (const chunk of process.stdin) text += chunk;
  const order: Order = JSON.parse(text);
  return order;
}

/** Prints the findings and ends the program, whatever is still open. */
export function finish(findings: unknown): void {
  process.stdout.write(`${JSON.stringify(findings)}\n`, () => process.exit(0));
}

/** TLS as a node proxy begins it, except that the server's certificate is not judged: an attacker takes what it gets. */
export function connectTls({ host, port, credentials }: TunnelOrder): TLSSocket {
  const options: ConnectionOptions = {
    host,
    port,
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
  };
  return connect(
    credentials === undefined
      ? options
      : { ...options, cert: credentials.certificateChainPem, key: credentials.privateKeyPem },
  );
}

/** `ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED` and the like, else the message. */
export function nameOfError(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
