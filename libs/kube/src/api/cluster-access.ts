/** Where the API server is and how to be somebody there: a kubeconfig file, or the files of a pod. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WatchedFile } from '@ambit/runtime';
import { PluginToken } from './credential-plugin.ts';
import { KubeError } from './kube-error.ts';

/** Credentials and address. Fields may be getters: read them for each connection, files behind them are rotated. */
export interface ClusterAccess {
  readonly server: URL;
  /** Trust roots; undefined: those of the system. */
  readonly caPem?: string | undefined;
  /** Name to expect in the server's certificate; undefined: that of the address. */
  readonly serverName?: string | undefined;
  /** Bearer token to send now. Rejects with KubeError `ACCESS` when it cannot be read. */
  token?(): Promise<string>;
  readonly clientCertificatePem?: string | undefined;
  readonly clientKeyPem?: string | undefined;
  /** Namespace of the context, or of the pod. */
  readonly defaultNamespace: string;
}

export interface ClusterAccessOptions {
  /** A kubeconfig file; undefined: `KUBECONFIG` of the environment, else the files of a pod. */
  readonly kubeconfigPath?: string | undefined;
  /** Context of the kubeconfig; undefined: its current one. */
  readonly context?: string | undefined;
  /** Run the credential plugin that a kubeconfig names; for programs of a terminal only. Default: such a file is refused. */
  readonly allowsPlugins?: boolean;
  /** Variables KUBECONFIG, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are read. Default: none of them set. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Folder with token, ca.crt and namespace of a pod. */
  readonly serviceAccountDir?: string;
}

const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Access by an explicit kubeconfig, else by `KUBECONFIG`, else by the service account of the pod this runs in.
 * Rejects with KubeError `ACCESS` that says which of them is missing or broken.
 */
export async function clusterAccess(options: ClusterAccessOptions = {}): Promise<ClusterAccess> {
  const { environment = {} } = options;
  const path = options.kubeconfigPath ?? environment['KUBECONFIG'];
  if (path !== undefined && path !== '') return fromKubeconfig(path, options.context, options.allowsPlugins === true);
  const host = environment['KUBERNETES_SERVICE_HOST'];
  if (host === undefined || host === '') {
    throw new KubeError('ACCESS', 'no API server: set KUBECONFIG to a kubeconfig file, or run in a pod');
  }
  const port = environment['KUBERNETES_SERVICE_PORT'] ?? '443';
  return inCluster(host, port, options.serviceAccountDir ?? SERVICE_ACCOUNT_DIR);
}

async function fromKubeconfig(
  path: string,
  context: string | undefined,
  allowsPlugins: boolean,
): Promise<ClusterAccess> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new KubeError('ACCESS', `the kubeconfig ${path} cannot be read`, { cause });
  }
  // Loaded when used: in a pod nothing else needs a YAML parser.
  const { parseKubeconfig } = await import('./kubeconfig.ts');
  const { tokenFile, token, plugin, ...rest } = parseKubeconfig(text, path, context, allowsPlugins);
  if (plugin !== undefined) {
    const source = new PluginToken(plugin);
    return { ...rest, token: () => source.current() };
  }
  const source = tokenFile === undefined ? undefined : new WatchedFile(tokenFile, readToken);
  const current = source === undefined ? token : () => source.current();
  if (current === undefined) return rest;
  return { ...rest, token: async () => (typeof current === 'string' ? current : orAccessError(current)) };
}

function inCluster(host: string, port: string, directory: string): ClusterAccess {
  const token = new WatchedFile(join(directory, 'token'), readToken);
  const roots = new WatchedFile(join(directory, 'ca.crt'), readRoots);
  orAccessError(() => roots.current());
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    get caPem() {
      return orAccessError(() => roots.current());
    },
    token: async () => orAccessError(() => token.current()),
    defaultNamespace: namespaceIn(directory),
  };
}

function namespaceIn(directory: string): string {
  try {
    return readFileSync(join(directory, 'namespace'), 'utf8').trim();
  } catch {
    return 'default';
  }
}

function readToken(text: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Error('it holds no token');
  return token;
}

function readRoots(text: string): string {
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('it holds no certificate');
  return text;
}

function orAccessError<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new KubeError('ACCESS', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
