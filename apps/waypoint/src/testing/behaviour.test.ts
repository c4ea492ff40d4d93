/** Golden decisions: each request of each table, by the messages that the control plane derived from the table's resources. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { type BehaviourRequest, behaviourTables, requestsOf } from '@ambit/testing';

import type { FakeServerExchange } from '../request/test-support/fake-server-exchange.ts';
import type { Lab } from '../request/test-support/lab.ts';
import { BehaviourLab } from './behaviour-lab.ts';

/** Decisions that a family of tables has at least: no file is forgotten, no list cut short. */
const least: Readonly<Record<string, number>> = {
  authorization: 500,
  jwt: 100,
  path: 2400,
  'virtual-service': 180,
  'http-route': 60,
};

for (const [family, count] of Object.entries(least)) {
  const tables = behaviourTables(family);
  let decisions = 0;
  for (const table of tables) {
    const rig = new BehaviourLab(table);
    for (const { name, decisions: wanted } of table.entries) {
      for (const [outcome, list] of Object.entries(wanted))
        decisions += requestsOf(list).length * (outcome === '' ? 0 : 1);
      test(`${table.name}: ${name}`, () => {
        const wrong: string[] = [];
        for (const [outcome, list] of Object.entries(wanted)) {
          for (const request of requestsOf(list)) {
            const problem = problemOf(rig, name, request, outcome);
            if (problem !== undefined) wrong.push(`${JSON.stringify(request)}: ${problem}`);
          }
        }
        assert.deepEqual(wrong, []);
      });
    }
  }
  test(`there are ${count} decisions or more about ${family}`, () => assert.ok(decisions >= count, String(decisions)));
}

/** What is not as the table says; undefined if everything is. */
function problemOf(rig: BehaviourLab, service: string, request: BehaviourRequest, outcome: string): string | undefined {
  const lab = rig.labOf(service, request);
  const before = lab.upstreams.attempts.length;
  const client = rig.send(lab, request);
  const attempts = lab.upstreams.attempts.length - before;
  if (client.status === undefined && attempts === 1) lab.upstreams.last.answer(200);
  if (String(client.status) !== outcome) return `answered ${client.status} ${client.body}, not ${outcome}`;
  if (outcome !== '200' && attempts > 0) return 'the backend was asked';
  return answerProblem(lab, client, request) ?? sentProblem(rig, lab, request);
}

function answerProblem(lab: Lab, client: FakeServerExchange, { details, body }: BehaviourRequest): string | undefined {
  if (details !== undefined && lab.record.details !== details) return `details are ${lab.record.details}`;
  return body !== undefined && client.body !== body ? `the body is ${client.body}` : undefined;
}

function sentProblem(rig: BehaviourLab, lab: Lab, { sees = {} }: BehaviourRequest): string | undefined {
  for (const [name, value] of Object.entries(sees)) {
    const { sent } = lab.upstreams.last;
    const got = name === ':path' ? sent?.target : name === ':authority' ? sent?.authority : sent?.headers[name];
    const expected = value === null ? undefined : rig.fill(value);
    if (got !== expected) return `the backend sees ${name}: ${got}, not ${value}`;
  }
  return undefined;
}
