import assert from 'node:assert/strict';
import { test } from 'node:test';
import { meshPlan, readTests, suiteArguments } from './suite-plan.ts';

test('the suite is told profiles, features and labels', () => {
  const words = suiteArguments(meshPlan, { version: '1', reportFile: 'r.yaml', only: 'MeshBasic' });
  assert.ok(words.includes('-conformance-profiles=MESH-HTTP,MESH-GRPC'));
  assert.ok(words.includes('-namespace-labels=istio.io/dataplane-mode=ambient,istio.io/use-waypoint=waypoint'));
  assert.ok(words.includes('-run-test=MeshBasic'));
});

test('tests are read without their parts and without those of other profiles', () => {
  const output = `
    --- SKIP: TestConformance/HTTPRouteWeight (0.00s)
    --- PASS: TestConformance/MeshBasic (1.20s)
        --- PASS: TestConformance/MeshBasic/0_request (1.00s)
    --- FAIL: TestConformance/MeshPorts (30.00s)
`;
  assert.deepEqual(readTests(output, meshPlan), [
    { name: 'MeshBasic', verdict: 'PASS' },
    { name: 'MeshPorts', verdict: 'FAIL' },
  ]);
});
