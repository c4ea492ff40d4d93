/**
 * What travels over a link, for demonstrations and end-to-end tests: `tcpdump` writes, the packets are read here. Not part
 * of any data path.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { NetError } from '../net-error.ts';
import { type CaptureSummary, summarise } from './capture-summary.ts';
import { readPackets } from './pcap-reader.ts';

export interface PacketCaptureOptions {
  /** Starts a command where the link is; its standard output and error are pipes. */
  readonly spawn: (argv: readonly string[]) => ChildProcess;
  readonly link: string;
  /** As tcpdump takes it. */
  readonly filter: string;
  /** Whose ServerHellos are looked at. */
  readonly tlsPort: number;
}

/** More than this is not kept; enough for any claim. */
const maxBytes = 64 * 1024 * 1024;
const startTimeoutMs = 10_000;
const stopTimeoutMs = 2_000;

export class PacketCapture {
  readonly #child: ChildProcess;
  readonly #tlsPort: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  private constructor(child: ChildProcess, tlsPort: number) {
    this.#child = child;
    this.#tlsPort = tlsPort;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (this.#bytes <= maxBytes) this.#chunks.push(chunk);
    });
  }

  /** Resolves when packets are being taken. Rejects with NetError `NO_CAPTURE`. */
  static async start({ spawn, link, filter, tlsPort }: PacketCaptureOptions): Promise<PacketCapture> {
    const options = ['-i', link, '-U', '--immediate-mode', '-s', '0', '-Z', 'root', '-w', '-', filter];
    const capture = new PacketCapture(spawn(['tcpdump', ...options]), tlsPort);
    await capture.#listening();
    return capture;
  }

  /** Ends the capture; gives what was seen. */
  async stop(): Promise<CaptureSummary> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const closed = once(this.#child, 'close');
      this.#child.kill('SIGINT');
      const force = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs);
      await closed;
      clearTimeout(force);
    }
    return summarise(readPackets(Buffer.concat(this.#chunks)), this.#tlsPort);
  }

  /** tcpdump says so when it takes packets. */
  #listening(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let said = '';
    const fail = (): void => {
      clearTimeout(deadline);
      this.#child.kill('SIGKILL');
      reject(new NetError('NO_CAPTURE', `tcpdump does not work here: ${said.trim() || 'it says nothing'}`));
    };
    const deadline = setTimeout(fail, startTimeoutMs);
    this.#child.on('error', fail);
    this.#child.on('close', fail);
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (!said.includes('listening on')) return;
      clearTimeout(deadline);
      this.#child.off('close', fail);
      resolve();
    });
    return promise;
  }
}
