/**
 * A number of HTTP requests, one after the other on a kept connection: `calls.ts COUNT URL [NAME:VALUE ...]`. Prints how often
 * each status and each pod answered, and the slowest, as JSON.
 */
import { Agent, get } from 'node:http';

const [count = '1', url = '', ...headers] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const result = { statuses: {} as Record<string, number>, pods: {} as Record<string, number>, slowestMs: 0 };
const options = { agent, timeout: 10_000, headers: Object.fromEntries(headers.map((text) => text.split(/:(.*)/s, 2))) };

for (let i = 0; i < Number(count); i++) {
  const startMs = performance.now();
  const { status, pod } = await requestOnce().catch((cause) => ({ status: String(cause.code ?? cause), pod: '-' }));
  result.statuses[status] = (result.statuses[status] ?? 0) + 1;
  result.pods[pod] = (result.pods[pod] ?? 0) + 1;
  result.slowestMs = Math.max(result.slowestMs, Math.round(performance.now() - startMs));
}
agent.destroy();
process.stdout.write(`${JSON.stringify(result)}\n`);

function requestOnce(): Promise<{ status: string; pod: string }> {
  return new Promise((resolve, reject) => {
    const request = get(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: String(response.statusCode), pod: /"pod":"([^"]*)"/.exec(text)?.[1] ?? '-' }),
      );
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', reject);
  });
}
