import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import {
  deviceRows,
  kernelRows,
  occupancy,
  processGroups,
  usable
} from '../src/gpus/rows';
import type { Device, DeviceReading } from '../src/wire';
import {
  device,
  GIB,
  kernel,
  owned,
  process,
  reading,
  sample
} from './samples';
import { english as words } from './words';

const instance = (index: number): Device =>
  device(index, {
    uuid: `MIG-${index}`,
    mig_parent: 'GPU-0',
    name: 'NVIDIA H200 MIG 1g.18gb'
  });

describe('device rows', () => {
  it('put each MIG instance under its GPU, whatever the order', () => {
    const devices = [
      device(0, { mig_enabled: true }),
      device(1),
      instance(0),
      instance(1)
    ];
    const rows = deviceRows(devices, null, words);
    assert.deepEqual(
      rows.map(row => row.number),
      ['0', '0:0', '0:1', '1']
    );
    assert.equal(rows[1]?.label, 'GPU 0, MIG 0');
  });

  it('count instances, not the GPU that was split, as usable', () => {
    const rows = deviceRows(
      [device(0, { mig_enabled: true }), instance(0), device(1)],
      null,
      words
    );
    assert.deepEqual(
      usable(rows).map(row => row.device.uuid),
      ['MIG-0', 'GPU-1']
    );
  });

  it('keep an instance whose GPU is not listed', () => {
    assert.equal(deviceRows([instance(3)], null, words)[0]?.isInstance, true);
  });
});

describe('a device', () => {
  const state = (
    readingChanges: Partial<DeviceReading>,
    deviceChanges: Partial<Device> = {}
  ) => {
    const [row] = deviceRows(
      [device(0, deviceChanges)],
      sample(1, { devices: [reading('GPU-0', readingChanges)] }),
      words
    );
    assert.ok(row);
    return occupancy(row);
  };

  it('is free when nothing is on it', () => {
    assert.equal(state({ memory_used: 600 * 1024 ** 2 }), 'free');
  });

  it('is used when a process is on it, idle or not', () => {
    assert.equal(state({ processes: [process(1)] }), 'used');
  });

  it('is used when its processes are hidden but its memory or load tells', () => {
    assert.equal(state({ memory_used: 40 * GIB }), 'used');
    assert.equal(state({ utilization: 60 }), 'used');
  });

  it('that shares the memory of the host is not used because the host is', () => {
    assert.equal(
      state({ memory_used: 100 * GIB }, { unified_memory: true }),
      'free'
    );
  });

  it('of which nothing is told is not called free', () => {
    assert.equal(
      state({ processes: null, memory_used: null, utilization: null }),
      'unknown'
    );
    assert.equal(state({ status: 'lost' }), 'broken');
  });
});

describe('processes', () => {
  it('of one notebook stand together, their memory added up', () => {
    const [group, ...rest] = processGroups(
      [owned(1, 'a/train.ipynb'), owned(2, 'a/train.ipynb', { memory: null })],
      words
    );
    assert.equal(rest.length, 0);
    assert.equal(group?.title, 'train.ipynb');
    assert.equal(group.memory, GIB);
    assert.deepEqual(group.pids, [1, 2]);
  });

  it('of two notebooks of the same name stay apart', () => {
    assert.equal(
      processGroups([owned(1, 'a/x.ipynb'), owned(2, 'b/x.ipynb')], words)
        .length,
      2
    );
  });

  it('without an owner say why, and come last', () => {
    const groups = processGroups(
      [process(1, { name: 'a' }), owned(2, 'z.ipynb')],
      words
    );
    assert.deepEqual(
      groups.map(group => group.title),
      ['z.ipynb', 'a']
    );
    assert.equal(groups[1]?.unattributed, 'It runs outside this server.');
  });

  it('keep their order when the memory changes', () => {
    const order = (first: number, second: number) =>
      processGroups(
        [
          owned(1, 'a.ipynb', { memory: first }),
          owned(2, 'b.ipynb', { memory: second })
        ],
        words
      ).map(group => group.title);
    assert.deepEqual(order(1, 2), order(2, 1));
  });

  it('of which the driver tells no memory have none, not 0', () => {
    assert.equal(
      processGroups([process(1, { memory: null })], words)[0]?.memory,
      null
    );
  });
});

describe('kernels', () => {
  it('name the devices that they are seen on', () => {
    const taken = sample(1, {
      kernels: [kernel('train.ipynb'), kernel('notes.ipynb')],
      devices: [
        reading('GPU-0', { processes: [owned(1, 'train.ipynb')] }),
        reading('GPU-1', {
          processes: [owned(1, 'train.ipynb'), owned(2, 'train.ipynb')]
        })
      ]
    });
    const rows = deviceRows([device(0), device(1)], taken, words);
    const [notes, train] = kernelRows(taken, rows, words);
    assert.deepEqual(notes?.devices, []);
    assert.equal(notes.gpuMemory, null);
    assert.deepEqual(
      train?.devices.map(row => row.label),
      ['GPU 0', 'GPU 1']
    );
    assert.equal(train.gpuMemory, 3 * GIB);
  });
});
