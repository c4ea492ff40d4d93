/** What somebody sees who listens on a link: which ports carry bytes, whether a text can be read, which TLS it is. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { E2eError } from '../e2e-error.ts';
import { readPackets, type CapturedPacket } from './pcap-reader.ts';

/** More than this is not kept; enough for any claim. */
const MAX_BYTES = 64 * 1024 * 1024;
const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 2_000;

export class PacketCapture {
  readonly #child: ChildProcess;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (this.#bytes <= MAX_BYTES) this.#chunks.push(chunk);
    });
  }

  /**
   * Resolves when packets are being taken.
   * @param enter puts a command to the place of the link
   * @param filter as tcpdump takes it
   */
  static async start(
    enter: (argv: readonly string[]) => readonly string[],
    link: string,
    filter: string,
  ): Promise<PacketCapture> {
    const options = ['-i', link, '-U', '--immediate-mode', '-s', '0', '-Z', 'root', '-w', '-', filter];
    const [program = '', ...args] = enter(['tcpdump', ...options]);
    const capture = new PacketCapture(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }));
    await capture.#listening();
    return capture;
  }

  /** Ends the capture; gives what was seen. */
  async stop(): Promise<CaptureSummary> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const closed = once(this.#child, 'close');
      this.#child.kill('SIGINT');
      const force = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await closed;
      clearTimeout(force);
    }
    return summarise(readPackets(Buffer.concat(this.#chunks)));
  }

  /** tcpdump says so when it takes packets. */
  #listening(): Promise<void> {
    return new Promise((resolve, reject) => {
      let said = '';
      const fail = (): void => {
        this.#child.kill('SIGKILL');
        reject(new E2eError('NOT_READY', `tcpdump does not work here: ${said.trim() || 'it says nothing'}`));
      };
      const deadline = setTimeout(fail, START_TIMEOUT_MS);
      this.#child.on('error', fail);
      this.#child.on('close', fail);
      this.#child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (!said.includes('listening on')) return;
        clearTimeout(deadline);
        this.#child.off('close', fail);
        resolve();
      });
    });
  }
}

export interface CaptureSummary {
  readonly packets: number;
  /** Payload bytes by the lower port of the connection, which is the server's. */
  readonly bytesByPort: ReadonlyMap<number, number>;
  /** ServerHellos on 15008, by the version they chose: `1.3` or `older`. */
  readonly tlsVersions: readonly string[];
  /** True when the text occurs in what one side of one connection sent. */
  contains(text: string): boolean;
}

/** `661 bytes on port 15008`, one for each port. */
export function describePorts({ bytesByPort }: CaptureSummary): string {
  const ports = [...bytesByPort].toSorted(([a], [b]) => a - b).map(([port, bytes]) => `${bytes} bytes on port ${port}`);
  return ports.join(', ') || 'no bytes';
}

export function summarise(packets: readonly CapturedPacket[]): CaptureSummary {
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
      .filter(({ sourcePort }) => sourcePort === 15_008)
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
