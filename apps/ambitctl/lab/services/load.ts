/**
 * A constant load of HTTP requests: `load.ts URL WORKERS [new|keep]`. Each worker sends one request after the other, on a
 * new connection each time or on one that is kept. Runs until its input ends; prints what came of it as JSON.
 */
import { Agent, get } from 'node:http';

const [url = '', workers = '8', mode = 'new'] = process.argv.slice(2);
const TIMEOUT_MS = 10_000;
const result = { ok: 0, failed: 0, slowestMs: 0, failures: {} as Record<string, number>, failedAt: [] as string[] };
let isRunning = true;

function requestOnce(agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, timeout: TIMEOUT_MS }, (response) => {
      response.on('error', reject);
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`)),
      );
      response.resume();
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', reject);
  });
}

async function work(): Promise<void> {
  const agent = new Agent({ keepAlive: mode === 'keep', maxSockets: 1 });
  while (isRunning) {
    const startMs = performance.now();
    try {
      await requestOnce(agent);
      result.ok += 1;
    } catch (cause) {
      result.failed += 1;
      if (result.failedAt.length < 20) result.failedAt.push(new Date().toISOString());
      const error = cause instanceof Error ? cause : new Error(String(cause));
      const name = 'code' in error && typeof error.code === 'string' ? `${error.code} ${error.message}` : error.message;
      result.failures[name] = (result.failures[name] ?? 0) + 1;
    }
    result.slowestMs = Math.max(result.slowestMs, Math.round(performance.now() - startMs));
  }
  agent.destroy();
}

process.stdin
  .on('end', () => {
    isRunning = false;
  })
  .resume();
await Promise.all(Array.from({ length: Number(workers) }, () => work()));
process.stdout.write(`${JSON.stringify(result)}\n`);
