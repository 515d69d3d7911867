import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { IKernelState } from '../src/kernels/model';
import {
  kernelNotices,
  restartKey,
  type IMoment
} from '../src/kernels/notices';
import { leaseRows } from '../src/leases/rows';
import type { KernelAnswer } from '../src/wire';
import { death, finding, kernel, state } from './kernels';
import { iso, label, lease, NOON } from './leases';
import { english as words } from './words';

const plain = (text: string) => text.replace(/\u00a0/g, ' ');

function at(changes: Partial<IKernelState>, moment: Partial<IMoment> = {}) {
  return kernelNotices(
    {
      state: state(changes),
      rows: leaseRows([lease('a', { kernel_id: 'k1' })]),
      user: 'user-a',
      reminded: new Set(),
      answered: new Set(),
      since: NOON - 1000,
      now: NOON,
      ...moment
    },
    label,
    words
  );
}

const one = (changes: Parameters<typeof kernel>[0]) => ({
  kernels: new Map([['k1', kernel(changes)]])
});

describe('a kernel that died', () => {
  it('is told with what helps, in what a notification can hold', () => {
    const [notice] = at(one({ death: death() }));
    assert.equal(
      plain(notice!.message),
      'train.ipynb: out of memory at 12:00: limit 4.0 GiB, peak 4.0 GiB, cell [7]. Load less at once, or ask for a higher limit.'
    );
    assert.ok(notice!.message.length <= 140);
  });

  it('is no news to a page that was opened later', () => {
    assert.deepEqual(at(one({ death: death() }), { since: NOON + 1 }), []);
  });

  it('is left to JupyterLab where nobody knows why', () => {
    assert.deepEqual(at(one({ death: death({ reason: 'unknown' }) })), []);
  });
});

describe('a restart that is needed', () => {
  const waits: Partial<KernelAnswer> = {
    applied: 'restart',
    devices: ['GPU-0']
  };

  it('is told once it concerns a lease', () => {
    const [notice] = at(one(waits));
    assert.deepEqual(notice!.actions, ['restart']);
    assert.match(notice!.message, /loses its variables/);
    assert.deepEqual(at(one(waits), { rows: leaseRows([]) }), []);
  });

  it('is not told again to who has said later', () => {
    const answered = new Set([restartKey(kernel(waits))]);
    assert.deepEqual(at(one(waits), { answered }), []);
  });
});

describe('an idle lease', () => {
  const idle = [
    {
      lease_id: 'a',
      since: iso(-2400),
      holds_memory: false,
      release_at: iso(900),
      message: ''
    }
  ];

  it('is asked about, and again when its owner is reminded', () => {
    const [asked] = at({ idle });
    const [again] = at({ idle }, { reminded: new Set(['a']) });
    assert.deepEqual(asked!.actions, ['keep', 'release']);
    assert.notEqual(asked!.stage, again!.stage);
  });
});

describe('a warning of the guard', () => {
  it('counts down in steps, and can be obeyed', () => {
    const [notice] = at({ findings: [finding()] });
    assert.equal(
      plain(notice!.message),
      'train.ipynb (pid 4711) is on GPU 0, which it doesn’t hold: interrupted in 1 min.'
    );
    assert.deepEqual(notice!.actions, ['interrupt', 'panel']);
  });

  it('is for whom it is about', () => {
    assert.deepEqual(at({ findings: [finding({ user: 'user-b' })] }), []);
    assert.deepEqual(at({ findings: [finding({ stage: 'reported' })] }), []);
  });
});
