import type { PortFacts } from './app-protocol.ts';

/** How a proxy that looks at the bytes of a port reads them; `auto`: as they turn out to be. UDP is not for proxies. */
export type PortProtocol = 'auto' | 'http' | 'http2' | 'grpc' | 'grpc-web' | 'tcp' | 'tls' | 'udp';

const byWord: ReadonlyMap<string, PortProtocol> = new Map([
  ['http', 'http'],
  ['http_proxy', 'http'],
  ['http2', 'http2'],
  ['grpc', 'grpc'],
  ['grpc-web', 'grpc-web'],
  ['https', 'tls'],
  ['tls', 'tls'],
  ['tcp', 'tcp'],
  ['mongo', 'tcp'],
  ['redis', 'tcp'],
  ['mysql', 'tcp'],
  ['udp', 'udp'],
]);

const special: ReadonlyMap<string, PortProtocol> = new Map([
  ['kubernetes.io/h2c', 'http2'],
  ['kubernetes.io/ws', 'http'],
  ['kubernetes.io/wss', 'tls'],
]);

/** Ports whose servers speak first: sniffing them would wait for ever. */
const tcpByNumber: ReadonlySet<number> = new Set([25, 53, 3306, 27017]);

/**
 * Protocol of a Service's port: `appProtocol` if there is one, whatever it says, else the port's name up to the first
 * dash, else the number. Spec: l7.md section 6.1.
 */
export function portProtocol({ number, name, declared, isUdp }: PortFacts): PortProtocol {
  if (isUdp) return 'udp';
  return protocolOf(declared ?? name ?? '') ?? (tcpByNumber.has(number) ? 'tcp' : 'auto');
}

/** Protocol of a ServiceEntry's port. */
export function entryPortProtocol(declared: string | undefined, number: number): PortProtocol {
  return protocolOf(declared ?? '') ?? (tcpByNumber.has(number) ? 'tcp' : 'auto');
}

function protocolOf(text: string): PortProtocol | undefined {
  const word = text.toLowerCase();
  if (word === 'grpc-web' || word.startsWith('grpc-web-')) return 'grpc-web';
  return special.get(word) ?? byWord.get(word.split('-', 1)[0] ?? '');
}
