import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { ApiError } from '../src/errors';
import { bodyOf, LimitForm, remembered } from '../src/validation/form';
import {
  limitsLine,
  seconds,
  shortName,
  sorted,
  standing,
  subject
} from '../src/validation/sentences';
import type { CheckedNotebook, ValidationAnswer } from '../src/wire';
import { english as words } from './words';

const plain = (text: string) => text.replaceAll('\u00a0', ' ');

function notebook(
  path: string,
  verdict: CheckedNotebook['verdict']
): CheckedNotebook {
  return {
    path,
    verdict,
    reason: '',
    hint: '',
    duration: 1,
    peak_memory: 1024,
    started: 'cold',
    cell: null,
    first_line: '',
    error: null,
    processes: [],
    findings: []
  };
}

function answer(change: Partial<ValidationAnswer>): ValidationAnswer {
  return {
    id: '1',
    status: 'running',
    cancelling: false,
    user: 'a',
    paths: ['course'],
    created_at: '2027-01-01T00:00:00Z',
    started_at: null,
    ended_at: null,
    position: null,
    limits: null,
    progress: { done: 0, total: null, running: [] },
    summary: '',
    problem: null,
    reports: [],
    notebooks: [],
    ...change
  };
}

const two = [notebook('a', 'passed'), notebook('b', 'timed-out')];

describe('a validation', () => {
  it('says how far it is', () => {
    const cases: [Partial<ValidationAnswer>, RegExp][] = [
      [{}, /^Starting$/],
      [{ status: 'queued', position: 1 }, /^Waits for another validation/],
      [{ status: 'queued', position: 3 }, /number 3 in the queue/],
      [
        { progress: { done: 1, total: 4, running: [] } },
        /1 of 4 notebooks have ended/
      ],
      [{ cancelling: true }, /^Stopping/],
      [{ status: 'done', notebooks: two }, /1 of 2 notebooks did not pass/],
      [{ status: 'done', notebooks: two.slice(0, 1) }, /nothing went wrong/],
      [
        { status: 'done', notebooks: [notebook('a', 'failed')] },
        /^The notebook did not pass/
      ],
      [{ status: 'done' }, /nothing to run/],
      [
        { status: 'done', notebooks: [notebook('a', 'skipped')] },
        /nothing to run/
      ],
      [
        {
          status: 'cancelled',
          progress: { done: 2, total: 2, running: [] },
          notebooks: [two[0]!, notebook('c', 'skipped')]
        },
        /^Cancelled: 1 of 2/
      ],
      [{ status: 'failed' }, /^Not validated$/]
    ];
    for (const [change, says] of cases) {
      assert.match(standing(answer(change), words), says);
    }
  });

  it('is named by what is validated', () => {
    assert.equal(subject(['a/b.ipynb'], words), 'b.ipynb');
    assert.equal(subject([''], words), 'all files');
    assert.equal(subject(['a/b', 'c', 'd'], words), 'b and 2 more');
    assert.equal(shortName('a/b/c.ipynb', ['a']), 'b/c.ipynb');
    assert.equal(shortName('ab/c.ipynb', ['a']), 'ab/c.ipynb');
  });

  it('tells its limits', () => {
    const limits = {
      time: 90,
      cell_time: 5,
      memory: 1024 ** 3,
      gpu_memory: null
    };
    assert.equal(
      plain(limitsLine(limits, words)),
      'Each notebook may take 1 min 30 s and 1.0 GiB. Each cell may take 5 s.'
    );
    assert.equal(
      plain(
        limitsLine({ ...limits, cell_time: null, gpu_memory: 2 ** 32 }, words)
      ),
      'Each notebook may take 1 min 30 s, 1.0 GiB and 4.0 GiB of GPU memory.'
    );
    const none = {
      time: null,
      cell_time: null,
      memory: null,
      gpu_memory: null
    };
    assert.equal(limitsLine(none, words), 'There is no limit for a notebook.');
    assert.equal(plain(seconds(600)), '10 min');
    assert.equal(plain(seconds(3.14)), '3.1 s');
  });

  it('shows first what did not pass', () => {
    assert.deepEqual(
      sorted(two).map(({ path }) => path),
      ['b', 'a']
    );
  });
});

describe('the limits that are asked for', () => {
  it('are left to the settings where they are left empty', () => {
    const saved = { time: ' 10m ', gpuMemory: '4GiB', cold: true };
    const body = bodyOf(['a'], remembered(saved), false);
    assert.deepEqual(body, {
      paths: ['a'],
      time_limit: '10m',
      cell_time_limit: null,
      memory_limit: null,
      gpu_memory_limit: null,
      kernel: null,
      cold: true,
      cache: null
    });
  });

  it('are those for GPUs only where there are any', () => {
    const fields = remembered({ gpuMemory: '4GiB' });
    assert.equal(bodyOf(['a'], fields, true).gpu_memory_limit, '4GiB');
    assert.equal(bodyOf(['a'], fields, false).gpu_memory_limit, null);
  });

  it('are not taken from a memory that holds something else', () => {
    assert.equal(remembered({ time: 3, cold: 'yes' }).time, '');
    assert.equal(remembered(null).cold, false);
  });

  it('are shown as wrong where the server says so', async () => {
    const refusal = new ApiError(400, 'x', 'Too short.', 'Give more.', {
      name: 'memory_limit'
    });
    const form = new LimitForm(() => Promise.reject(refusal), ['a'], {});
    assert.equal(await form.submit(), null);
    assert.deepEqual(form.state.problem, {
      field: 'memory',
      text: 'Too short. Give more.'
    });
    assert.equal(form.state.isBusy, false);
    form.set({ memory: '2GiB' });
    assert.equal(form.state.problem, null);
  });
});
