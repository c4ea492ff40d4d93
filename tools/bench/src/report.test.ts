import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderChart, renderGoals, renderTable } from './l4/report.ts';
import type { BenchResult } from './l4/report.ts';
import { median, medianRatio } from './statistics.ts';

const result: BenchResult = {
  machine: 'm',
  date: 'd',
  rounds: 2,
  secondsARun: 1,
  problems: [],
  resync: [{ name: 'ambit', quietP50Us: 100, resyncP50Us: 150, ratio: 1.5 }],
  subjects: [
    {
      name: 'rust',
      rounds: [
        { 'requests.16': 100, 'cpu.16': 10 },
        { 'requests.16': 50, 'cpu.16': 10 },
      ],
    },
    {
      name: 'ambit',
      rounds: [
        { 'requests.16': 150, 'cpu.16': 5, loadedMiB: 40 },
        { 'requests.16': 75, 'cpu.16': 8, loadedMiB: 60 },
      ],
    },
  ],
};

test('medians take the middle, of an even count the mean of the two', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('ratios are taken inside each round', () => {
  assert.equal(medianRatio([10, 100], [10, 50]), 1.5);
  assert.ok(Number.isNaN(medianRatio([1], [])));
});

test('the table shows only what was measured', () => {
  const table = renderTable(result);
  assert.match(table, /1 KB requests, 16 connections \(a second\) +\| +75\.0 \| +113 \| +1\.50 \|/);
  assert.doesNotMatch(table, /64 connections/);
});

test('goals are reached, missed or not measured', () => {
  const goals = renderGoals(result);
  assert.match(goals, /^reached +1 KB requests, 16 connections: 1\.50 \(at least 1\.4/m);
  assert.match(goals, /^missed +proxy CPU a request, 16 connections: 0\.65/m);
  assert.match(goals, /^not measured +connect, request, close/m);
  assert.match(goals, /^reached +private memory after load: 50\.0/m);
  assert.match(goals, /^missed +p50 while 100,000 workloads are sent: 1\.50/m);
});

test('the chart is one SVG with a bar for each subject', () => {
  const svg = renderChart(result);
  assert.match(svg, /^<svg [^>]*>[\s\S]*<\/svg>\n$/);
  assert.equal(svg.match(/<rect x=/g)?.length, 5);
});
