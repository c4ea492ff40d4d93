import { type KubeClient, KubeError, type ObjectRef, type PlainObject, isPlainObject, rawKinds } from '@ambit/kube';
import type { SecretContent, SecretStore, StoredSecret } from '../keys/secret-store.ts';

/** Secrets of one namespace at the API server. */
export class KubeSecretStore implements SecretStore {
  readonly #client: KubeClient;
  readonly #namespace: string;

  constructor(client: KubeClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  async read(name: string): Promise<StoredSecret | undefined> {
    const object = await this.#client.get(this.#ref(name));
    return object === undefined ? undefined : storedSecret(name, object);
  }

  async create(content: SecretContent): Promise<boolean> {
    return this.#unlessConflict(() => this.#client.create(rawKinds.Secret, this.#object(content, undefined)));
  }

  async replace(content: SecretContent, version: string): Promise<boolean> {
    return this.#unlessConflict(() => this.#client.replace(this.#ref(content.name), this.#object(content, version)));
  }

  async remove(name: string): Promise<void> {
    await this.#client.delete(this.#ref(name));
  }

  #ref(name: string): ObjectRef {
    return { kind: rawKinds.Secret, namespace: this.#namespace, name };
  }

  #object(content: SecretContent, version: string | undefined): PlainObject {
    const { name, type, annotations, data } = content;
    return {
      metadata: {
        name,
        namespace: this.#namespace,
        labels: { 'app.kubernetes.io/managed-by': 'ambit-ca' },
        annotations,
        ...(version === undefined ? {} : { resourceVersion: version }),
      },
      type,
      data: mapValues(data, (text) => Buffer.from(text).toString('base64')),
    };
  }

  async #unlessConflict(write: () => Promise<unknown>): Promise<boolean> {
    try {
      await write();
      return true;
    } catch (error) {
      if (error instanceof KubeError && error.code === 'CONFLICT') return false;
      throw error;
    }
  }
}

function storedSecret(name: string, object: unknown): StoredSecret {
  const { metadata, data } = isPlainObject(object) ? object : {};
  const meta = isPlainObject(metadata) ? metadata : {};
  const version = meta['resourceVersion'];
  if (typeof version !== 'string') throw new KubeError('MALFORMED', `Secret ${name} came without a resourceVersion`);
  return {
    name,
    version,
    annotations: textsOf(meta['annotations']),
    data: mapValues(textsOf(data), (text) => Buffer.from(text, 'base64').toString('utf8')),
  };
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const [key, text] of Object.entries(isPlainObject(value) ? value : {})) {
    if (typeof text === 'string') texts[key] = text;
  }
  return texts;
}

function mapValues(values: Readonly<Record<string, string>>, map: (text: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, text]) => [key, map(text)]));
}
