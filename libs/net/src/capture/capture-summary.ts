import type { CapturedPacket } from './pcap-reader.ts';

/** What somebody sees who listens on a link: which ports carry bytes, whether a text can be read, which TLS it is. */
export interface CaptureSummary {
  readonly packets: number;
  /** Payload bytes by the lower port of the connection, which is the server's. */
  readonly bytesByPort: ReadonlyMap<number, number>;
  /** ServerHellos of the port that was asked about, by the version they chose: `1.3` or `older`. */
  readonly tlsVersions: readonly string[];
  /** True when the text occurs in what one side of one connection sent. */
  contains(text: string): boolean;
}

/** `661 bytes on port 15008`, one for each port. */
export function describePorts({ bytesByPort }: CaptureSummary): string {
  const ports = [...bytesByPort].toSorted(([a], [b]) => a - b).map(([port, bytes]) => `${bytes} bytes on port ${port}`);
  return ports.join(', ') || 'no bytes';
}

/** `tlsPort`: whose ServerHellos are looked at. */
export function summarise(packets: readonly CapturedPacket[], tlsPort: number): CaptureSummary {
  const bytesByPort = new Map<number, number>();
  const flows = new Map<string, Buffer[]>();
  for (const { flow, sourcePort, destinationPort, payload } of packets) {
    if (payload.length === 0) continue;
    const port = Math.min(sourcePort, destinationPort);
    bytesByPort.set(port, (bytesByPort.get(port) ?? 0) + payload.length);
    const parts = flows.get(flow);
    if (parts) parts.push(payload);
    else flows.set(flow, [payload]);
  }
  const joined = [...flows.values()].map((parts) => Buffer.concat(parts));
  return {
    packets: packets.length,
    bytesByPort,
    tlsVersions: packets
      .filter(({ sourcePort }) => sourcePort === tlsPort)
      .flatMap(({ payload }) => serverHelloVersion(payload)),
    contains: (text) => joined.some((bytes) => bytes.includes(text)),
  };
}

const HANDSHAKE_RECORD = 22;
const SERVER_HELLO = 2;
/** Extension supported_versions of two bytes: TLS 1.3 is chosen here and nowhere else. Spec: RFC 8446 section 4.2.1. */
const CHOSE_TLS13 = Buffer.of(0x00, 0x2b, 0x00, 0x02, 0x03, 0x04);

function serverHelloVersion(payload: Buffer): readonly string[] {
  if (payload[0] !== HANDSHAKE_RECORD || payload[5] !== SERVER_HELLO) return [];
  return [payload.includes(CHOSE_TLS13) ? '1.3' : 'older'];
}
