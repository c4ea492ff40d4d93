import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlainObject } from '@ambit/kube';
import { judgeObjects } from './object-health.ts';

function withStatus(status: PlainObject, spec: PlainObject = {}): PlainObject {
  return { metadata: { namespace: 'shop', name: 'web' }, spec, status };
}

function condition(type: string, status: string, reason: string): PlainObject {
  return { type, status, reason, message: 'why' };
}

function told(kind: string, object: PlainObject): readonly string[] {
  const gatewayClass = { metadata: { name: 'ambit' }, spec: { controllerName: 'ambit.dev/gateway-controller' } };
  return judgeObjects([
    { kind: 'GatewayClass', plural: 'gatewayclasses', objects: [gatewayClass] },
    { kind, plural: `${kind.toLowerCase()}s`, objects: [object] },
  ]).map(({ text }) => text);
}

test('an object that is in force is not mentioned', () => {
  const conditions = [condition('ZtunnelAccepted', 'True', 'Accepted'), condition('Other', 'False', 'Whatever')];
  assert.deepEqual(told('AuthorizationPolicy', withStatus({ conditions })), []);
  assert.deepEqual(told('Service', { metadata: { namespace: 'shop', name: 'web' } }), []);
});

test('what is refused, missing or only half in force is told with type, reason and message', () => {
  for (const bad of [
    condition('WaypointAccepted', 'False', 'TargetNotFound'),
    condition('istio.io/WaypointMissing', 'True', 'NoSelectors'),
    condition('ambit.dev/KeysFetched', 'False', 'FetchFailed'),
    condition('ambit.dev/SelectsWorkloads', 'False', 'NothingSelected'),
    condition('ZtunnelAccepted', 'True', 'UnsupportedValue'),
  ]) {
    const [text] = told('AuthorizationPolicy', withStatus({ conditions: [bad] }));
    assert.equal(text, `AuthorizationPolicy shop/web: ${bad['type']}=${bad['status']} (${bad['reason']}): why`);
  }
});

test('a route is judged by what the mesh says of it, not by what others do, and says each thing once', () => {
  const conditions = [condition('ResolvedRefs', 'False', 'BackendNotFound')];
  const own = { controllerName: 'ambit.dev/mesh-controller', conditions };
  assert.equal(told('HTTPRoute', withStatus({ parents: [own, own] })).length, 1);
  assert.equal(told('HTTPRoute', withStatus({ parents: [own, own] }))[0]?.match(/ResolvedRefs/g)?.length, 1);
  assert.deepEqual(told('HTTPRoute', withStatus({ parents: [{ controllerName: 'x.io/c', conditions }] })), []);
});

test('gateways of other classes are left to those who run them', () => {
  const status = { conditions: [condition('Programmed', 'False', 'Invalid')] };
  assert.equal(told('Gateway', withStatus(status, { gatewayClassName: 'ambit' })).length, 1);
  assert.deepEqual(told('Gateway', withStatus(status, { gatewayClassName: 'nginx' })), []);
});

test('a listener that cannot be used is told too', () => {
  const listeners = [{ name: 'https', conditions: [condition('ResolvedRefs', 'False', 'InvalidCertificateRef')] }];
  assert.match(told('Gateway', withStatus({ listeners }, { gatewayClassName: 'ambit' }))[0] ?? '', /CertificateRef/);
  const partly = [{ name: 'https', conditions: [condition('ambit.dev/FieldsInForce', 'False', 'Unsupported')] }];
  assert.equal(told('Gateway', withStatus({ listeners: partly }, { gatewayClassName: 'ambit' })).length, 1);
});

test('no more than twenty are listed', () => {
  const object = withStatus({ conditions: [condition('ZtunnelAccepted', 'False', 'UnsupportedValue')] });
  const findings = judgeObjects([{ kind: 'A', plural: 'as', objects: Array.from({ length: 25 }, () => object) }]);
  assert.equal(findings.length, 21);
  assert.equal(findings[20]?.text, 'and 5 more objects');
});
