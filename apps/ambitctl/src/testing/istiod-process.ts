/** Istio's control plane and CA as a process of this machine, and its port inside a lab. For interoperability tests. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { checked, io } from '@ambit/net';
import { eventually, freePorts } from '@ambit/testing';

export interface IstiodOptions {
  readonly program: string;
  readonly kubeconfig: string;
  /** Namespace that stands for `istio-system`; its service account `ztunnel` may ask for the certificates of others. */
  readonly systemNamespace: string;
  /** For its log and what it writes; it exists. */
  readonly folder: string;
}

/** A running istiod. */
export class IstiodProcess implements AsyncDisposable {
  /** xDS and CA, TLS, on the loopback of this machine. */
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #logFile: string;

  private constructor(port: number, child: ChildProcess, logFile: string) {
    this.port = port;
    this.#child = child;
    this.#logFile = logFile;
  }

  /** Resolves when it says that it is ready. */
  static async start(options: IstiodOptions): Promise<IstiodProcess> {
    const [xds = 0, plain = 0, http = 0, https = 0, monitoring = 0, control = 0] = await freePorts(6);
    const meshConfig = join(options.folder, 'mesh.yaml');
    writeFileSync(meshConfig, `rootNamespace: ${options.systemNamespace}\ntrustDomain: cluster.local\n`);
    const logFile = join(options.folder, 'istiod.log');
    const log = openSync(logFile, 'w');
    const flags = {
      namespace: options.systemNamespace,
      kubeconfig: options.kubeconfig,
      meshConfig,
      secureGRPCAddr: `127.0.0.1:${xds}`,
      grpcAddr: `127.0.0.1:${plain}`,
      httpAddr: `127.0.0.1:${http}`,
      httpsAddr: `127.0.0.1:${https}`,
      monitoringAddr: `127.0.0.1:${monitoring}`,
      ctrlz_port: String(control),
    };
    const args = ['discovery', ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)];
    const child = spawn(options.program, args, {
      cwd: options.folder,
      env: {
        PATH: process.env['PATH'],
        POD_NAME: 'istiod-interop',
        POD_NAMESPACE: options.systemNamespace,
        SERVICE_ACCOUNT: 'istiod',
        REVISION: 'default',
        CLUSTER_ID: 'Kubernetes',
        PILOT_CERT_PROVIDER: 'istiod',
        PILOT_ENABLE_AMBIENT: 'true',
        CA_TRUSTED_NODE_ACCOUNTS: `${options.systemNamespace}/ztunnel`,
        INJECTION_WEBHOOK_CONFIG_NAME: '',
        VALIDATION_WEBHOOK_CONFIG_NAME: '',
      },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    const istiod = new IstiodProcess(xds, child, logFile);
    try {
      await eventually('istiod to be ready', async () => {
        if (child.exitCode !== null) throw new Error('istiod ended');
        return (await isReady(http)) || undefined;
      });
    } catch (cause) {
      await istiod[Symbol.asyncDispose]();
      throw new Error(`istiod is not ready:\n${istiod.logTail()}`, { cause });
    }
    return istiod;
  }

  logTail(lines = 40): string {
    return readFileSync(this.#logFile, 'utf8').split('\n').slice(-lines).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}

/** Passes connections to `port` of an address inside a network namespace on to a port of this machine's loopback. */
export function relayIntoNamespace(netnsPath: string, address: string, port: number, targetPort: number): Server {
  const netnsFd = io.openNetns(netnsPath);
  let fd: number;
  try {
    fd = checked('listen', io.tcpListen({ netnsFd, address, port }));
  } finally {
    io.close(netnsFd);
  }
  return createServer({ allowHalfOpen: true }, (socket) => {
    const target = connect({ host: '127.0.0.1', port: targetPort, allowHalfOpen: true });
    socket.on('error', () => target.destroy());
    target.on('error', () => socket.destroy());
    socket.pipe(target).pipe(socket);
  }).listen({ fd });
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/ready`)).ok;
  } catch {
    return false;
  }
}

/** A shell program that starts `argv` with more environment, where only the path of a program can be named. */
export function writeWrapper(
  path: string,
  environment: Readonly<Record<string, string>>,
  argv: readonly string[],
): void {
  mkdirSync(join(path, '..'), { recursive: true });
  const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  const settings = Object.entries(environment).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  writeFileSync(path, `#!/bin/sh\n${settings.join('')}exec ${argv.map(quoted).join(' ')}\n`, { mode: 0o755 });
}
