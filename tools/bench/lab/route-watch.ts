/**
 * Asks a URL over some kept connections and tells when each version of the route was first seen: `route-watch.ts CONNECTIONS
 * PER_SECOND LAST_VERSION TIMEOUT_MS READY_FILE URL [NAME:VALUE ...]`; `PER_SECOND` requests of all connections together, 0 for one after
 * the other without a pause. Makes the file with the first answer. Prints JSON when the last version was seen or the time is over.
 * The version is the header `x-version` of answers; times are those of the wall clock, which pods and the bench share.
 */
import { writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const [
  connections = '4',
  perSecond = '0',
  lastVersion = '0',
  timeoutMs = '60000',
  readyFile = '',
  url = '',
  ...fields
] = process.argv.slice(2);
/** Between two requests of a connection. */
const intervalMs = Number(perSecond) === 0 ? 0 : (Number(connections) * 1000) / Number(perSecond);
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) });
const headers = Object.fromEntries(fields.map((text) => text.split(/:(.*)/s, 2)));
const seen: { version: number; atMs: number }[] = [];
let requests = 0;
let failures = 0;
let newest = -1;
const endMs = Date.now() + Number(timeoutMs);

const nowMs = (): number => performance.timeOrigin + performance.now();

async function ask(): Promise<void> {
  let nextAtMs = nowMs() + Math.random() * intervalMs;
  while (newest < Number(lastVersion) && Date.now() < endMs) {
    // A connection that is behind does not catch up: requests would come in bursts.
    nextAtMs = Math.max(nextAtMs + intervalMs, nowMs());
    if (intervalMs > 0) await delay(nextAtMs - nowMs());
    const version = await askOnce().catch(() => undefined);
    requests += 1;
    if (version === undefined) failures += 1;
    else if (version > newest) {
      if (newest < 0) writeFileSync(readyFile, '');
      newest = version;
      seen.push({ version, atMs: nowMs() });
    }
  }
}

/** The version of an answer; undefined for a failure. Resolves with the head, which is all that matters. */
function askOnce(): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent, headers, timeout: 5000 }, (response) => {
      const version = Number(response.headers['x-version'] ?? 0);
      const status = response.statusCode;
      response.on('error', reject);
      response.on('end', () => resolve(status === 200 ? version : undefined));
      response.resume();
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', reject);
  });
}

await Promise.all(Array.from({ length: Number(connections) }, ask));
agent.destroy();
process.stdout.write(`${JSON.stringify({ seen, requests, failures })}\n`);
