import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeError } from '@ambit/kube';
import { explainFailure } from './explain-failure.ts';

test('a cluster that cannot be used is told with what to do', () => {
  const unreachable = explainFailure(new KubeError('UNREACHABLE', 'GET /version: connect ECONNREFUSED 127.0.0.1:1'));
  assert.match(
    unreachable,
    /^ambitctl: the API server does not answer: GET \/version: connect ECONNREFUSED .*\n {4}Is /,
  );
  assert.match(explainFailure(new KubeError('ACCESS', 'no file')), /--kubeconfig FILE/);
});

test('other failures are told as they are', () => {
  assert.equal(explainFailure(new KubeError('CONFLICT', 'try again')), 'ambitctl: try again\n');
  assert.equal(explainFailure(new Error('broken')), 'ambitctl: broken\n');
});
