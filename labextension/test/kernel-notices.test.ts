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

describe('a lease that ends under a running kernel', () => {
  const over = (seconds: number | null): Partial<KernelAnswer> => ({
    state: 'busy',
    applied: 'when_idle',
    over: {
      lease_id: 'a',
      devices: ['GPU-0'],
      ended_at: iso(0),
      stops_at: seconds === null ? null : iso(seconds)
    }
  });
  const told = (changes: Partial<KernelAnswer>) =>
    at(one(changes), { rows: leaseRows([]) });

  it('is told with when it is stopped, what is lost, and what helps', () => {
    const [notice] = told(over(300));
    assert.equal(
      plain(notice!.message),
      'The lease of GPU 0 is over. If train.ipynb still uses it in 5 min it is stopped, and its variables are lost. Save your work.'
    );
    assert.ok(notice!.message.length <= 140);
    assert.deepEqual(notice!.actions, ['request', 'interrupt']);
    const [last] = told(over(55));
    assert.match(plain(last!.message), /in 50 s it is stopped/);
    assert.notEqual(last!.stage, notice!.stage);
  });

  it('is told to cost nothing but the GPU where nobody is stopped', () => {
    const [busy] = told(over(null));
    assert.match(busy!.message, /loses the GPU when this cell ends/);
    assert.ok(busy!.message.length <= 140);
    const [used] = told({ ...over(null), state: 'idle', applied: 'restart' });
    assert.match(used!.message, /until a restart, which loses its variables/);
    assert.deepEqual(used!.actions, ['request', 'restart']);
  });

  it('is told once: by the guard only when it has begun to stop it', () => {
    const keys = (stage: 'warned' | 'interrupted') =>
      at({
        ...one(over(10)),
        findings: [finding({ kind: 'ended', stage, lease_id: 'a' })]
      }).map(({ key }) => key.split(' ')[0]);
    assert.deepEqual(keys('warned'), ['over']);
    assert.deepEqual(keys('interrupted'), ['guard']);
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

  it('is for whom it is about, where names are hidden too', () => {
    assert.deepEqual(at({ findings: [finding({ mine: false })] }), []);
    assert.equal(at({ findings: [finding({ user: null })] }).length, 1);
    assert.deepEqual(at({ findings: [finding({ stage: 'reported' })] }), []);
  });
});
