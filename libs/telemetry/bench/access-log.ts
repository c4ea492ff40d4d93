/** Cost of an access-log line. Run: node libs/telemetry/bench/access-log.ts */
import { AccessLogWriter } from '../src/index.ts';

const entry = {
  sourceAddress: { address: '10.244.1.5', port: 41234 },
  sourceWorkload: 'client-0',
  sourceNamespace: 'demo',
  sourceIdentity: 'spiffe://cluster.local/ns/demo/sa/client',
  sourceCluster: 'Kubernetes',
  destinationAddress: { address: '10.244.2.7', port: 15008 },
  hboneAddress: '10.244.2.7:8080',
  destinationService: 'server.demo.svc.cluster.local',
  destinationWorkload: 'server-0',
  destinationNamespace: 'demo',
  destinationIdentity: 'spiffe://cluster.local/ns/demo/sa/server',
  destinationCluster: 'Kubernetes',
  direction: 'outbound',
  bytesSent: 84,
  bytesReceived: 1_234_567,
  durationMs: 12.9,
} as const;

for (const format of ['text', 'json'] as const) {
  const writer = new AccessLogWriter({ format, sink: (_bytes, _offset, length) => length });
  for (let round = 0; round < 50_000; round += 1) writer.complete(entry);
  const start = process.hrtime.bigint();
  for (let round = 0; round < 200_000; round += 1) writer.complete(entry);
  const nanoseconds = Number(process.hrtime.bigint() - start) / 200_000;
  process.stdout.write(`${format} line ${nanoseconds.toFixed(0)} ns\n`);
}
