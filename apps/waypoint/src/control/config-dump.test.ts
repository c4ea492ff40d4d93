import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxy as messages } from '@ambit/api';
import { create, toBinary } from '@bufbuild/protobuf';
import { configDump } from './config-dump.ts';

test('what is secret of a configuration is not in its dump: keys, and headers of collectors', () => {
  const secret = 'the-secret';
  const collector = { hostname: 'otel', port: 4317, headers: { authorization: secret } };
  const telemetry = { tracing: { collector }, accessLog: { collector }, furtherAccessLogs: [{ collector }] };
  const proxy = create(messages.ProxySchema, { name: 'waypoint', telemetry });
  const tls = { clientPrivateKeyPem: Buffer.from(secret) };
  const destination = create(messages.DestinationSchema, { telemetry, ports: [{ traffic: { tls } }] });
  const keyPairs = [{ privateKeyPem: Buffer.from(secret) }];
  const server = create(messages.ServerSchema, { listeners: [{ tls: { keyPairs } }] });
  const dump = configDump({
    state: {
      resources: () => ({
        proxy: toBinary(messages.ProxySchema, proxy),
        destinations: new Map([['web', toBinary(messages.DestinationSchema, destination)]]),
        servers: new Map([['80', toBinary(messages.ServerSchema, server)]]),
      }),
    },
    certificates: [],
    workloads: 0,
    services: 0,
    workers: [],
    version: '1',
  });
  assert.ok(dump.includes('"authorization": "<hidden>"'));
  assert.ok(!dump.includes(secret) && !dump.includes(Buffer.from(secret).toString('base64')));
});
