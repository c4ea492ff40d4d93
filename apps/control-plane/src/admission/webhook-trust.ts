import { isDeepStrictEqual } from 'node:util';
import { type ApiKind, isPlainObject, type KubeClient } from '@ambit/kube';
import { type AmbitError, delay, toAmbitError } from '@ambit/runtime';

const validating: ApiKind = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  namespaced: false,
};

const FIELD_MANAGER = 'ambit-webhook-trust';
const CHECK_MS = 10_000;

export interface WebhookTrustOptions {
  readonly client: Pick<KubeClient, 'get' | 'apply'>;
  /** Of the ValidatingWebhookConfiguration. One that is not there is none of our business: the chart may leave it out. */
  readonly name: string;
  /** The roots the serving certificate hangs on, PEM; undefined while nobody can tell: then the bundle stays. */
  readonly roots: () => string | undefined;
  readonly onError: (error: AmbitError) => void;
}

/**
 * Keeps the roots in the webhook configuration, so that the API server trusts this webhook after every change of roots.
 * Run it on the leader; ends with `signal`, never rejects.
 */
export async function keepWebhookTrust(options: WebhookTrustOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await writeWebhookTrust(options, signal);
    } catch (error) {
      if (!signal.aborted) options.onError(toAmbitError(error));
    }
    await delay(CHECK_MS, { signal }).catch(() => undefined);
  }
}

/** Writes the roots where they differ; true when it did. */
export async function writeWebhookTrust(
  { client, name, roots }: Pick<WebhookTrustOptions, 'client' | 'name' | 'roots'>,
  signal: AbortSignal,
): Promise<boolean> {
  const ref = { kind: validating, name };
  const present = webhooksOf(await client.get(ref, { signal }));
  const pem = roots();
  if (present.length === 0 || pem === undefined) return false;
  const caBundle = Buffer.from(pem).toString('base64');
  const wanted = present.map((webhook) => ({ ...webhook, clientConfig: { ...webhook.clientConfig, caBundle } }));
  if (isDeepStrictEqual(wanted, present)) return false;
  // Entries are merged by name, so only the bundle is ours; the rest stays with whoever installed it.
  const webhooks = present.map(({ name: webhook }) => ({ name: webhook, clientConfig: { caBundle } }));
  await client.apply(ref, { webhooks }, { fieldManager: FIELD_MANAGER, force: true, signal });
  return true;
}

function webhooksOf(configuration: unknown): readonly { readonly name: string; readonly clientConfig: object }[] {
  const webhooks = isPlainObject(configuration) ? configuration['webhooks'] : undefined;
  if (!Array.isArray(webhooks)) return [];
  return webhooks.flatMap((webhook: unknown) => {
    if (!isPlainObject(webhook) || typeof webhook['name'] !== 'string') return [];
    const { clientConfig } = webhook;
    return [{ name: webhook['name'], clientConfig: isPlainObject(clientConfig) ? clientConfig : {} }];
  });
}
