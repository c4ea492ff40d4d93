/** Definitions of the Gateway API, from a file, a folder or a URL, into a cluster that has none. */
import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isPlainObject, type KubeClient, type ObjectRef, type PlainObject } from '@ambit/kube';
import { parseAllDocuments } from 'yaml';
import { GATEWAY_API_KINDS } from '../cluster/cluster-kinds.ts';
import { textAt } from '../cluster/read-fields.ts';
import { BUNDLE_VERSION } from './cluster-facts.ts';
import { InstallError } from './install-error.ts';

const VERSION = 'v1.6.3';
/** The standard channel of the release that the mesh was tested with. */
export const GATEWAY_API_RELEASE: string = `https://github.com/kubernetes-sigs/gateway-api/releases/download/${VERSION}/standard-install.yaml`;

const MOST_BYTES = 32 * 1024 * 1024;
const DOWNLOAD_TIMEOUT_MS = 30_000;

/** One object of a bundle, and what to call it. */
interface BundledObject {
  readonly ref: ObjectRef;
  readonly object: PlainObject;
}

export interface GatewayApiBundle {
  /** As its annotations say; `unknown` if they do not. */
  readonly version: string;
  readonly objects: readonly BundledObject[];
}

/**
 * Reads a bundle.
 * @param source folder or file of YAML, or an https URL
 * Rejects with InstallError `BAD_SOURCE`, also when it holds anything that is not of a Gateway API bundle.
 */
export async function readGatewayApi(source: string): Promise<GatewayApiBundle> {
  const texts = /^https?:/.test(source) ? [await download(source)] : readLocal(source);
  const objects = texts.flatMap((text) => parse(text, source));
  if (objects.length === 0) throw new InstallError('BAD_SOURCE', `${source} holds no definition of the Gateway API`);
  const versions = objects.map(({ object }) => textAt(object, 'metadata', 'annotations', BUNDLE_VERSION));
  return { version: versions.find((version) => version !== undefined) ?? 'unknown', objects };
}

/** Definitions first, as the policies beside them name them. Rejects with KubeError. */
export async function applyGatewayApi(client: KubeClient, bundle: GatewayApiBundle): Promise<void> {
  const order = ({ ref }: BundledObject): number => GATEWAY_API_KINDS.indexOf(ref.kind);
  for (const { ref, object } of bundle.objects.toSorted((a, b) => order(a) - order(b))) {
    await client.apply(ref, object, { fieldManager: 'ambitctl' });
  }
}

function readLocal(source: string): readonly string[] {
  try {
    if (!statSync(source).isDirectory()) return [readFileSync(source, 'utf8')];
    const files = globSync('*.{yaml,yml}', { cwd: source }).toSorted();
    return files
      .filter((file) => !file.startsWith('kustomization'))
      .map((file) => readFileSync(join(source, file), 'utf8'));
  } catch (cause) {
    throw new InstallError('BAD_SOURCE', `${source} cannot be read: ${reasonOf(cause)}`, cause);
  }
}

async function download(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    if (Number(answer.headers.get('content-length') ?? 0) > MOST_BYTES) throw new Error('it is too large');
    return await answer.text();
  } catch (cause) {
    throw new InstallError('BAD_SOURCE', `${url} cannot be downloaded: ${reasonOf(cause)}`, cause);
  }
}

function parse(text: string, source: string): readonly BundledObject[] {
  return parseAllDocuments(text).flatMap((document): readonly BundledObject[] => {
    const [error] = document.errors;
    if (error !== undefined) throw new InstallError('BAD_SOURCE', `${source}: ${error.message}`, error);
    const object: unknown = document.toJS();
    if (object === null) return [];
    const name = textAt(object, 'metadata', 'name');
    const kind = GATEWAY_API_KINDS.find(
      (known) =>
        textAt(object, 'kind') === known.kind && textAt(object, 'apiVersion') === `${known.group}/${known.version}`,
    );
    if (!isPlainObject(object) || kind === undefined || name?.includes('gateway.networking.k8s.io') !== true) {
      const what = `${textAt(object, 'kind') ?? 'something'} ${name ?? ''}`;
      throw new InstallError('BAD_SOURCE', `${source} holds ${what}, which is not of the Gateway API`);
    }
    // The API server writes it, and does not want it applied.
    const { status: _status, ...rest } = object;
    return [{ ref: { kind, name }, object: rest }];
  });
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error ? cause.cause.message : cause.message;
}
