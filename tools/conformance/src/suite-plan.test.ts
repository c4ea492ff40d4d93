import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PlanName, readTests, suiteArguments, type SuitePlan, suitePlans } from './suite-plan.ts';

function planOf(name: PlanName): SuitePlan {
  const plan = suitePlans.find((one) => one.name === name);
  assert.ok(plan !== undefined);
  return plan;
}

test('the suite is told profiles, features and labels', () => {
  const words = suiteArguments(planOf('mesh'), { version: '1', reportFile: 'r.yaml', only: 'MeshBasic' });
  assert.ok(words.includes('-conformance-profiles=MESH-HTTP,MESH-GRPC'));
  assert.ok(words.includes('-namespace-labels=istio.io/dataplane-mode=ambient,istio.io/use-waypoint=waypoint'));
  assert.ok(words.includes('-run-test=MeshBasic'));
});

test('for gateways the suite reads the features from the class', () => {
  const words = suiteArguments(planOf('gateway'), { version: '1', reportFile: 'r.yaml', only: undefined });
  assert.ok(words.includes('-gateway-class=ambit'));
  assert.ok(words.every((word) => !word.startsWith('-supported-features') && !word.startsWith('-namespace-labels')));
});

test('tests are read without their parts and without those of other profiles', () => {
  const output = `
    --- SKIP: TestConformance/HTTPRouteWeight (0.00s)
    --- PASS: TestConformance/MeshBasic (1.20s)
        --- PASS: TestConformance/MeshBasic/0_request (1.00s)
    --- FAIL: TestConformance/MeshPorts (30.00s)
    --- SKIP: TestConformance/UDPRoute (0.00s)
`;
  assert.deepEqual(readTests(output, planOf('mesh')), [
    { name: 'MeshBasic', verdict: 'PASS' },
    { name: 'MeshPorts', verdict: 'FAIL' },
  ]);
  assert.deepEqual(readTests(output, planOf('gateway')), [{ name: 'HTTPRouteWeight', verdict: 'SKIP' }]);
});
