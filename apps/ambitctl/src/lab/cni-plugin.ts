/** Asks the node agent to take care of a new pod, as the CNI plugin does when a runtime starts one. */
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { AmbitError } from '@ambit/runtime';

export interface CniAdd {
  /** The agent's run folder. */
  readonly runDir: string;
  readonly netnsPath: string;
  readonly namespace: string;
  readonly name: string;
}

/** @throws AmbitError `CNI_ADD_FAILED` unless the agent says that the pod may start. */
export async function cniAdd({ runDir, netnsPath, namespace, name }: CniAdd): Promise<void> {
  const body = JSON.stringify({ Netns: netnsPath, PodName: name, PodNamespace: namespace, IPs: null });
  const signal = AbortSignal.timeout(5_000);
  try {
    const call = request({
      socketPath: join(runDir, 'pluginevent.sock'),
      path: '/cmdadd',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      signal,
    }).end(body);
    const [response] = await once(call, 'response', { signal });
    response.setEncoding('utf8');
    let text = '';
    for await (const chunk of response) text += chunk;
    if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${text}`);
  } catch (cause) {
    throw new AmbitError(
      'CNI_ADD_FAILED',
      `the node agent did not take pod ${namespace}/${name}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { retryable: true, cause },
    );
  }
}
