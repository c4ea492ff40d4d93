/** Formats of access logs, several of them at once, and collectors that take them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logs as messages, proxy as proxyMessages } from '@ambit/api';
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { Lab, service as labService } from '../../request/test-support/lab.ts';
import { OtlpQueues } from '../../request/trace/otlp-queues.ts';
import { openStatusWaypoint, type TelemetryInit } from '../test-support/status-waypoint.ts';
import { logConstants } from './log-constants.ts';
import { logPlan } from './log-plan.ts';
import { logSignal, RequestLog } from './request-log.ts';

test('a request is put into each log by its format, where its filter lets it', async () => {
  const template = { code: '%RESPONSE_CODE%', big: '%CEL(response.code > 300)%', none: '%RESP(X-NONE)%' };
  const telemetry: TelemetryInit = {
    accessLog: { enabled: true, textFormat: 'bad %REQ(:PATH)% %RESPONSE_FLAGS_LONG%', minStatus: 400 },
    furtherAccessLogs: [
      { enabled: true, jsonTemplate: JSON.stringify(template), omitsEmpty: true },
      { enabled: false, textFormat: 'never' },
      { enabled: true, textFormat: 'x'.repeat(20_000), filter: 'response.code == 1' },
      {
        enabled: true,
        jsonTemplate: '{"to":"%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}',
        filter: 'response.code == 404',
      },
    ],
  };
  const { rig, entry } = await openStatusWaypoint(telemetry);
  await using _ = rig;
  await rig.fetch(entry, '/200');
  await rig.fetch(entry, '/404');
  assert.deepEqual(rig.accessLog.trimEnd().split('\n'), [
    '{"code":200,"big":false}',
    'bad /404 -',
    '{"code":404,"big":true}',
    '{"to":"127.0.0.1"}',
  ]);
});

test('a collector takes the log in records with the trace of the request', () => {
  const collector = { hostname: 'otel', port: 4317 };
  const otel = labService('otel', { namespace: 'observe' });
  const tracing = { enabled: true, ignoresRequestId: true };
  const lab = new Lab({ proxy: { telemetry: { tracing } }, destinations: [otel] });
  const constants = logConstants('waypoint-1');
  const producer = { serviceName: 'waypoint.shop', clusterId: 'Kubernetes', podName: 'waypoint-1', constants };
  const queues = new OtlpQueues({ ...producer, timers: lab.timers, upstreams: lab.upstreams }, logSignal);
  const jsonTemplate = '{"code":"%RESPONSE_CODE%","tier":"%REQ(X-TIER)%","odd":"%NO_SUCH%"}';
  const settings = create(proxyMessages.TelemetrySchema, {
    accessLog: { enabled: true, textFormat: '%REQ(:METHOD)% %PROTOCOL%', jsonTemplate, collector },
  });
  const plan = logPlan(settings, { constants, queueOf: (one) => queues.of(one) });
  assert.deepEqual(plan.problems, ['%NO_SUCH%']);
  const log = new RequestLog({ maxWriteBytes: 1, sink: () => assert.fail('nothing goes to standard output') });
  lab.request({ headers: { 'x-tier': 'gold' } });
  lab.upstreams.last.answer(200, 'ok');
  log.write(lab.record, plan, lab.config);
  log.flush();
  lab.timers.advance(1000);
  const { last } = lab.upstreams;
  assert.equal(last.sent?.target, '/opentelemetry.proto.collector.logs.v1.LogsService/Export');
  const { resourceLogs } = fromBinary(
    messages.ExportLogsServiceRequestSchema,
    Buffer.from(last.body, 'latin1').subarray(5),
  );
  const [record, ...more] = resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
  assert.equal(more.length, 0);
  assert.equal(record?.body?.value.value, 'GET HTTP/1.1');
  assert.deepEqual(
    record.attributes.map(({ key, value }) => [key, value?.value.value]),
    [
      ['code', '200'],
      ['tier', 'gold'],
      ['odd', '-'],
    ],
  );
  assert.equal(Buffer.from(record.traceId).toString('hex'), lab.record.trace?.traceId);
  last.answer(200, '', { 'grpc-status': '0' });
  assert.equal(queues.dropped, 0);
});

test('what cannot be a format is told of, and lines have the default one', () => {
  const queueOf = (): never => assert.fail('no collector');
  const problemsOf = (accessLog: MessageInitShape<typeof proxyMessages.Telemetry_AccessLogSchema>): readonly string[] =>
    logPlan(create(proxyMessages.TelemetrySchema, { accessLog: { enabled: true, ...accessLog } }), {
      constants: logConstants(''),
      queueOf,
    }).problems;
  assert.deepEqual(problemsOf({}), []);
  assert.match(problemsOf({ textFormat: 'x'.repeat(20_000) }).join(), /more than 16384 characters/);
  assert.match(problemsOf({ jsonTemplate: '{' }).join(), /JSON/);
  assert.deepEqual(problemsOf({ jsonTemplate: '[]' }), []);
});

test('the environment of the proxy can be asked for, without what may be secret', () => {
  process.env['AMBIT_TEST_ZONE'] = 'b';
  const { environment } = logConstants('');
  assert.equal(environment('AMBIT_TEST_ZONE'), 'b');
  delete process.env['AMBIT_TEST_ZONE'];
  process.env['AUTH_TOKEN'] = 'secret';
  assert.equal(environment('AUTH_TOKEN'), undefined);
  delete process.env['AUTH_TOKEN'];
});

test('flags are the bits of Envoy, and durations have units', () => {
  const lab = new Lab();
  lab.request();
  lab.timers.advance(1500);
  lab.upstreams.last.answer(200, 'ok');
  const valueOf = (text: string): unknown => logConstants('').expression(text)?.(lab.record);
  assert.equal(valueOf('response.flags'), 0);
  lab.record.addFlag('UF');
  lab.record.addFlag('URX');
  assert.equal(valueOf('response.flags'), 2 ** 5 + 2 ** 15);
  assert.equal(valueOf('request.duration'), '1.5s');
  assert.equal(valueOf(`request.duration >= duration('2s')`), false);
});
