/** Reads a kubeconfig file. Spec: client-go clientcmd/api/v1 Config. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { isPlainObject, type PlainObject } from '../object-reader.ts';
import { type CredentialPlugin, readCredentialPlugin } from './credential-plugin.ts';
import { KubeError } from './kube-error.ts';

/** What one context of a kubeconfig says. */
export interface KubeconfigContext {
  readonly server: URL;
  readonly caPem: string | undefined;
  readonly serverName: string | undefined;
  readonly token: string | undefined;
  readonly tokenFile: string | undefined;
  readonly plugin: CredentialPlugin | undefined;
  readonly clientCertificatePem: string | undefined;
  readonly clientKeyPem: string | undefined;
  readonly defaultNamespace: string;
}

/**
 * Reads one context, with the files it names. `path` is where the text came from: files are relative to it. Throws
 * KubeError `ACCESS` for what is missing or not supported (proxies, unverified TLS; credential plugins where `allowsPlugins` is
 * false, as nobody wants a service to run programs that a file names).
 */
export function parseKubeconfig(
  text: string,
  path: string,
  wanted: string | undefined,
  allowsPlugins: boolean,
): KubeconfigContext {
  const refuse = (reason: string): KubeError => new KubeError('ACCESS', `kubeconfig ${path}: ${reason}`);
  let config: unknown;
  try {
    config = parse(text, { maxAliasCount: 100 });
  } catch (cause) {
    throw new KubeError('ACCESS', `kubeconfig ${path}: not valid YAML`, { cause });
  }
  if (!isPlainObject(config)) throw refuse('it is not a map');
  const name = wanted ?? textOf(config, 'current-context');
  if (name === undefined) throw refuse('it has no current-context; name one');
  const context = entryOf(config, 'contexts', name, 'context');
  if (context === undefined) throw refuse(`it has no context ${name}`);
  const cluster = entryOf(config, 'clusters', textOf(context, 'cluster') ?? '', 'cluster');
  if (cluster === undefined) throw refuse(`context ${name} names no cluster of the file`);
  const user = entryOf(config, 'users', textOf(context, 'user') ?? '', 'user') ?? {};
  const exec = isPlainObject(user['exec']) ? user['exec'] : undefined;
  if ((exec !== undefined && !allowsPlugins) || user['auth-provider'] !== undefined) {
    throw refuse(`the user of context ${name} needs a credential plugin; use one with a token or a certificate`);
  }
  if (cluster['insecure-skip-tls-verify'] === true) {
    throw refuse(`context ${name} does not verify the server; give certificate-authority-data instead`);
  }
  if (cluster['proxy-url'] !== undefined) throw refuse(`context ${name} needs a proxy, which is not supported`);
  const server = textOf(cluster, 'server');
  if (server === undefined || !URL.canParse(server)) throw refuse(`the cluster of context ${name} has no server`);
  const tokenFile = textOf(user, 'tokenFile');
  const pem = (from: PlainObject, key: string): string | undefined => readPem(from, key, path);
  return {
    server: new URL(server),
    caPem: pem(cluster, 'certificate-authority'),
    serverName: textOf(cluster, 'tls-server-name'),
    token: textOf(user, 'token'),
    tokenFile: tokenFile === undefined ? undefined : resolve(dirname(path), tokenFile),
    plugin: exec === undefined ? undefined : readCredentialPlugin(exec, path),
    clientCertificatePem: pem(user, 'client-certificate'),
    clientKeyPem: pem(user, 'client-key'),
    defaultNamespace: textOf(context, 'namespace') ?? 'default',
  };
}

function readPem(from: PlainObject, key: string, path: string): string | undefined {
  const data = textOf(from, `${key}-data`);
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  const file = textOf(from, key);
  if (file === undefined) return undefined;
  try {
    return readFileSync(resolve(dirname(path), file), 'utf8');
  } catch (cause) {
    throw new KubeError('ACCESS', `kubeconfig ${path}: the file of ${key} cannot be read`, { cause });
  }
}

function entryOf(config: PlainObject, list: string, name: string, field: string): PlainObject | undefined {
  const entries = config[list];
  const found: unknown = Array.isArray(entries)
    ? entries.find((entry) => isPlainObject(entry) && entry['name'] === name)
    : undefined;
  const value = isPlainObject(found) ? found[field] : undefined;
  return isPlainObject(value) ? value : undefined;
}

function textOf(from: PlainObject, key: string): string | undefined {
  const value = from[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
