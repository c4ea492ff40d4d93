/** A whole CA on loopback with its files in a temporary directory, for tests and benchmarks. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type GrpcClient, type GrpcClientOptions, RpcChannel } from '@ambit/grpc';
import { GrpcCaClient } from '@ambit/identity';
import { type Clock, loadConfig } from '@ambit/runtime';
import { createLogger } from '@ambit/telemetry';
import { type RunningCa, startCa } from '../ca.ts';
import { type CaConfig, caConfig } from '../config.ts';
import type { AuditBus } from '../serve/audit-trail.ts';
import { type PublishedEvent, RecordingBus } from './recording-bus.ts';
import { TokenIssuer } from './token-issuer.ts';

/** Settings a test changes. */
export interface CaUnderTestOptions {
  readonly assignments?: Readonly<Record<string, readonly string[]>>;
  readonly config?: Partial<CaConfig>;
  readonly clock?: Clock;
  readonly bus?: AuditBus;
  /** Files of a ROOT_CA_DIR; without it the CA is self-signed in memory. */
  readonly keyFiles?: Readonly<Record<string, string>>;
}

/** A running CA with everything a test looks at. */
export class CaUnderTest implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'ambit-ca-'));
  readonly issuer: TokenIssuer = new TokenIssuer();
  readonly bus: RecordingBus = new RecordingBus();
  readonly logLines: string[] = [];
  #running: RunningCa | undefined;

  static async start(options: CaUnderTestOptions = {}): Promise<CaUnderTest> {
    const ca = new CaUnderTest();
    ca.write('jwks.json', ca.issuer.jwks);
    ca.assign(options.assignments ?? { node1: ['spiffe://cluster.local/ns/shop/sa/cart'] });
    for (const [name, text] of Object.entries(options.keyFiles ?? {})) ca.write(name, text);
    const config: CaConfig = {
      ...loadConfig(caConfig, {}).config,
      grpc: { address: '127.0.0.1', port: 0 },
      httpAddress: '127.0.0.1',
      httpPort: 0,
      jwksFile: join(ca.folder, 'jwks.json'),
      assignmentsFile: join(ca.folder, 'assignments.json'),
      drainMs: 100,
      ...(options.keyFiles === undefined ? {} : { keyDirectory: ca.folder }),
      ...options.config,
    };
    const logger = createLogger({ destination: { write: (line) => void ca.logLines.push(line) } });
    try {
      ca.#running = await startCa(config, {
        bus: options.bus ?? ca.bus,
        logger,
        ...(options.clock === undefined ? {} : { clock: options.clock }),
      });
    } catch (error) {
      await ca[Symbol.asyncDispose]();
      throw error;
    }
    return ca;
  }

  get events(): readonly PublishedEvent[] {
    return this.bus.events;
  }

  get running(): RunningCa {
    if (this.#running === undefined) throw new Error('the CA under test did not start');
    return this.#running;
  }

  get rootsPem(): string {
    return this.running.authority.material.rootsPem;
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.folder, name), text);
  }

  assign(assignments: Readonly<Record<string, readonly string[]>>): void {
    this.write('assignments.json', JSON.stringify(assignments));
  }

  /** A channel as node proxies open it; `token` may be replaced or removed. */
  channel(options: Partial<GrpcClientOptions> & { readonly bearer?: string } = {}): GrpcClient {
    const { bearer, ...rest } = options;
    return new RpcChannel({
      address: `https://127.0.0.1:${this.running.port}`,
      roots: { kind: 'inline', pem: this.rootsPem },
      clusterId: 'Kubernetes',
      ...(bearer === undefined ? {} : { token: { kind: 'literal', token: bearer } }),
      ...rest,
    });
  }

  /** A node proxy's client on `node`. The caller disposes the channel. */
  nodeClient(node: string): { readonly client: GrpcCaClient; readonly channel: GrpcClient } {
    const channel = this.channel({ bearer: this.issuer.issue('istio-system/ztunnel', node) });
    return { client: new GrpcCaClient({ channel, isImpersonating: true }), channel };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
